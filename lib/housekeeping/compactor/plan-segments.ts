import type { TopicSettings } from "#lib/cluster/topic-settings.ts";
import type { LogSegment, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { RELATIVE_OFFSET_MAX } from "#lib/storage/segments/offset-index.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import {
  CLOCK_AHEAD_MS_MAX,
  COMPACTION_AGE_MS_MAX,
  COMPACTION_AGE_MS_MIN,
  COMPACTION_BYTES_MIN,
  COMPACTION_ENTRIES_MIN,
  COMPACTION_ENTRY_AGE_MS_MIN,
  COMPACTION_INPUTS_MAX,
  GATHERED_OBJECT_AGE_MS,
  MERGED_INPUTS_MAX,
  MERGED_SEGMENTS_MIN,
  SEGMENT_BYTES_MAX,
} from "#lib/util/limits.ts";

// What is due, by the folded state alone. An object costs a request whatever is in it, so a partition waits until it has
// much, or many pieces, or is old.
//
//   entries  -> segment    a full segment's bytes; or 8 MiB in many entries or for an hour; or anything for a day
//   segments -> segment    8 small ones in a row, so that a quiet partition has few, and no record is rewritten often

export type SegmentSettings = Pick<
  TopicSettings,
  "segmentBytes" | "segmentMs" | "maxCompactionLagMs" | "isCompacted" | "isDeleted" | "retentionMs" | "retentionBytes"
>;

export interface PlanTime {
  /** By the journal service's clock. */
  readonly nowMs: TimestampMs;
  /** Ages and sizes do not count. */
  readonly isForced: boolean;
  /** If forced: what ends behind it is left alone. */
  readonly end?: Offset | undefined;
}

/** Inputs, next to each other, that become one segment. */
export type SegmentInputs =
  | { readonly kind: "entries"; readonly entries: readonly WriteAheadEntry[] }
  | { readonly kind: "segments"; readonly segments: readonly LogSegment[] };

/** The entries that become the partition's next segment; undefined if none is due. */
export function dueEntries(
  { entries }: PartitionState,
  settings: SegmentSettings,
  time: PlanTime,
): readonly WriteAheadEntry[] | undefined {
  const oldEnough = time.isForced ? countUpTo(entries, time.end) : countOldEnough(entries, time.nowMs);
  if (oldEnough === 0) return undefined;
  const isDue = time.isForced || areDue(entries.slice(0, oldEnough), settings, time.nowMs);
  return isDue ? entries.slice(0, segmentEnd(entries, oldEnough, settings)) : undefined;
}

function countUpTo(entries: readonly WriteAheadEntry[], end: Offset = Number.POSITIVE_INFINITY): number {
  return entries.findLastIndex(({ nextOffset }) => nextOffset <= end) + 1;
}

/** How many entries, from the oldest on, are not wanted as they are by readers of the tail any more. */
export function countOldEnough(entries: readonly WriteAheadEntry[], nowMs: TimestampMs): number {
  const count = entries.findIndex((entry) => ageOf(entry, nowMs) < COMPACTION_ENTRY_AGE_MS_MIN);
  return count === -1 ? entries.length : count;
}

/** What a clock that ran ahead has stamped would stay young until the right one comes there: its age is without end. */
export function ageOf({ appendedAtMs }: Pick<WriteAheadEntry, "appendedAtMs">, nowMs: TimestampMs): number {
  const ageMs = nowMs - appendedAtMs;
  return ageMs < -CLOCK_AHEAD_MS_MAX ? Number.POSITIVE_INFINITY : ageMs;
}

function areDue(entries: readonly WriteAheadEntry[], settings: SegmentSettings, nowMs: TimestampMs): boolean {
  const [oldest] = entries;
  if (oldest === undefined) return false;
  const ageMs = ageOf(oldest, nowMs);
  if (ageMs >= ageMsMax(settings)) return true;
  const byteLength = sumBytes(entries);
  if (byteLength >= segmentBytesMax(settings)) return true;
  const isScattered = entries.length >= COMPACTION_ENTRIES_MIN || ageMs >= GATHERED_OBJECT_AGE_MS;
  return isScattered && byteLength >= COMPACTION_BYTES_MIN;
}

/** As in Kafka, what the cleaner must have seen by then has to be in a segment by then. */
function ageMsMax({ segmentMs, isCompacted, maxCompactionLagMs }: SegmentSettings): number {
  const lagMs = isCompacted ? maxCompactionLagMs : Number.POSITIVE_INFINITY;
  return Math.max(COMPACTION_AGE_MS_MIN, Math.min(segmentMs, lagMs, COMPACTION_AGE_MS_MAX));
}

/** A shorter one would have each flush become a segment. */
function spanMsMax({ segmentMs }: Pick<SegmentSettings, "segmentMs">): number {
  return Math.max(COMPACTION_AGE_MS_MIN, segmentMs);
}

