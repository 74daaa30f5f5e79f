import { z } from "zod";
import { areConsecutive, assignmentFault } from "#lib/broker/manual-assignment.ts";
import type { AdminResult } from "#lib/cluster/admin-result.ts";
import type { Topic } from "#lib/cluster/cluster-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { PARTITIONS_PER_TOPIC_MAX } from "#lib/util/limits.ts";
import { requireAccess, topicResource } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { findTopic } from "../find-topic.ts";
import type { HttpServices } from "../http-services.ts";
import { JSON_TYPE } from "../media-types.ts";
import {
  clusterParams,
  EXAMPLE_URLS,
  eachOf,
  inCluster,
  listSchema,
  NO_CLUSTER,
  NO_TOPIC,
  Related,
  resourceSchema,
  topicInCluster,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";

// Topics as the REST Proxy's v3 has them: listed, made, shown, grown and deleted.

const TAG = "topics (v3)";
const KIND = "KafkaTopic";

const TopicData = resourceSchema(KIND, {
  topic_name: z.string(),
  is_internal: z.boolean(),
  replication_factor: z.int(),
  partitions_count: z.int(),
  partitions: Related,
  configs: Related,
  partition_reassignments: Related,
});

const count = (max: number) => z.int().min(-1).max(max).nullish().meta({ description: "-1: the broker's default." });
const NewTopicBody = z
  .strictObject({
    topic_name: z.string(),
    partitions_count: count(PARTITIONS_PER_TOPIC_MAX),
    replication_factor: count(0x7fff),
    replicas_assignments: z
      .array(z.strictObject({ partition_id: z.int(), broker_ids: z.array(z.int()) }))
      .max(PARTITIONS_PER_TOPIC_MAX)
      .nullish()
      .meta({ description: "In the place of both counts; taken where there is one store alone." }),
    configs: z.array(z.strictObject({ name: z.string(), value: z.string() })).nullish(),
    validate_only: z.boolean().nullish().meta({ description: "Everything is checked and nothing is made." }),
  })
  .meta({ id: "V3NewTopic" });
const GrownTopicBody = z
  .strictObject({ partitions_count: z.int().min(1).max(0x7fff_ffff) })
  .meta({ id: "V3GrownTopic" });

const EXAMPLE = topicData(EXAMPLE_URLS, { name: "orders", replicationFactor: 3, partitionCount: 12 });

const listTopics = endpoint(
  {
    ...inCluster(TAG, "/topics"),
    method: "get",
    operationId: "v3ListTopics",
    summary: "All topics",
    params: clusterParams,
    answers: {
      200: {
        description: "By name. With a key, those that it may read or write.",
        schema: listSchema(KIND, TopicData),
        example: EXAMPLE_URLS.list(KIND, [EXAMPLE], "topics"),
      },
    },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { cluster } = call.runtime.broker;
    await cluster.refresh(call.signal);
    const shown = cluster.topics().filter(({ name }) => call.principal.may("describe", topicResource(name)));
    const data = eachOf(shown, (topic) => topicData(urls, topic));
    return urls.longList(KIND, data, "topics");
  },
);

const createTopic = endpoint(
  {
    ...inCluster(TAG, "/topics"),
    method: "post",
    operationId: "v3CreateTopic",
    summary: "Make a topic",
    params: clusterParams,
    body: { [JSON_TYPE]: NewTopicBody },
    bodyExamples: {
      [JSON_TYPE]: {
        topic_name: "orders",
        partitions_count: 12,
        configs: [{ name: "retention.ms", value: "86400000" }],
      },
    },
    answers: {
      201: { description: "It is made.", schema: TopicData, example: EXAMPLE },
      200: { description: "With `validate_only`: it would be made.", schema: TopicData, example: EXAMPLE },
    },
    refusals: {
      400: "400: the topic is there already; its name, counts, replicas or configs cannot be.",
      404: `404: ${NO_CLUSTER}.`,
    },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { body, principal, runtime, signal } = call;
    const name = body.topic_name;
    requireAccess(principal, "create", topicResource(name));
    const validateOnly = body.validate_only === true;
    const requested = { name, ...countsOf(body, runtime), configs: configsOf(body.configs ?? []) };
    const result = await runtime.broker.topicAdmin.createTopic(requested, { validateOnly, signal });
    const { partitionCount, replicationFactor } = doneOf(result);
    const value = topicData(urls, { name, partitionCount, replicationFactor });
    return validateOnly ? { value } : { status: 201, value, headers: { location: value.metadata.self } };
  },
);

const getTopic = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}"),
    method: "get",
    operationId: "v3GetTopic",
    summary: "One topic",
    params: topicInCluster,
    answers: { 200: { description: "The topic.", schema: TopicData, example: EXAMPLE } },
    refusals: { 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    return { value: topicData(urls, await findTopic(call.params.topic_name, "describe", call)) };
  },
);

