import { z } from "zod";
import type { ReplicaNodes } from "#lib/broker/replica-nodes.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { CLUSTER, type HttpPrincipal, requireAccess, topicResource } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { findTopic } from "../find-topic.ts";
import type { HttpServices } from "../http-services.ts";
import { partitionParam } from "../parameters.ts";
import {
  clusterParams,
  EXAMPLE_URLS,
  eachOf,
  inCluster,
  listSchema,
  NO_CLUSTER,
  NO_TOPIC,
  notFound,
  Related,
  resourceSchema,
  shown,
  topicInCluster,
  type V3Urls,
  v3Urls,
} from "../v3-resource.ts";

// Partitions and replicas as the REST Proxy's v3 shows them. Replicas stay where they are, so that no partition ever is
// being reassigned.

const TAG = "partitions (v3)";
const KIND = "KafkaPartition";
const REPLICA_KIND = "KafkaReplica";
const REASSIGNMENT_KIND = "KafkaReassignment";

const Partition = resourceSchema(KIND, {
  topic_name: z.string(),
  partition_id: z.int(),
  leader: Related,
  replicas: Related,
  reassignment: Related,
});
const Replica = resourceSchema(REPLICA_KIND, {
  topic_name: z.string(),
  partition_id: z.int(),
  broker_id: z.int(),
  is_leader: z.boolean(),
  is_in_sync: z.boolean(),
  broker: Related,
});
export const ReplicaList = listSchema(REPLICA_KIND, Replica);
const Reassignment = resourceSchema(REASSIGNMENT_KIND, {
  topic_name: z.string(),
  partition_id: z.int(),
  adding_replicas: z.array(z.int()),
  removing_replicas: z.array(z.int()),
  replicas: Related,
});

interface ReplicaPlace {
  readonly broker: number;
  readonly isLeader: boolean;
  readonly isInSync: boolean;
}

const partitionExample = partitionData(EXAMPLE_URLS, { topic: "orders", partition: 0, leader: 0 });
export const replicaExample = replicaData(EXAMPLE_URLS, {
  topic: "orders",
  partition: 0,
  place: { broker: 0, isLeader: true, isInSync: true },
});

const partitionInCluster = topicInCluster.extend({ partition_id: partitionParam });
const replicaInCluster = partitionInCluster.extend({
  broker_id: z.string().meta({ description: "A broker's id.", example: "0" }),
});
const NO_PARTITION = `${NO_TOPIC.slice(0, -1)} or partition.`;

const listPartitions = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions"),
    method: "get",
    operationId: "v3ListPartitions",
    summary: "The partitions of a topic",
    params: topicInCluster,
    answers: {
      200: {
        description: "In ascending order.",
        schema: listSchema(KIND, Partition),
        example: EXAMPLE_URLS.list(KIND, [partitionExample], "topics", "orders", "partitions"),
      },
    },
    refusals: { 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    const topic = await findTopic(call.params.topic_name, "describe", call);
    const nodes = call.runtime.broker.nodes;
    const partitions = Array.from({ length: topic.partitionCount }).keys();
    const data = eachOf(partitions, (partition) =>
      partitionData(urls, { topic: topic.name, partition, leader: nodes.of(topic.placement, partition).leaderId }),
    );
    return urls.longList(KIND, data, "topics", topic.name, "partitions");
  },
);

const getPartition = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions/{partition_id}"),
    method: "get",
    operationId: "v3GetPartition",
    summary: "One partition",
    params: partitionInCluster,
    answers: { 200: { description: "The partition.", schema: Partition, example: partitionExample } },
    refusals: { 404: NO_PARTITION },
  },
  async (call) => {
    const urls = v3Urls(call);
    const partition = call.params.partition_id;
    const { name, placement } = await findTopic(call.params.topic_name, "describe", call, partition);
    const { leaderId: leader } = call.runtime.broker.nodes.of(placement, partition);
    return { value: partitionData(urls, { topic: name, partition, leader }) };
  },
);

const listReplicas = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions/{partition_id}/replicas"),
    method: "get",
    operationId: "v3ListReplicas",
    summary: "The replicas of a partition",
    params: partitionInCluster,
    answers: {
      200: {
        description: "In the order of their preference as leaders.",
        schema: ReplicaList,
        example: EXAMPLE_URLS.list(REPLICA_KIND, [replicaExample], "topics", "orders", "partitions", 0, "replicas"),
      },
    },
    refusals: { 404: NO_PARTITION },
  },
  async (call) => {
    const urls = v3Urls(call);
    const partition = call.params.partition_id;
    const topic = await findTopic(call.params.topic_name, "describe", call, partition);
    const data = replicasOf(topic, partition, call.runtime.broker.nodes).map((place) =>
      replicaData(urls, { topic: topic.name, partition, place }),
    );
    return { value: urls.list(REPLICA_KIND, data, "topics", topic.name, "partitions", partition, "replicas") };
  },
);

