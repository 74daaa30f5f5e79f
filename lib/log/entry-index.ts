import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { FETCH_RANGES_MAX } from "#lib/util/limits.ts";
import type { SizedEntry } from "./batch-sizes.ts";
import { findByOffset } from "./find-by-offset.ts";
import type { WriteAheadEntry } from "./log-state.ts";

// Where offsets lie, by what the state knows: no byte of a batch is looked at here.
//
//   partition.entries   [ entry | entry | entry ]      ascending, without holes: binary search
//   entry.batches         [ bytes, offsets | bytes, offsets | ... ]      uvarint pairs: walked from the left;
//                         nothing where the entry is one batch

/** Consecutive whole batches of one entry. */
export interface EntryRange {
  readonly entry: WriteAheadEntry;
  /** Base offset of the first batch. */
  readonly baseOffset: Offset;
  /** Where the first batch's pair begins in `entry.batches`. */
  readonly packedAt: number;
  /** Where the first batch begins in the entry's place. */
  readonly position: number;
  readonly byteLength: number;
}

export interface PlanLimits {
  /** No batch that reaches beyond it: the log end, or the last stable offset. */
  readonly endOffset: Offset;
  readonly bytesMax: number;
  /** The first batch comes even if it is larger than `bytesMax` (KIP-74: only in the first partition that has data). */
  readonly atLeastOneBatch: boolean;
}

/** Walks the batches of an entry without making an object for each. */
export class BatchCursor {
  /** Of the current batch; meaningless before the first `next`. */
  byteLength = 0;
  offsetCount = 0;
  baseOffset: Offset;
  position: number;
  /** Where the current batch's pair begins. */
  packedAt: number;
  readonly #entry: SizedEntry;
  readonly #packed: Uint8Array;
  #nextAt: number;

  constructor(entry: SizedEntry, start: Pick<EntryRange, "baseOffset" | "packedAt" | "position">) {
    this.#entry = entry;
    this.#packed = entry.batches;
    this.baseOffset = start.baseOffset;
    this.position = start.position;
    this.packedAt = start.packedAt;
    this.#nextAt = start.packedAt;
  }

  static ofEntry(entry: WriteAheadEntry): BatchCursor {
    return new BatchCursor(entry, { baseOffset: entry.baseOffset, packedAt: 0, position: entry.position });
  }

  get nextOffset(): Offset {
    return this.baseOffset + this.offsetCount;
  }

  /** Goes to the next batch; false at the end. */
  next(): boolean {
    const isOneBatch = this.#packed.byteLength === 0;
    if (this.#nextAt >= (isOneBatch ? 1 : this.#packed.byteLength)) return false;
    this.baseOffset += this.offsetCount;
    this.position += this.byteLength;
    this.packedAt = this.#nextAt;
    if (isOneBatch) {
      this.byteLength = this.#entry.byteLength;
      this.offsetCount = this.#entry.nextOffset - this.#entry.baseOffset;
      this.#nextAt = 1;
    } else {
      this.byteLength = this.#uvarint();
      this.offsetCount = this.#uvarint();
    }
    assert(this.byteLength > 0 && this.offsetCount > 0, "a batch of an entry is empty");
    return true;
  }

  #uvarint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#packed[this.#nextAt++];
      assert(byte !== undefined, "the batches of an entry end within a number");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }
}

/** The whole entry as one range. */
export function wholeEntry(entry: WriteAheadEntry): EntryRange {
  const { baseOffset, position, byteLength } = entry;
  return { entry, baseOffset, packedAt: 0, position, byteLength };
}

/**
 * What a fetch from `fetchOffset` reads: whole batches, the first one being the batch that holds `fetchOffset`.
 * Ends after `rangesMax` entries (`FETCH_RANGES_MAX`), so that many tiny entries do not become as many reads at once.
 */
