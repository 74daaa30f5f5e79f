import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { QueuedBatch } from "./append-request.ts";
import type { AppendAnswer } from "./log-api.ts";
import { type ProducerState, partitionKey } from "./log-state.ts";

// A partition takes any first sequence of a producer that it does not know, as in Kafka. So when the first batch of a
// producer fails on its way and the second one does not, the second would be committed, and the first refused for ever
// as out of order. What is behind a failed batch is therefore held back in this process until the failed one has come
// again, or the fold shows it. Where the partition knows the producer the fold would refuse the gap by itself, but with
// an error that is not for clients which were told of a time-out: see below.

/**
 * Kafka answers this to all batches in flight when a partition moves, so every client sends them again in their order.
 * OUT_OF_ORDER_SEQUENCE_NUMBER lets librdkafka begin a new epoch, which doubles the failed batch if it was committed
 * after all, or ends it with a fatal error: behind a batch that was answered with a time-out, or if the failed one was
 * committed through another process that this one has not heard of yet.
 */
export const HELD_BACK: AppendAnswer = {
  kind: "refused",
  error: ErrorCode.NOT_LEADER_OR_FOLLOWER,
  message: "an earlier batch of this producer failed and has to come again first",
};

/** Refusals for reasons outside the batch: its client sends it again as it is. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_SERVER_ERROR,
]);

interface Gap {
  readonly producerEpoch: number;
  /** The lowest base sequence that failed. */
  readonly sequence: number;
  /** What arrived up to then and is behind the failed batch is held back for good. */
  readonly lastArrival: number;
  readonly sinceMs: number;
  /** Whether the failed batch, or one before it, has come again. */
  isFilled: boolean;
}

export interface SequenceGapsOptions {
  readonly clock: Clock;
  /** The producer of the batch, as the local fold of its partition knows it. */
  readonly producerOf: (batch: QueuedBatch) => ProducerState | undefined;
  /** Beyond it the oldest one is forgotten. */
  readonly countMax: number;
  readonly ageMsMax: number;
}

/** The failed batches of idempotent producers that have not come again. Empty unless something has failed. */
export class SequenceGaps {
  readonly #options: SequenceGapsOptions;
  /** By partition and producer id, those that were noted first in front. */
  readonly #gaps = new Map<string, Gap>();
  #arrivals = 0;
  #revision = 0;

  constructor(options: SequenceGapsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#gaps.size;
  }

  /** Rises when more is held back than before. */
  get revision(): number {
    return this.#revision;
  }

  /** Numbers a batch that has come just now; false if it is behind one that failed and has not come again. */
  admit(batch: QueuedBatch): boolean {
    batch.arrival = ++this.#arrivals;
    if (this.#gaps.size === 0) return true;
    const gap = this.#find(batch);
    if (gap === undefined) return true;
    if (!isBehind(batch, gap)) gap.isFilled = true;
    return gap.isFilled;
  }

  /** Whether a batch that was admitted must not be committed any more. */
  holdsBack(batch: QueuedBatch): boolean {
    if (this.#gaps.size === 0) return false;
    const gap = this.#find(batch);
    if (gap === undefined || !isBehind(batch, gap)) return false;
    return !gap.isFilled || batch.arrival <= gap.lastArrival;
  }

  /** Takes note of an answer: a passing failure makes a gap. */
  noteAnswer(batch: QueuedBatch, answer: AppendAnswer): void {
    if (answer.kind === "refused") {
      if (PASSING.has(answer.error)) this.noteFailure(batch);
    } else if (this.#gaps.size > 0) {
      // Drops the gap if this was the batch that it waited for.
      this.#find(batch);
    }
  }

  noteFailure(batch: QueuedBatch): void {
    const { producerId, producerEpoch, baseSequence } = batch.append.header;
    if (producerId < 0 || this.#isMoot(batch, baseSequence)) return;
    this.#dropOld();
    const key = keyOf(batch);
    const gap = this.#gaps.get(key);
    let sequence = baseSequence;
    if (gap !== undefined && producerEpoch < gap.producerEpoch) return;
    if (gap?.producerEpoch === producerEpoch && isBehind(batch, gap)) {
      if (!gap.isFilled || batch.arrival <= gap.lastArrival) return;
      sequence = gap.sequence;
    }
    this.#revision++;
    this.#gaps.delete(key);
    const sinceMs = this.#options.clock.monotonicMs();
    this.#gaps.set(key, { producerEpoch, sequence, lastArrival: this.#arrivals, sinceMs, isFilled: false });
    if (this.#gaps.size > this.#options.countMax) this.#dropOldest();
  }

  #find(batch: QueuedBatch): Gap | undefined {
    const { producerId, producerEpoch } = batch.append.header;
    if (producerId < 0) return undefined;
    this.#dropOld();
    const key = keyOf(batch);
    const gap = this.#gaps.get(key);
    if (gap === undefined || gap.producerEpoch !== producerEpoch) return undefined;
    if (!this.#isMoot(batch, gap.sequence)) return gap;
    this.#gaps.delete(key);
    return undefined;
  }

  /** Whether the fold has the sequence, or the producer has left its epoch: then the fold's word is right for all others. */
  #isMoot(batch: QueuedBatch, sequence: number): boolean {
    const producer = this.#options.producerOf(batch);
    const newest = producer?.batches.at(-1);
    if (producer === undefined || newest === undefined) return false;
    const { producerEpoch } = batch.append.header;
    if (producer.producerEpoch !== producerEpoch) return producer.producerEpoch > producerEpoch;
    return !isAfter(sequence, newest.lastSequence);
  }

  #dropOld(): void {
    if (this.#gaps.size === 0) return;
    const oldestMs = this.#options.clock.monotonicMs() - this.#options.ageMsMax;
    for (const [key, gap] of this.#gaps) {
      if (gap.sinceMs > oldestMs) return;
      this.#gaps.delete(key);
    }
  }

  #dropOldest(): void {
    for (const key of this.#gaps.keys()) {
      this.#gaps.delete(key);
      return;
    }
  }
}

const SEQUENCE_COUNT = 2 ** 31;

/** Sequences go round, so of two the one that is less than half the round ahead is the later one. */
function isAfter(sequence: number, other: number): boolean {
  const distance = (sequence - other + SEQUENCE_COUNT) % SEQUENCE_COUNT;
  return distance > 0 && distance < SEQUENCE_COUNT / 2;
}

function isBehind(batch: QueuedBatch, gap: Gap): boolean {
  return isAfter(batch.append.header.baseSequence, gap.sequence);
}

function keyOf({ append }: QueuedBatch): string {
  return `${partitionKey(append.topic.topicId, append.partitionIndex)}:${append.header.producerId}`;
}