/** Where a segment ends that begins with the first entry. One entry at least: an entry is never split. */
function segmentEnd(entries: readonly WriteAheadEntry[], endMax: number, settings: SegmentSettings): number {
  const run = new RunMeasure(spanMsMax(settings));
  const bytesMax = segmentBytesMax(settings);
  for (let index = 0; index < endMax && index < COMPACTION_INPUTS_MAX; index++) {
    const entry = entries[index];
    if (entry === undefined || !run.takes(entry, bytesMax)) return index;
  }
  return Math.min(endMax, COMPACTION_INPUTS_MAX);
}

/** The segments that become one; undefined if there are none. What the cleaner made is left to it. */
export function dueSegments(
  { segments }: PartitionState,
  settings: SegmentSettings,
  { isForced, end: endMax = Number.POSITIVE_INFINITY }: Pick<PlanTime, "isForced" | "end">,
): readonly LogSegment[] | undefined {
  const countMin = isForced ? 2 : MERGED_SEGMENTS_MIN;
  const bytesMax = mergedBytesMax(settings);
  for (let first = 0; first + countMin <= segments.length; first++) {
    const run = new RunMeasure(mergedSpanMsMax(settings));
    let end = first;
    for (; end < segments.length && end - first < MERGED_INPUTS_MAX; end++) {
      const segment = segments[end];
      if (segment === undefined || segment.isCleaned || segment.nextOffset > endMax) break;
      if (!run.takes(segment, bytesMax)) break;
    }
    // With one that has more than half of the bytes, the others would have it rewritten again and again.
    const isWorthIt = isForced || 2 * run.largestBytes <= run.byteLength;
    if (end - first >= countMin && isWorthIt && run.byteLength <= bytesMax) return segments.slice(first, end);
  }
  return undefined;
}

export function segmentBytesMax({ segmentBytes }: SegmentSettings): number {
  return Math.min(SEGMENT_BYTES_MAX, segmentBytes);
}

function mergedBytesMax(settings: SegmentSettings): number {
  const { isDeleted, retentionBytes } = settings;
  const isBounded = isDeleted && retentionBytes >= 0;
  return isBounded ? Math.min(segmentBytesMax(settings), retentionBytes / 8) : segmentBytesMax(settings);
}

/** Retention goes by a segment's newest record, as the cleaner's lag does: one that spans long would hold old ones back. */
function mergedSpanMsMax(settings: SegmentSettings): number {
  const { isCompacted, isDeleted, retentionMs } = settings;
  if (isDeleted && retentionMs >= 0) return Math.max(spanMsMax(settings), retentionMs / 8);
  return isCompacted ? spanMsMax(settings) : Number.POSITIVE_INFINITY;
}

type Measured = Pick<WriteAheadEntry, "baseOffset" | "nextOffset" | "byteLength" | "maxTimestampMs" | "appendedAtMs">;

/** Grows while everything fits in one segment. */
class RunMeasure {
  byteLength = 0;
  largestBytes = 0;
  readonly #spanMsMax: number;
  #first: Measured | undefined;

  constructor(spanMsMax: number) {
    this.#spanMsMax = spanMsMax;
  }

  /** Takes `next` in if it still fits; the first one always does. */
  takes(next: Measured, bytesMax: number): boolean {
    if (this.#first !== undefined && !this.#fits(this.#first, next, bytesMax)) return false;
    this.#first ??= next;
    this.byteLength += next.byteLength;
    this.largestBytes = Math.max(this.largestBytes, next.byteLength);
    return true;
  }

  #fits(first: Measured, next: Measured, bytesMax: number): boolean {
    if (this.byteLength + next.byteLength > bytesMax) return false;
    if (!areWithinIndex(first.baseOffset, next.nextOffset)) return false;
    if (next.appendedAtMs - first.appendedAtMs > this.#spanMsMax) return false;
    // As Kafka rolls a segment: by how much later the new records are than the first ones.
    const hasTimes = first.maxTimestampMs >= 0 && next.maxTimestampMs >= 0;
    return !hasTimes || next.maxTimestampMs - first.maxTimestampMs <= this.#spanMsMax;
  }
}

function areWithinIndex(baseOffset: Offset, nextOffset: Offset): boolean {
  return nextOffset - 1 - baseOffset <= RELATIVE_OFFSET_MAX;
}

export function sumBytes(runs: readonly { readonly byteLength: number }[]): number {
  let sum = 0;
  for (const { byteLength } of runs) sum += byteLength;
  return sum;
}

export function newestMs(runs: readonly { readonly appendedAtMs: TimestampMs }[]): TimestampMs {
  let newest = 0;
  for (const { appendedAtMs } of runs) newest = Math.max(newest, appendedAtMs);
  return newest;
}
