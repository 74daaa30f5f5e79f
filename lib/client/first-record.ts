import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { lastOffsetOf, MAGIC_AT, MAGIC_V2, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { scanRecords } from "#lib/record/record-reader.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { CLIENT_EMPTY_BATCHES_MAX } from "#lib/util/limits.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { assertNoError } from "./kafka-error.ts";
import { leaderOf, type TopicMetadata } from "./topic-metadata.ts";

/**
 * The timestamp of the first record at or after an offset, -1 if that record bears none; undefined if no record follows,
 * or it is of the forms before Kafka 0.11. Reads one batch, the smallest that a broker gives.
 */
export async function firstTimestamp(
  client: KafkaClient,
  topic: TopicMetadata,
  from: { readonly index: number; readonly offset: Offset },
  signal: AbortSignal,
): Promise<TimestampMs | undefined> {
  let offset = from.offset;
  for (let tries = 0; tries < CLIENT_EMPTY_BATCHES_MAX; tries++) {
    const found = await lookAt(client, topic, { index: from.index, offset }, signal);
    if (found === undefined || found.timestampMs !== undefined) return found?.timestampMs;
    // Nothing for readers in this batch, so the answer is behind it.
    offset = found.nextOffset;
  }
  return undefined;
}

interface Look {
  readonly timestampMs: TimestampMs | undefined;
  readonly nextOffset: Offset;
}

async function lookAt(
  client: KafkaClient,
  topic: TopicMetadata,
  { index, offset }: { readonly index: number; readonly offset: Offset },
  signal: AbortSignal,
): Promise<Look | undefined> {
  // One byte: a broker gives at least one whole batch of the first partition asked for, and so no more than it.
  const partitions = [{ partition: index, fetchOffset: offset, partitionMaxBytes: 1 }];
  const topics = [{ topic: topic.name, topicId: topic.topicId, partitions }];
  const request = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, topics };
  const answer = await client.send(Apis.FETCH, request, { nodeId: leaderOf(topic, index), signal });
  assertNoError(answer.errorCode, `fetch from ${topic.name}`);
  const fetched = answer.responses[0]?.partitions[0];
  if (fetched === undefined) return undefined;
  const { errorCode, logStartOffset, records } = fetched;
  // Retention has been faster than we.
  const isTrimmed = errorCode === ErrorCode.OFFSET_OUT_OF_RANGE && logStartOffset > offset;
  if (isTrimmed) return { timestampMs: undefined, nextOffset: logStartOffset };
  assertNoError(errorCode, `${topic.name}-${index}`);
  return lookInto(splitBatches(records ?? new Uint8Array(0)).batches, offset);
}

function lookInto(batches: readonly Uint8Array[], offset: Offset): Look | undefined {
  let nextOffset: Offset | undefined;
  for (const batch of batches) {
    if (batch[MAGIC_AT] !== MAGIC_V2) return undefined;
    const header = readBatchHeader(batch);
    nextOffset = lastOffsetOf(header) + 1;
    if (header.isControl || nextOffset <= offset) continue;
    for (const record of scanRecords(batch)) {
      if (record.offset >= offset) return { timestampMs: record.timestampMs, nextOffset };
    }
  }
  return nextOffset === undefined || nextOffset <= offset ? undefined : { timestampMs: undefined, nextOffset };
}
