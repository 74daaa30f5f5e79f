import { z } from "zod";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { TOPIC_CONFIGS } from "#lib/cluster/topic-configs.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { topicResource } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { findTopic, readTopicsOn } from "../find-topic.ts";
import type { HttpServices } from "../http-services.ts";
import { partitionParams, topicParams } from "../parameters.ts";

// Topics and partitions as the REST Proxy's v2 shows them.

const Replica = z.object({ broker: z.int(), leader: z.boolean(), in_sync: z.boolean() }).meta({ id: "V2Replica" });
const Partition = z
  .object({ partition: z.int(), leader: z.int(), replicas: z.array(Replica) })
  .meta({ id: "V2Partition" });
const TopicAnswer = z
  .object({ name: z.string(), configs: z.record(z.string(), z.string()), partitions: z.array(Partition) })
  .meta({ id: "V2Topic" });
const Offsets = z.object({ beginning_offset: z.int(), end_offset: z.int() }).meta({ id: "V2Offsets" });

const PARTITION_EXAMPLE = { partition: 0, leader: 0, replicas: [{ broker: 0, leader: true, in_sync: true }] };

const listTopics = endpoint(
  {
    method: "get",
    path: "/topics",
    area: "v2",
    tag: "topics",
    operationId: "listTopics",
    summary: "Names of all topics",
    answers: {
      200: { description: "In ascending order.", schema: z.array(z.string()), example: ["orders", "places"] },
    },
  },
  async ({ runtime, principal, signal }) => {
    await readTopicsOn({ runtime, signal });
    const names = runtime.broker.cluster.topics().map(({ name }) => name);
    return { value: names.filter((name) => principal.may("describe", topicResource(name))) };
  },
);

const describeTopic = endpoint(
  {
    method: "get",
    path: "/topics/{topic}",
    area: "v2",
    tag: "topics",
    operationId: "describeTopic",
    summary: "A topic with its configs and partitions",
    params: topicParams,
    answers: {
      200: {
        description: "Every config that holds for the topic, defaults among them.",
        schema: TopicAnswer,
        example: { name: "orders", configs: { "cleanup.policy": "delete" }, partitions: [PARTITION_EXAMPLE] },
      },
    },
    refusals: { 404: "40401: there is no such topic." },
  },
  async ({ params, runtime, principal, signal }) => {
    const topic = await findTopic(params.topic, "describe", { principal, runtime, signal });
    return {
      value: { name: topic.name, configs: configsOf(topic, runtime), partitions: partitionsOf(topic, runtime) },
    };
  },
);

const listPartitions = endpoint(
  {
    method: "get",
    path: "/topics/{topic}/partitions",
    area: "v2",
    tag: "topics",
    operationId: "listPartitions",
    summary: "The partitions of a topic",
    params: topicParams,
    answers: {
      200: { description: "In ascending order.", schema: z.array(Partition), example: [PARTITION_EXAMPLE] },
    },
    refusals: { 404: "40401: there is no such topic." },
  },
  async ({ params, runtime, principal, signal }) => {
    const topic = await findTopic(params.topic, "describe", { principal, runtime, signal });
    return { value: partitionsOf(topic, runtime) };
  },
);

const describePartition = endpoint(
  {
    method: "get",
    path: "/topics/{topic}/partitions/{partition}",
    area: "v2",
    tag: "topics",
    operationId: "describePartition",
    summary: "One partition of a topic",
    params: partitionParams,
    answers: { 200: { description: "The partition.", schema: Partition, example: PARTITION_EXAMPLE } },
    refusals: { 404: "40401: there is no such topic; 40402: it has no such partition." },
  },
  async ({ params, runtime, principal, signal }) => {
    const topic = await findTopic(params.topic, "describe", { principal, runtime, signal }, params.partition);
    return { value: partitionsOf(topic, runtime)[params.partition] };
  },
);

const partitionOffsets = endpoint(
  {
    method: "get",
    path: "/topics/{topic}/partitions/{partition}/offsets",
    area: "v2",
    tag: "topics",
    operationId: "partitionOffsets",
    summary: "The first and the next offset of a partition",
    params: partitionParams,
    answers: {
      200: {
        description: "`end_offset` is the offset that the next record will get.",
        schema: Offsets,
        example: { beginning_offset: 0, end_offset: 12 },
      },
    },
    refusals: { 404: "40401: there is no such topic; 40402: it has no such partition." },
  },
  async ({ params, runtime, principal, signal }) => {
    const topic = await findTopic(params.topic, "describe", { principal, runtime, signal }, params.partition);
    const at = { topic: topic.placement, partitionIndex: params.partition };
    const [earliest, latest] = await runtime.broker.offsets.listOffsets(
      [
        { ...at, spec: { kind: "earliest" } },
        { ...at, spec: { kind: "latest", readCommitted: false } },
      ],
      signal,
    );
    for (const found of [earliest, latest]) {
      const error = found?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      if (error !== ErrorCode.NONE) throw httpErrorOf(error);
    }
    return { value: { beginning_offset: earliest?.offset, end_offset: latest?.offset } };
  },
);

export const V2_TOPIC_ROUTES: readonly Endpoint[] = [
  listTopics,
  describeTopic,
  listPartitions,
  describePartition,
  partitionOffsets,
];

function configsOf(topic: TopicView, { broker }: HttpServices): Readonly<Record<string, string>> {
  return Object.fromEntries(
    TOPIC_CONFIGS.flatMap((definition) => {
      const { name, value } = broker.cluster.topicConfig(topic, definition);
      return value === null ? [] : [[name, value]];
    }),
  );
}

function partitionsOf({ placement, partitionCount }: TopicView, { broker }: HttpServices) {
  const { nodes } = broker;
  return Array.from({ length: partitionCount }, (_, partition) => {
    const { leaderId, replicaNodes, isrNodes, offlineReplicas } = nodes.of(placement, partition);
    const replicas = replicaNodes.map((id) => ({
      broker: id,
      leader: id === leaderId,
      in_sync: isrNodes.includes(id) && !offlineReplicas.includes(id),
    }));
    return { partition, leader: leaderId, replicas };
  });
}
