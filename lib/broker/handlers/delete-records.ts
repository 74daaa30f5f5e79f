import type { DeletedRecords, RecordDeletion } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  DELETE_TO_HIGH_WATERMARK,
  type DeleteRecordsRequest,
  NO_LOW_WATERMARK,
} from "#lib/protocol/messages/delete-records.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { adminTimeLimit, itemOrError } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type FindTopic, findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import { hasPartition } from "../resolve-topics.ts";

// DeleteRecords v0-2 (KIP-107).
// - -1 stands for the high watermark; an offset below the first one that is left changes nothing and is no error.
// - Topics without `delete` in their `cleanup.policy` are POLICY_VIOLATION.
// - A partition that is named twice is answered once, by its last offset, as on Kafka.

interface Wanted {
  readonly name: string;
  readonly partitionIndex: number;
  readonly offset: number;
}

export const deleteRecords = handler(Apis.DELETE_RECORDS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const wanted = distinctPartitions(request);
  const answers = await deleteAll(wanted, services, limit.signal);
  const partitions = wanted.map(({ name, partitionIndex }, at) => {
    const { error, logStartOffset } = answers[at] ?? refused(ErrorCode.UNKNOWN_SERVER_ERROR);
    return { name, answer: { partitionIndex, lowWatermark: logStartOffset, errorCode: error } };
  });
  const topics = [...groupBy(partitions, ({ name }) => name)].map(([name, each]) => ({
    name,
    partitions: each.map(({ answer }) => answer),
  }));
  return { throttleTimeMs: 0, topics };
});

function distinctPartitions({ topics }: DeleteRecordsRequest): readonly Wanted[] {
  const distinct = new Map<string, Wanted>();
  for (const { name, partitions } of topics) {
    for (const partition of partitions) distinct.set(`${partition.partitionIndex}:${name}`, { name, ...partition });
  }
  return [...distinct.values()];
}

/** In the order of `wanted`. */
async function deleteAll(
  wanted: readonly Wanted[],
  services: BrokerServices,
  signal: AbortSignal,
): Promise<readonly DeletedRecords[]> {
  const asked = wanted.map(({ name, partitionIndex }) => ({ name, partitionIndexes: [partitionIndex] }));
  const find = await findTopics(asked, services, signal);
  let checked = wanted.map((each) => checkPartition(each, find));
  if (checked.includes(ErrorCode.POLICY_VIOLATION)) {
    // Another broker may have changed the policy: no "no" from an old view (docs/ARCHITECTURE.md J8).
    const failure = await itemOrError(services, () => services.cluster.refresh(signal));
    checked = wanted.map((each) => (failure === undefined ? checkPartition(each, find) : failure.errorCode));
  }
  const deletions = checked.filter((each) => typeof each !== "number");
  const deleted = await services.deleter.deleteRecords(deletions, signal);
  let next = 0;
  return checked.map((each) =>
    typeof each === "number" ? refused(each) : (deleted[next++] ?? refused(ErrorCode.UNKNOWN_SERVER_ERROR)),
  );
}

function checkPartition({ name, partitionIndex, offset }: Wanted, find: FindTopic): RecordDeletion | ErrorCode {
  const topic = find(name);
  if (typeof topic === "number") return topic;
  if (!hasPartition(topic, partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  if (!topic.settings.isDeleted) return ErrorCode.POLICY_VIOLATION;
  const beforeOffset = offset === DELETE_TO_HIGH_WATERMARK ? "high-watermark" : offset;
  return { topic: topic.placement, partitionIndex, beforeOffset };
}

function refused(error: ErrorCode): DeletedRecords {
  return { error, logStartOffset: NO_LOW_WATERMARK };
}
