import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { topicNameFault } from "#lib/cluster/topic-names.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { DescribeTopicPartitionsRequest } from "#lib/protocol/messages/describe-topic-partitions.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { TOPIC_OPERATIONS } from "../authorized-operations.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";
import { freshenShown } from "../leader-looks.ts";
import type { ReplicaNodes } from "../replica-nodes.ts";

// DescribeTopicPartitions v0 (KIP-966).
// - No topics in the request: all of them. Answers are in the order of their names, so that a cursor means something.
// - As many partitions as the request and `max.request.partition.size.limit` allow, at least one; the cursor says where
//   the next request begins.
// - There are no eligible leader replicas to show: nothing committed is ever only in one of them.

type Cursor = NonNullable<DescribeTopicPartitionsRequest["cursor"]>;

export const describeTopicPartitions = handler(
  Apis.DESCRIBE_TOPIC_PARTITIONS,
  async (request, { signal }, services) => {
    const { cursor } = request;
    if (cursor !== null && cursor.partitionIndex < 0) {
      return { topics: request.topics.map(({ name }) => failedTopic(name, ErrorCode.INVALID_REQUEST)) };
    }
    const names = await namesFrom(request, services, signal);
    const shown = names.slice(0, limitOf(request, services));
    const placements = shown.flatMap((name) => services.cluster.topicByName(name)?.placement ?? []);
    await freshenShown(placements, signal, services);
    return page(names, services, { cursor, limit: limitOf(request, services) });
  },
);

/** How many partitions may be answered. */
function limitOf({ responsePartitionLimit }: DescribeTopicPartitionsRequest, { cluster }: BrokerServices): number {
  return Math.max(1, Math.min(cluster.brokerInteger("max.request.partition.size.limit"), responsePartitionLimit));
}

/** What is left to answer, in order. */
async function namesFrom(
  request: DescribeTopicPartitionsRequest,
  { cluster }: BrokerServices,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const from = request.cursor?.topicName ?? "";
  if (request.topics.length === 0) {
    await cluster.refresh(signal);
    return cluster
      .topics()
      .map(({ name }) => name)
      .filter((name) => name >= from);
  }
  const names = [...new Set(request.topics.map(({ name }) => name))].filter((name) => name >= from).sort();
  if (names.some((name) => cluster.topicByName(name) === undefined)) await cluster.refresh(signal);
  return names;
}

function page(
  names: readonly string[],
  services: BrokerServices,
  { cursor, limit }: { readonly cursor: Cursor | null; readonly limit: number },
) {
  const { nodes } = services;
  const topics = [];
  let room = limit;
  for (const name of names) {
    const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
    if (room === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } };
    const topic = services.cluster.topicByName(name);
    if (topic === undefined) {
      topics.push(failedTopic(name, errorOfUnknown(name)));
      continue;
    }
    const end = Math.min(topic.partitionCount, first + room);
    topics.push(knownTopic(topic, { first, end, nodes }));
    room -= Math.max(0, end - first);
    if (end < topic.partitionCount) return { topics, nextCursor: { topicName: name, partitionIndex: end } };
  }
  return { topics, nextCursor: null };
}

function knownTopic(
  { name, topicId, placement }: TopicView,
  range: { readonly first: number; readonly end: number; readonly nodes: ReplicaNodes },
) {
  const { first, end, nodes } = range;
  const partitions = Array.from({ length: Math.max(0, end - first) }, (_, at) => ({
    errorCode: ErrorCode.NONE,
    partitionIndex: first + at,
    ...nodes.of(placement, first + at),
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
  }));
  const topicAuthorizedOperations = TOPIC_OPERATIONS;
  return { errorCode: ErrorCode.NONE, name, topicId, isInternal: false, partitions, topicAuthorizedOperations };
}

function failedTopic(name: string, errorCode: ErrorCode) {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] };
}

function errorOfUnknown(name: string): ErrorCode {
  return topicNameFault(name) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION;
}