export function planFetch(
  entries: readonly WriteAheadEntry[],
  fetchOffset: Offset,
  limits: PlanLimits & { readonly rangesMax?: number },
): readonly EntryRange[] {
  const { rangesMax = FETCH_RANGES_MAX } = limits;
  const ranges: EntryRange[] = [];
  let bytesLeft = limits.bytesMax;
  for (let index = findByOffset(entries, fetchOffset); index < entries.length; index++) {
    if (ranges.length >= rangesMax) break;
    const entry = at(entries, index);
    if (entry.baseOffset >= limits.endOffset) break;
    const range = rangeOf(entry, fetchOffset, {
      endOffset: limits.endOffset,
      bytesMax: bytesLeft,
      atLeastOneBatch: limits.atLeastOneBatch && ranges.length === 0,
    });
    if (range === undefined) break;
    ranges.push(range);
    bytesLeft -= range.byteLength;
    if (range.position + range.byteLength < entry.position + entry.byteLength) break;
  }
  return ranges;
}

/**
 * Bytes from the batch that holds `fetchOffset` up to `endOffset`; stops counting at `bytesMax`. Enough for `min.bytes`.
 * What is lost does not count: where nothing comes after it kafkajs asks for it again and again, and had better wait.
 */
export function availableBytes(
  entries: readonly WriteAheadEntry[],
  fetchOffset: Offset,
  limits: Pick<PlanLimits, "endOffset" | "bytesMax">,
): number {
  let bytes = 0;
  for (let index = findByOffset(entries, fetchOffset); index < entries.length && bytes < limits.bytesMax; index++) {
    const entry = at(entries, index);
    if (entry.baseOffset >= limits.endOffset) break;
    if (entry.place.kind === "lost") continue;
    const isWhole = fetchOffset <= entry.baseOffset && entry.nextOffset <= limits.endOffset;
    bytes += isWhole ? entry.byteLength : bytesBetween(entry, fetchOffset, limits);
  }
  return Math.min(bytes, limits.bytesMax);
}

/** Where the batch behind `range` begins. */
export function nextOffsetOf(range: EntryRange): Offset {
  const { entry } = range;
  const end = range.position + range.byteLength;
  if (end === entry.position + entry.byteLength) return entry.nextOffset;
  const cursor = new BatchCursor(entry, range);
  let hasBatch = cursor.next();
  while (hasBatch && cursor.position < end) hasBatch = cursor.next();
  return cursor.baseOffset;
}

export function sumBytes(ranges: readonly EntryRange[]): number {
  let bytes = 0;
  for (const range of ranges) bytes += range.byteLength;
  return bytes;
}

/** As much of one entry as the limits allow; undefined if not even one batch. */
function rangeOf(entry: WriteAheadEntry, fetchOffset: Offset, limits: PlanLimits): EntryRange | undefined {
  const fitsWhole = entry.byteLength <= limits.bytesMax && entry.nextOffset <= limits.endOffset;
  if (fitsWhole && fetchOffset <= entry.baseOffset) return wholeEntry(entry);
  const cursor = BatchCursor.ofEntry(entry);
  let start: { baseOffset: Offset; packedAt: number; position: number } | undefined;
  let byteLength = 0;
  while (cursor.next()) {
    if (cursor.nextOffset <= fetchOffset) continue;
    if (cursor.nextOffset > limits.endOffset) break;
    const isForced = start === undefined && limits.atLeastOneBatch;
    if (byteLength + cursor.byteLength > limits.bytesMax && !isForced) break;
    start ??= { baseOffset: cursor.baseOffset, packedAt: cursor.packedAt, position: cursor.position };
    byteLength += cursor.byteLength;
  }
  return start === undefined ? undefined : { entry, ...start, byteLength };
}

function bytesBetween(
  entry: WriteAheadEntry,
  fetchOffset: Offset,
  limits: Pick<PlanLimits, "endOffset" | "bytesMax">,
): number {
  const cursor = BatchCursor.ofEntry(entry);
  let bytes = 0;
  while (bytes < limits.bytesMax && cursor.next()) {
    if (cursor.nextOffset > limits.endOffset) break;
    if (cursor.nextOffset > fetchOffset) bytes += cursor.byteLength;
  }
  return bytes;
}

function at(entries: readonly WriteAheadEntry[], index: number): WriteAheadEntry {
  const entry = entries[index];
  assert(entry !== undefined, "an entry's index is out of range");
  return entry;
}
