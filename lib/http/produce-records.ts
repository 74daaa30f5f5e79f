import { admitBatch } from "#lib/broker/admit-batch.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { AppendAnswer, PartitionAppend } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type BatchProducer, buildBatch } from "#lib/record/batch-builder.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { BATCH_HEADER_BYTES } from "#lib/record/record-batch.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { httpErrorOf } from "./error-table.ts";
import { successorOf } from "./find-topic.ts";
import type { HttpServices } from "./http-services.ts";

/** A record with the partition that it goes to. */
export interface PlacedRecord extends NewRecord {
  readonly partition: number;
}

/** A batch on its way, and which of the request's records are in it. */
export interface OutgoingBatch {
  readonly partition: number;
  /** Places in the request, in the order of the batch. */
  readonly places: readonly number[];
  readonly bytes: Uint8Array;
}

export interface BatchOutcome {
  readonly batch: OutgoingBatch;
  readonly recordCount: number;
  readonly answer: AppendAnswer;
}

/** More than the lengths and deltas of a record take beside its key, value and headers. */
const RECORD_OVERHEAD_BYTES = 36;
const HEADER_OVERHEAD_BYTES = 10;
/** What the REST Proxy's own producer would speak: rules of Produce v3 and later hold. */
export const PRODUCE_VERSION = 12;

/**
 * Batches of at most the topic's `max.message.bytes`, each of one partition, in the order of the records. A record that is
 * larger has a batch to itself, which will be refused.
 */
export function batchesOf(records: readonly PlacedRecord[], topic: TopicView): readonly OutgoingBatch[] {
  const { messageBytesMax } = topic.settings;
  const byPartition = groupBy([...records.keys()], (place) => records[place]?.partition ?? 0);
  return [...byPartition].flatMap(([partition, places]) =>
    cut(places, (place) => sizeOf(records[place]), messageBytesMax).map((of) => ({
      partition,
      places: of,
      bytes: buildBatch(of.flatMap((place) => records[place] ?? [])),
    })),
  );
}

/** One batch of all the records, whatever its size, as from an idempotent producer. */
export function batchOfAll(
  records: readonly NewRecord[],
  partition: number,
  producer: BatchProducer | undefined,
): OutgoingBatch {
  return {
    partition,
    places: [...records.keys()],
    bytes: buildBatch(records, producer === undefined ? {} : { producer }),
  };
}

/**
 * Checks and appends; one outcome a batch, in their order. Fails with `HttpError`, and then nothing is written, if one of
 * them may not be appended by the topic's rules.
 */
export async function appendBatches(
  topic: TopicView,
  batches: readonly OutgoingBatch[],
  services: HttpServices,
  signal: AbortSignal,
): Promise<readonly BatchOutcome[]> {
  const { appender, clock } = services.broker;
  // Bounded memory: who sends faster than we commit waits here.
  await abortable(appender.whenBelowLimit(), signal);
  const at = { produceVersion: PRODUCE_VERSION, nowMs: clock.nowMs() };
  const appends = batches.map(({ bytes, partition }): PartitionAppend => {
    const admission = admitBatch(bytes, topic, at);
    if (admission.kind === "refused") {
      throw httpErrorOf(admission.error, `Partition ${partition} of ${topic.name}: ${admission.message}`);
    }
    const { header } = admission;
    if (header.isTransactional) {
      throw httpErrorOf(ErrorCode.INVALID_TXN_STATE, "Transactional batches are not taken over HTTP.");
    }
    return { topic: topic.placement, partitionIndex: partition, header, bytes: admission.bytes };
  });
  const answers = await appender.append(appends, { signal, requireMinInsync: true });
  const outcomes = batches.map(
    (batch, index): BatchOutcome => ({
      batch,
      recordCount: appends[index]?.header.recordCount ?? 0,
      answer: answers[index] ?? { kind: "refused", error: ErrorCode.UNKNOWN_SERVER_ERROR },
    }),
  );
  // None, or all: a topic that is gone takes no more of them.
  const successor = outcomes.every(isOfUnknownTopic) ? successorOf(topic, services) : undefined;
  return successor === undefined ? outcomes : appendBatches(successor, batches, services, signal);
}

function isOfUnknownTopic({ answer }: BatchOutcome): boolean {
  return answer.kind === "refused" && answer.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function cut(
  places: readonly number[],
  sizeOfPlace: (place: number) => number,
  bytesMax: number,
): readonly (readonly number[])[] {
  const runs: number[][] = [];
  let run: number[] = [];
  let byteLength = BATCH_HEADER_BYTES;
  for (const place of places) {
    const size = sizeOfPlace(place);
    if (run.length > 0 && byteLength + size > bytesMax) {
      runs.push(run);
      run = [];
      byteLength = BATCH_HEADER_BYTES;
    }
    run.push(place);
    byteLength += size;
  }
  runs.push(run);
  return runs;
}

/** An upper bound. */
function sizeOf(record: NewRecord | undefined): number {
  let byteLength = RECORD_OVERHEAD_BYTES + (record?.key?.byteLength ?? 0) + (record?.value?.byteLength ?? 0);
  for (const { key, value } of record?.headers ?? []) {
    byteLength += HEADER_OVERHEAD_BYTES + Buffer.byteLength(key) + (value?.byteLength ?? 0);
  }
  return byteLength;
}
