import { BATCH_HEADER_BYTES } from "#lib/record/record-batch.ts";
import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { searchEntries, viewEntries } from "./entry-search.ts";
import { CorruptSegmentError } from "./errors.ts";

// `<base offset>.index` (Kafka's OffsetIndex): entries of 8 bytes, big-endian, ascending in both fields.
//
//   0  relativeOffset  int32   of the LAST offset of a batch, from the segment's base offset
//   4  position        int32   where that batch begins in the .log
//
// The first batch never has one: whoever finds no entry at or below an offset begins at position 0.

export const OFFSET_INDEX_ENTRY_BYTES = 8;
/** The indexes can name no later offset, counted from the segment's base offset. What lies behind is found by walking. */
export const RELATIVE_OFFSET_MAX = 0x7fff_ffff;

/** What is known of the segment that an index belongs to. */
export interface SegmentBounds {
  readonly nextOffset: Offset;
  /** Of the .log. */
  readonly byteLength: number;
}

export interface IndexRange {
  /** Begins a batch; none before it reaches up to the offset that was looked for. */
  readonly position: number;
  /** The first batch that reaches up to it begins here or before. Undefined: anywhere up to the end of the log. */
  readonly nextPosition: number | undefined;
}

export class OffsetIndexWriter {
  readonly #baseOffset: Offset;
  readonly #bytes = new ByteWriter();

  constructor(baseOffset: Offset) {
    this.#baseOffset = baseOffset;
  }

  append(lastOffset: Offset, position: number): void {
    assert(position <= 0x7fff_ffff, "a position in a segment is an int32");
    if (lastOffset - this.#baseOffset > RELATIVE_OFFSET_MAX) return;
    this.#bytes.int32(lastOffset - this.#baseOffset).int32(position);
  }

  toBytes(): Uint8Array {
    return this.#bytes.toBytes();
  }
}

/**
 * Where to begin to read for `offset` by the segment's .index, all of it. Looks at some twenty entries, and fails with
 * `CorruptSegmentError` if they cannot be of this segment: a cut file, entries out of order, beyond `bounds`.
 */
export function findPosition(
  index: Uint8Array,
  baseOffset: Offset,
  offset: Offset,
  bounds?: SegmentBounds,
): IndexRange {
  const entries = new OffsetIndex(index, baseOffset);
  if (entries.count === 0) return { position: 0, nextPosition: undefined };
  entries.checkEnds(bounds);
  const wanted = offset - baseOffset;
  const last = entries.at(entries.count - 1);
  const { low, high } = searchEntries(entries, {
    floor: { relativeOffset: -1, position: 0 },
    ceiling: { relativeOffset: last.relativeOffset + 1, position: last.position + 1 },
    isLow: (entry) => entry.relativeOffset <= wanted,
    isBetween,
    onDisorder: (index) => {
      throw new CorruptSegmentError(baseOffset, `index entry ${index} is out of order`);
    },
  });
  return { position: low.position, nextPosition: high?.position };
}

export interface OffsetIndexEntry {
  readonly relativeOffset: number;
  readonly position: number;
}

/** A view of an index's bytes. */
export class OffsetIndex {
  readonly count: number;
  readonly #baseOffset: Offset;
  readonly #view: DataView;

  /** Fails with `CorruptSegmentError` if the bytes are no whole entries. */
  constructor(bytes: Uint8Array, baseOffset: Offset) {
    this.#baseOffset = baseOffset;
    const entries = viewEntries(bytes, OFFSET_INDEX_ENTRY_BYTES);
    if (entries === undefined) {
      throw new CorruptSegmentError(baseOffset, `an index of ${bytes.byteLength} bytes has no whole entries`);
    }
    this.#view = entries.view;
    this.count = entries.count;
  }

  at(entry: number): OffsetIndexEntry {
    const at = entry * OFFSET_INDEX_ENTRY_BYTES;
    return { relativeOffset: this.#view.getInt32(at), position: this.#view.getInt32(at + 4) };
  }

  /** The first and the last entry, between which all others lie. */
  checkEnds(bounds: SegmentBounds | undefined): void {
    const first = this.at(0);
    const last = this.at(this.count - 1);
    const isAscending =
      first.relativeOffset > 0 &&
      first.position >= BATCH_HEADER_BYTES &&
      last.relativeOffset - first.relativeOffset >= this.count - 1 &&
      last.position - first.position >= (this.count - 1) * BATCH_HEADER_BYTES;
    if (!isAscending) throw new CorruptSegmentError(this.#baseOffset, "the index's entries do not ascend");
    if (bounds === undefined) return;
    const lastOffset = this.#baseOffset + last.relativeOffset;
    if (lastOffset < bounds.nextOffset && last.position + BATCH_HEADER_BYTES <= bounds.byteLength) return;
    throw new CorruptSegmentError(
      this.#baseOffset,
      `the index names offset ${lastOffset} at position ${last.position}; ` +
        `the segment ends before ${bounds.nextOffset} and ${bounds.byteLength}`,
    );
  }
}

function isBetween(low: OffsetIndexEntry, entry: OffsetIndexEntry, high: OffsetIndexEntry): boolean {
  const isAbove = entry.relativeOffset > low.relativeOffset && entry.position > low.position;
  return isAbove && entry.relativeOffset < high.relativeOffset && entry.position < high.position;
}
