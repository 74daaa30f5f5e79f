import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { FetchResponse } from "#lib/protocol/messages/fetch.ts";
import type { StoredRecord } from "#lib/record/record.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import type { BrokerId, Offset } from "#lib/util/branded.ts";
import { CLIENT_FETCH_BYTES_MAX, CLIENT_FETCH_PARTITION_BYTES_MAX, CLIENT_FETCH_WAIT_MS } from "#lib/util/limits.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { assertNoError } from "./kafka-error.ts";
import { byLeader, oneTopic, type TopicMetadata } from "./topic-metadata.ts";

export interface ReadPosition {
  /** The offset of the next record wanted. */
  next: Offset;
  /** Where to stop; undefined: never. */
  readonly end: Offset | undefined;
}

export interface ReaderOptions {
  /** By partition; advanced as records are read. */
  readonly positions: Map<number, ReadPosition>;
  /** How long retriable errors are tried without a record coming. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onRetry?: (error: Error) => void;
}

export interface ReadRecord {
  readonly partition: number;
  readonly record: StoredRecord;
}

type FetchedPartition = FetchResponse["responses"][number]["partitions"][number];

/**
 * Records of one topic's partitions, each in its order, until every one has reached its end. One answer of each leader is
 * in memory at a time.
 */
export async function* readTopic(
  client: KafkaClient,
  topic: TopicMetadata,
  options: ReaderOptions,
): AsyncGenerator<readonly ReadRecord[]> {
  const { positions, signal } = options;
  let current = topic;
  let isFirst = true;
  const fetchAll = async () => {
    if (!isFirst) current = await oneTopic(client, topic.name, { timeoutMs: 0, signal });
    isFirst = false;
    const groups = byLeader(current, unfinished(positions));
    const answers = [...groups].map(([nodeId, indexes]) =>
      fetchFrom(client, { topic: current, nodeId, indexes }, options),
    );
    return (await Promise.all(answers)).flat();
  };
  while (unfinished(positions).length > 0) {
    isFirst = true;
    const fetched = await client.retrying(fetchAll, options);
    for (const partition of fetched) {
      const position = positions.get(partition.partitionIndex);
      if (position === undefined) continue;
      yield* readFetched(partition, position);
    }
  }
}

/** Partitions that have not reached their ends; the one served last comes last, so that none starves. */
function unfinished(positions: ReadonlyMap<number, ReadPosition>): readonly number[] {
  return [...positions].filter(([, { next, end }]) => end === undefined || next < end).map(([index]) => index);
}

async function fetchFrom(
  client: KafkaClient,
  from: { readonly topic: TopicMetadata; readonly nodeId: BrokerId; readonly indexes: readonly number[] },
  { positions, signal }: ReaderOptions,
): Promise<readonly FetchedPartition[]> {
  const { topic, nodeId, indexes } = from;
  const partitions = indexes.map((partition) => ({
    partition,
    fetchOffset: positions.get(partition)?.next ?? 0,
    partitionMaxBytes: CLIENT_FETCH_PARTITION_BYTES_MAX,
  }));
  const request = {
    maxWaitMs: CLIENT_FETCH_WAIT_MS,
    minBytes: 1,
    maxBytes: CLIENT_FETCH_BYTES_MAX,
    topics: [{ topic: topic.name, topicId: topic.topicId, partitions }],
  };
  const answer = await client.send(Apis.FETCH, request, { nodeId, signal });
  assertNoError(answer.errorCode, `fetch from ${topic.name}`);
  const fetched = answer.responses.flatMap((response) => response.partitions);
  for (const { partitionIndex, errorCode, logStartOffset } of fetched) {
    if (errorCode !== ErrorCode.OFFSET_OUT_OF_RANGE) {
      assertNoError(errorCode, `${topic.name}-${partitionIndex}`);
      continue;
    }
    const asked = positions.get(partitionIndex)?.next;
    const range = logStartOffset < 0 ? "" : ` (its log begins at ${logStartOffset})`;
    const hint = `There is no offset ${asked}${range}; see the range with: millrace topics describe ${topic.name}`;
    assertNoError(errorCode, `${topic.name}-${partitionIndex}`, hint);
  }
  // Whoever had records goes to the end of the next request.
  for (const { partitionIndex, records } of fetched) {
    const position = positions.get(partitionIndex);
    if (position === undefined || records === null || records.byteLength === 0) continue;
    positions.delete(partitionIndex);
    positions.set(partitionIndex, position);
  }
  return fetched;
}

/** The records of an answer, a list for each batch: a step of the generators for every record would cost more than it. */
function* readFetched(fetched: FetchedPartition, position: ReadPosition): Generator<readonly ReadRecord[]> {
  const partition = fetched.partitionIndex;
  // The last batch of an answer may be cut; it comes whole with the next one.
  for (const batch of splitBatches(fetched.records ?? new Uint8Array(0)).batches) {
    const header = readBatchHeader(batch);
    const nextOffset = lastOffsetOf(header) + 1;
    if (nextOffset <= position.next) continue;
    const { next, end = Infinity } = position;
    position.next = nextOffset;
    if (header.isControl) continue;
    const records: ReadRecord[] = [];
    for (const record of readRecords(batch)) {
      if (record.offset >= next && record.offset < end) records.push({ partition, record });
    }
    if (records.length > 0) yield records;
  }
}
