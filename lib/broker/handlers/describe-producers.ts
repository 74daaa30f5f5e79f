import { topicNameFault } from "#lib/cluster/topic-names.ts";
import type { DescribedPartition, DescribedProducer } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type ItemError, itemError } from "../admin-request.ts";
import { type FindTopic, findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import { hasPartition } from "../resolve-topics.ts";

// DescribeProducers v0 (KIP-664).
// - There are no transactions: no coordinator has an epoch, and none is open.

export const describeProducers = handler(Apis.DESCRIBE_PRODUCERS, async (request, { signal }, services) => {
  const find = await findTopics(request.topics, services, signal);
  const checked = request.topics.map(({ name, partitionIndexes }) =>
    partitionIndexes.map((partitionIndex) => checkPartition(name, partitionIndex, find)),
  );
  const asked = checked.flat().flatMap((each) => ("errorCode" in each ? [] : [each]));
  const found = await services.describer.producers(asked, signal);
  let next = 0;
  const topics = request.topics.map(({ name, partitionIndexes }, at) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex, i) => {
      const each = checked[at]?.[i] ?? UNANSWERED;
      if ("errorCode" in each) return { partitionIndex, ...each, activeProducers: [] };
      const { error, producers } = found[next++] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR, producers: [] };
      return { partitionIndex, errorCode: error, activeProducers: producers.map(producerAnswer) };
    }),
  }));
  return { throttleTimeMs: 0, topics };
});

const UNANSWERED = itemError(ErrorCode.UNKNOWN_SERVER_ERROR);

function checkPartition(name: string, partitionIndex: number, find: FindTopic): DescribedPartition | ItemError {
  const fault = topicNameFault(name);
  if (fault !== undefined) return itemError(ErrorCode.INVALID_TOPIC_EXCEPTION, fault);
  const topic = find(name);
  if (typeof topic === "number") return itemError(topic);
  // Kafka has a text for an unknown topic and none for an unknown partition.
  if (!hasPartition(topic, partitionIndex)) {
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null };
  }
  return { topic: topic.placement, partitionIndex };
}

function producerAnswer({ producerId, producerEpoch, lastSequence, lastTimestampMs }: DescribedProducer) {
  return {
    producerId,
    producerEpoch,
    lastSequence,
    lastTimestamp: lastTimestampMs,
    coordinatorEpoch: -1,
    currentTxnStartOffset: -1,
  };
}
