import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { type FoundEntries, searchEntries, viewEntries } from "./entry-search.ts";
import { CorruptSegmentError } from "./errors.ts";
import { findPosition, type IndexRange, RELATIVE_OFFSET_MAX, type SegmentBounds } from "./offset-index.ts";

// `<base offset>.timeindex` (Kafka's TimeIndex): entries of 12 bytes, big-endian, ascending in both fields.
//
//   0  timestamp       int64   the largest so far, ms since 1970
//   8  relativeOffset  int32   of the LAST offset of the first batch that has it, from the segment's base offset
//
// One is appended with each entry of the .index if the largest timestamp has grown since the last one, and a final one
// when the segment is finished. Batches without records (what cleaning or a loss left) have a timestamp and count for
// none: nothing is found in them. Kafka's own cleaner counts them, and its DumpLogSegments then finds fault with that.

export const TIME_INDEX_ENTRY_BYTES = 12;

export class TimeIndexWriter {
  readonly #baseOffset: Offset;
  readonly #bytes = new ByteWriter();
  #writtenMs: TimestampMs = -1;
  #maxTimestampMs: TimestampMs = -1;
  #offsetOfMax: Offset = -1;

  constructor(baseOffset: Offset) {
    this.#baseOffset = baseOffset;
  }

  get maxTimestampMs(): TimestampMs {
    return this.#maxTimestampMs;
  }

  /** Takes notice of a batch with records. */
  note(maxTimestampMs: TimestampMs, lastOffset: Offset): void {
    if (maxTimestampMs <= this.#maxTimestampMs) return;
    this.#maxTimestampMs = maxTimestampMs;
    this.#offsetOfMax = lastOffset;
  }

  append(): void {
    const relativeOffset = this.#offsetOfMax - this.#baseOffset;
    if (this.#maxTimestampMs <= this.#writtenMs || relativeOffset > RELATIVE_OFFSET_MAX) return;
    this.#bytes.int64(this.#maxTimestampMs).int32(relativeOffset);
    this.#writtenMs = this.#maxTimestampMs;
  }

  toBytes(): Uint8Array {
    return this.#bytes.toBytes();
  }
}

/**
 * An offset before which no record of the segment is at or after `timestampMs`, by the segment's .timeindex, all of it.
 * If the segment has no such record the answer may lie behind it. Fails with `CorruptSegmentError` as `findPosition`
 * does. Whoever has the .index too finds a place nearer to the record with `findTimeRange`.
 */
export function findTime(
  timeIndex: Uint8Array,
  baseOffset: Offset,
  timestampMs: TimestampMs,
  bounds?: SegmentBounds,
): Offset {
  return baseOffset + search(timeIndex, baseOffset, { timestampMs, bounds }).low.relativeOffset + 1;
}

export interface SegmentIndexes {
  readonly index: Uint8Array;
  readonly timeIndex: Uint8Array;
}

/**
 * Where to look for the first record at or after `timestampMs`: none lies in a batch before `position`, and the first
 * one in a batch that begins at `nextPosition` or before, if there is one. Every batch from `position` on counts. The
 * two are some two index intervals apart however long the timestamps stood still, because a growing one is in the time
 * index with the next entry of the index. Fails as `findPosition` does.
 */
export function findTimeRange(
  { index, timeIndex }: SegmentIndexes,
  baseOffset: Offset,
  timestampMs: TimestampMs,
  bounds?: SegmentBounds,
): IndexRange {
  const { low, high } = search(timeIndex, baseOffset, { timestampMs, bounds });
  if (high === undefined) {
    return { ...findPosition(index, baseOffset, baseOffset + low.relativeOffset + 1, bounds), nextPosition: undefined };
  }
  const lastOffset = baseOffset + high.relativeOffset;
  // At the index entry before the one that came with `high`, the largest timestamp was still that of `low`.
  const { position } = findPosition(index, baseOffset, lastOffset - 1, bounds);
  return { position, nextPosition: findPosition(index, baseOffset, lastOffset, bounds).nextPosition };
}

function search(
  timeIndex: Uint8Array,
  baseOffset: Offset,
  { timestampMs, bounds }: { readonly timestampMs: TimestampMs; readonly bounds: SegmentBounds | undefined },
): FoundEntries<TimeIndexEntry> {
  const entries = new TimeIndex(timeIndex, baseOffset);
  const floor: TimeIndexEntry = { timestampMs: -1, relativeOffset: -1 };
  if (entries.count === 0) return { low: floor, high: undefined };
  entries.checkEnds(bounds);
  const last = entries.at(entries.count - 1);
  return searchEntries(entries, {
    floor,
    ceiling: { timestampMs: last.timestampMs + 1, relativeOffset: last.relativeOffset + 1 },
    isLow: (entry) => entry.timestampMs < timestampMs,
    isBetween,
    onDisorder: (index) => {
      throw new CorruptSegmentError(baseOffset, `time index entry ${index} is out of order`);
    },
  });
}

export interface TimeIndexEntry {
  readonly timestampMs: TimestampMs;
  readonly relativeOffset: number;
}

/** A view of a time index's bytes. */
export class TimeIndex {
  readonly count: number;
  readonly #baseOffset: Offset;
  readonly #view: DataView;

  /** Fails with `CorruptSegmentError` if the bytes are no whole entries. */
  constructor(bytes: Uint8Array, baseOffset: Offset) {
    this.#baseOffset = baseOffset;
    const entries = viewEntries(bytes, TIME_INDEX_ENTRY_BYTES);
    if (entries === undefined) {
      throw new CorruptSegmentError(baseOffset, `a time index of ${bytes.byteLength} bytes has no whole entries`);
    }
    this.#view = entries.view;
    this.count = entries.count;
  }

  at(entry: number): TimeIndexEntry {
    const at = entry * TIME_INDEX_ENTRY_BYTES;
    const timestampMs = this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    return { timestampMs, relativeOffset: this.#view.getInt32(at + 8) };
  }

  checkEnds(bounds: SegmentBounds | undefined): void {
    const first = this.at(0);
    const last = this.at(this.count - 1);
    const isAscending =
      first.timestampMs >= 0 &&
      first.relativeOffset >= 0 &&
      last.timestampMs - first.timestampMs >= this.count - 1 &&
      last.relativeOffset - first.relativeOffset >= this.count - 1;
    if (!isAscending) throw new CorruptSegmentError(this.#baseOffset, "the time index's entries do not ascend");
    const lastOffset = this.#baseOffset + last.relativeOffset;
    if (bounds === undefined || lastOffset < bounds.nextOffset) return;
    throw new CorruptSegmentError(
      this.#baseOffset,
      `the time index names offset ${lastOffset}; the segment ends before ${bounds.nextOffset}`,
    );
  }
}

function isBetween(low: TimeIndexEntry, entry: TimeIndexEntry, high: TimeIndexEntry): boolean {
  const isAbove = entry.timestampMs > low.timestampMs && entry.relativeOffset > low.relativeOffset;
  return isAbove && entry.timestampMs < high.timestampMs && entry.relativeOffset < high.relativeOffset;
}
