import {
  type BatchFilter,
  deleteHorizonOf,
  type FilteredBatch,
  filterBatch,
  withDeleteHorizon,
} from "#lib/record/batch-filter.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import type { CleanedTransactions } from "./cleaned-transactions.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { SegmentBatch } from "./segment-steps.ts";

export interface CleaningRules {
  /** The last offsets of the keys in all that is cleaned now. */
  readonly map: OffsetMap;
  /** When the cleaning began. */
  readonly nowMs: TimestampMs;
  readonly deleteRetentionMs: number;
  readonly transactions: CleanedTransactions;
}

/** Beyond it a time and its distance to a record's are no safe integers. */
const DELETE_HORIZON_MS_MAX = 2 ** 52;

const WHOLE: FilteredBatch = { kind: "whole" };
const EMPTY: FilteredBatch = { kind: "empty" };

/**
 * What is left of batch after batch (Kafka's Cleaner.cleanInto). A record stays if no later one has its key, a tombstone
 * only up to the delete horizon of its batch, which comes with the first cleaning that it stays in. A marker goes as a
 * tombstone does, counted from when nothing of its transaction is left.
 */
export class BatchCleaner {
  readonly #rules: CleaningRules;
  readonly #deleteHorizonMs: TimestampMs;
  readonly #live: BatchFilter;
  readonly #liveWithoutTombstones: BatchFilter;

  constructor(rules: CleaningRules) {
    this.#rules = rules;
    const { map } = rules;
    const deleteHorizonMs = Math.min(rules.nowMs + rules.deleteRetentionMs, DELETE_HORIZON_MS_MAX);
    this.#deleteHorizonMs = deleteHorizonMs;
    // What has no key, from before the topic was compacted, has no place in it.
    this.#live = { deleteHorizonMs, keeps: ({ key, offset }) => key !== null && offset >= map.get(key) };
    this.#liveWithoutTombstones = {
      deleteHorizonMs,
      keeps: ({ key, offset, hasValue }) => hasValue && key !== null && offset >= map.get(key),
    };
  }

  /** Takes the batches in the order of their offsets. Fails as `readRecords` does. */
  clean({ bytes, header }: SegmentBatch): FilteredBatch {
    const { transactions, nowMs } = this.#rules;
    const horizonMs = deleteHorizonOf(header);
    const isPast = horizonMs !== undefined && horizonMs <= nowMs;
    if (header.isControl) {
      const isNeeded = !transactions.addMarker(header, bytes);
      if (isNeeded) return WHOLE;
      if (isPast || header.recordCount === 0) return EMPTY;
      if (horizonMs !== undefined) return WHOLE;
      return { kind: "rebuilt", batch: withDeleteHorizon(bytes, this.#deleteHorizonMs) };
    }
    if (transactions.addData(header)) return EMPTY;
    return filterBatch(bytes, isPast ? this.#liveWithoutTombstones : this.#live);
  }
}
