import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { PRODUCER_BATCHES_KEPT, PRODUCER_IDLE_MS } from "#lib/util/limits.ts";
import type { AppendBatch, BatchOutcome } from "./log-command.ts";
import type { PartitionState, ProducedBatch, ProducerState } from "./log-state.ts";

// Idempotence as in Kafka's ProducerAppendInfo and ProducerStateEntry (KIP-98): epochs never fall, sequences follow one
// another, and a batch among the last five is answered again instead of being appended again.

const SEQUENCE_MAX = 0x7fff_ffff;

/** `sequence` + `increment`; after 2^31 - 1 comes 0. */
export function addToSequence(sequence: number, increment: number): number {
  return sequence > SEQUENCE_MAX - increment ? increment - (SEQUENCE_MAX - sequence) - 1 : sequence + increment;
}

export function lastSequenceOf(batch: AppendBatch): number {
  return addToSequence(batch.baseSequence, batch.offsetCount - 1);
}

/** Why the producer's batch is not to be appended; undefined if it is. */
export function checkProducer(
  partition: PartitionState,
  batch: AppendBatch,
  nowMs: TimestampMs,
): BatchOutcome | undefined {
  const producer = partition.producers.get(batch.producerId);
  // Without a state, whether new, expired or lost with its records, Kafka takes any epoch and any first sequence.
  if (producer === undefined) return undefined;
  if (batch.producerEpoch < producer.producerEpoch) {
    return { kind: "refused", error: ErrorCode.INVALID_PRODUCER_EPOCH };
  }
  if (batch.producerEpoch > producer.producerEpoch) {
    if (batch.baseSequence === 0) return undefined;
    return { kind: "refused", error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER };
  }
  const again = findDuplicate(producer, batch, nowMs);
  if (again !== undefined) {
    return { kind: "duplicate", baseOffset: again.baseOffset, logStartOffset: partition.logStartOffset };
  }
  const newest = producer.batches.at(-1);
  if (newest === undefined || batch.baseSequence === addToSequence(newest.lastSequence, 1)) return undefined;
  return { kind: "refused", error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER };
}

/** Remembers the batch, which `checkProducer` has let pass. */
export function rememberBatch(
  partition: PartitionState,
  batch: AppendBatch,
  at: { readonly baseOffset: Offset; readonly nowMs: TimestampMs },
): void {
  const produced: ProducedBatch = {
    baseSequence: batch.baseSequence,
    lastSequence: lastSequenceOf(batch),
    baseOffset: at.baseOffset,
    timestampMs: batch.maxTimestampMs,
  };
  const producer = partition.producers.get(batch.producerId);
  if (producer === undefined) {
    const { producerId, producerEpoch } = batch;
    partition.producers.set(producerId, { producerId, producerEpoch, batches: [produced], lastSeenMs: at.nowMs });
    return;
  }
  if (batch.producerEpoch !== producer.producerEpoch) {
    producer.producerEpoch = batch.producerEpoch;
    producer.batches = [];
  }
  producer.batches = batchesThatCount(producer, at.nowMs);
  producer.batches.push(produced);
  if (producer.batches.length > PRODUCER_BATCHES_KEPT) producer.batches.shift();
  producer.lastSeenMs = at.nowMs;
}

/**
 * The batches by which duplicates are known: all that are kept, or the newest one if the producer is idle. A rule and
 * not a clean-up, so that a snapshot may leave the others out and still fold on like the state that it was taken from.
 */
export function batchesThatCount(producer: ProducerState, nowMs: TimestampMs): ProducedBatch[] {
  const isIdle = producer.lastSeenMs < nowMs - PRODUCER_IDLE_MS;
  return isIdle && producer.batches.length > 1 ? producer.batches.slice(-1) : producer.batches;
}

function findDuplicate(producer: ProducerState, batch: AppendBatch, nowMs: TimestampMs): ProducedBatch | undefined {
  const lastSequence = lastSequenceOf(batch);
  const known = batchesThatCount(producer, nowMs);
  return known.find((one) => one.baseSequence === batch.baseSequence && one.lastSequence === lastSequence);
}