const growTopic = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}"),
    method: "patch",
    operationId: "v3GrowTopic",
    summary: "Give a topic more partitions",
    description: "Keys that are written from then on may go to another partition than before, as on Kafka.",
    params: topicInCluster,
    body: { [JSON_TYPE]: GrownTopicBody },
    bodyExamples: { [JSON_TYPE]: { partitions_count: 24 } },
    answers: { 200: { description: "The topic as it is now.", schema: TopicData, example: EXAMPLE } },
    refusals: { 400: "400: it has as many partitions, or more, or may not have so many.", 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { params, body, principal, runtime, signal } = call;
    const name = params.topic_name;
    requireAccess(principal, "alter", topicResource(name));
    const { topicAdmin } = runtime.broker;
    doneOf(await topicAdmin.createPartitions(name, body.partitions_count, { validateOnly: false, signal }));
    return { value: topicData(urls, await findTopic(name, "alter", call)) };
  },
);

const deleteTopic = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}"),
    method: "delete",
    operationId: "v3DeleteTopic",
    summary: "Delete a topic with its records",
    params: topicInCluster,
    answers: { 204: { description: "It is gone." } },
    refusals: { 403: "40301: the key has no right to do so, or `delete.topic.enable` is off.", 404: NO_TOPIC },
  },
  async (call) => {
    v3Urls(call);
    const { params, principal, runtime, signal } = call;
    const name = params.topic_name;
    requireAccess(principal, "delete", topicResource(name));
    const { cluster, topicAdmin } = runtime.broker;
    if (!cluster.brokerFlag("delete.topic.enable")) throw httpErrorOf(ErrorCode.TOPIC_DELETION_DISABLED);
    // By the newest state: by an old one the name might be another topic's by now.
    await cluster.refresh(signal);
    const { topicId } = await findTopic(name, "delete", call);
    doneOf(await topicAdmin.deleteTopic(topicId, signal));
    return {};
  },
);

export const V3_TOPIC_ROUTES: readonly Endpoint[] = [listTopics, createTopic, getTopic, growTopic, deleteTopic];

/** The value of what was done; fails with `HttpError` where it was refused. */
function doneOf<T>(result: AdminResult<T>): T {
  if (result.kind === "refused") throw httpErrorOf(result.error, result.message);
  return result.value;
}

function configsOf(configs: readonly { readonly name: string; readonly value: string }[]) {
  const byName = new Map(configs.map(({ name, value }) => [name, value]));
  if (byName.size === configs.length) return byName;
  throw httpErrorOf(ErrorCode.INVALID_REQUEST, "A config stands there more than once.");
}

function countsOf(
  { partitions_count, replication_factor, replicas_assignments }: z.output<typeof NewTopicBody>,
  { broker }: HttpServices,
) {
  const partitionCount = partitions_count ?? -1;
  const replicationFactor = replication_factor ?? -1;
  const assignments = (replicas_assignments ?? []).map(({ partition_id, broker_ids }) => ({
    partitionIndex: partition_id,
    brokerIds: broker_ids,
  }));
  if (assignments.length === 0) return { partitionCount, replicationFactor };
  if (partitionCount !== -1 || replicationFactor !== -1) {
    const message = "Replicas that are assigned by hand stand in the place of both counts.";
    throw httpErrorOf(ErrorCode.INVALID_REQUEST, message);
  }
  const indexes = assignments.map(({ partitionIndex }) => partitionIndex);
  if (!areConsecutive(indexes, 0)) {
    throw httpErrorOf(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Partitions are counted from 0, without gaps.");
  }
  const fault = assignmentFault(assignments, broker);
  if (fault !== undefined) throw httpErrorOf(fault.error, fault.message);
  return { partitionCount: assignments.length, replicationFactor: assignments[0]?.brokerIds.length ?? 1 };
}

function topicData(urls: V3Urls, topic: Pick<Topic, "name" | "replicationFactor" | "partitionCount">) {
  const { name, replicationFactor, partitionCount } = topic;
  return {
    ...urls.resource(KIND, "topics", name),
    topic_name: name,
    is_internal: false,
    replication_factor: replicationFactor,
    partitions_count: partitionCount,
    partitions: urls.related("topics", name, "partitions"),
    configs: urls.related("topics", name, "configs"),
    partition_reassignments: urls.related("topics", name, "partitions", "-", "reassignment"),
  };
}