const getReplica = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions/{partition_id}/replicas/{broker_id}"),
    method: "get",
    operationId: "v3GetReplica",
    summary: "One replica",
    params: replicaInCluster,
    answers: { 200: { description: "The replica.", schema: Replica, example: replicaExample } },
    refusals: { 404: NO_PARTITION },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { partition_id: partition, broker_id: broker } = call.params;
    const topic = await findTopic(call.params.topic_name, "describe", call, partition);
    const places = replicasOf(topic, partition, call.runtime.broker.nodes);
    const place = places.find((each) => String(each.broker) === broker);
    if (place === undefined)
      throw notFound(`Partition ${partition} of ${topic.name} is not at broker ${shown(broker)}.`);
    return { value: replicaData(urls, { topic: topic.name, partition, place }) };
  },
);

const NO_REASSIGNMENTS = {
  description: "Always empty: replicas stay where they are.",
  schema: listSchema(REASSIGNMENT_KIND, Reassignment),
};

const listAllReassignments = endpoint(
  {
    ...inCluster(TAG, "/topics/-/partitions/-/reassignment"),
    method: "get",
    operationId: "v3ListAllReassignments",
    summary: "Partitions of the cluster that are being reassigned",
    params: clusterParams,
    answers: { 200: NO_REASSIGNMENTS },
    refusals: { 404: `404: ${NO_CLUSTER}.` },
  },
  (call) => {
    const urls = v3Urls(call);
    requireAccess(call.principal, "describe", CLUSTER);
    return { value: urls.list(REASSIGNMENT_KIND, [], "topics", "-", "partitions", "-", "reassignment") };
  },
);

const listReassignments = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions/-/reassignment"),
    method: "get",
    operationId: "v3ListReassignments",
    summary: "Partitions of a topic that are being reassigned",
    params: topicInCluster,
    answers: { 200: NO_REASSIGNMENTS },
    refusals: { 404: NO_TOPIC },
  },
  async (call) => {
    const urls = v3Urls(call);
    const { name } = await findTopic(call.params.topic_name, "describe", call);
    return { value: urls.list(REASSIGNMENT_KIND, [], "topics", name, "partitions", "-", "reassignment") };
  },
);

const getReassignment = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/partitions/{partition_id}/reassignment"),
    method: "get",
    operationId: "v3GetReassignment",
    summary: "How a partition is being reassigned",
    description: "404 for every partition: replicas stay where they are.",
    params: partitionInCluster,
    answers: { 200: { description: "Never given.", schema: Reassignment } },
    refusals: { 404: "404: the partition is not there, or is not being reassigned." },
  },
  async (call) => {
    v3Urls(call);
    const { topic_name: topic, partition_id: partition } = call.params;
    const { name } = await findTopic(topic, "describe", call, partition);
    throw notFound(`Partition ${partition} of ${name} is not being reassigned.`);
  },
);

export const V3_PARTITION_ROUTES: readonly Endpoint[] = [
  listAllReassignments,
  listReassignments,
  listPartitions,
  getPartition,
  listReplicas,
  getReplica,
  getReassignment,
];

/** A broker's replicas of every topic that the caller may know of. */
export function* replicasAt(brokerId: number, urls: V3Urls, { broker }: HttpServices, principal: HttpPrincipal) {
  const { nodes } = broker;
  for (const { name, topicId } of broker.cluster.topics()) {
    const topic = principal.may("describe", topicResource(name)) ? broker.cluster.topic(topicId) : undefined;
    if (topic === undefined) continue;
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      for (const place of replicasOf(topic, partition, nodes)) {
        if (place.broker === brokerId) yield replicaData(urls, { topic: name, partition, place });
      }
    }
  }
}

function replicasOf({ placement }: TopicView, partition: number, nodes: ReplicaNodes): readonly ReplicaPlace[] {
  const { leaderId, replicaNodes, isrNodes, offlineReplicas } = nodes.of(placement, partition);
  return replicaNodes.map((broker) => ({
    broker,
    isLeader: broker === leaderId,
    isInSync: isrNodes.includes(broker) && !offlineReplicas.includes(broker),
  }));
}

function partitionData(
  urls: V3Urls,
  { topic, partition, leader }: { readonly topic: string; readonly partition: number; readonly leader: number },
) {
  const path = ["topics", topic, "partitions", partition] as const;
  return {
    ...urls.resource(KIND, ...path),
    topic_name: topic,
    partition_id: partition,
    leader: urls.related(...path, "replicas", leader),
    replicas: urls.related(...path, "replicas"),
    reassignment: urls.related(...path, "reassignment"),
  };
}

function replicaData(
  urls: V3Urls,
  { topic, partition, place }: { readonly topic: string; readonly partition: number; readonly place: ReplicaPlace },
) {
  const { broker, isLeader, isInSync } = place;
  return {
    ...urls.resource(REPLICA_KIND, "topics", topic, "partitions", partition, "replicas", broker),
    topic_name: topic,
    partition_id: partition,
    broker_id: broker,
    is_leader: isLeader,
    is_in_sync: isInSync,
    broker: urls.related("brokers", broker),
  };
}
