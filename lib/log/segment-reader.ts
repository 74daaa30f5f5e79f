import type { ObjectRef } from "#lib/storage/copy-reader.ts";
import { type ByteRange, CorruptObjectError } from "#lib/storage/object-store.ts";
import { CorruptSegmentError } from "#lib/storage/segments/errors.ts";
import { findPosition, type IndexRange } from "#lib/storage/segments/offset-index.ts";
import { findTimeRange } from "#lib/storage/segments/time-index.ts";
import { defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { BLOCK_BYTES, FIRST_BATCH_BYTES, READ_AHEAD_BYTES, READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";
import type { EntryReadOptions } from "./entry-reader.ts";
import { findByOffset } from "./find-by-offset.ts";
import type { LogSegment, PartitionState } from "./log-state.ts";
import { cutBatches, type SegmentCut, type SegmentPlace, type SegmentRange, startOf } from "./segment-batches.ts";
import { isLost, segmentKey } from "./segments.ts";

/** Reads ranges of objects from whichever store has them; `RangeReader` does. */
export interface SegmentObjects {
  read(object: ObjectRef, range: ByteRange, options: EntryReadOptions): Promise<readonly Uint8Array[]>;
  prefetch(object: ObjectRef, range: ByteRange): void;
  /** The bytes that were read are damaged. True if reading again may give others, from another store. */
  distrust(object: ObjectRef, range: ByteRange): boolean;
}

type ReadSuffix = "log" | "index" | "timeindex";

const BYTE_LENGTHS = {
  log: "byteLength",
  index: "indexByteLength",
  timeindex: "timeIndexByteLength",
} as const satisfies Record<ReadSuffix, keyof LogSegment>;

/** Whole batches of a segment, their sums checked. */
export interface SegmentBatches {
  /** With true offsets and leader epoch 0. Others read the same bytes: do not change them. */
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
  /** Behind the last of them; undefined at the end of the segment. */
  readonly next: SegmentPlace | undefined;
}

/** How much to read at once. */
interface Window {
  readonly byteLength: number;
  /** With less there is no whole batch. */
  readonly neededBytes: number;
}

/** A file of a segment is nowhere: the segment was replaced and removed since the plan was made, or it is lost. */
export class MissingSegmentError extends LogError {
  override readonly name = "MissingSegmentError";
  override readonly kind = "conflict";
  readonly segment: LogSegment;

  constructor(segment: LogSegment, suffix: ReadSuffix, cause: unknown) {
    super(`${segmentKey(segment, suffix)} is missing`, { cause });
    this.segment = segment;
  }
}

/** Whether the partition's state still names the segment. */
export function namesSegment(partition: PartitionState, { baseOffset, directory }: LogSegment): boolean {
  const found = partition.segments[findByOffset(partition.segments, baseOffset)];
  return found?.directory === directory && found.baseOffset === baseOffset;
}

/**
 * Batches of log segments: one read of an index tells where to begin, one read of the log brings them. Where a reader
 * stopped is remembered, so that one who goes on needs no index. All methods fail with `MissingSegmentError`, an error of
 * kind `corrupt` or `unavailable` when all stores were asked, or the signal's reason.
 */
export class SegmentReader {
  readonly #objects: SegmentObjects;
  readonly #readAheadBytes: number;
  /** By segment and offset. */
  readonly #places = new Map<string, SegmentPlace>();

  constructor(
    objects: SegmentObjects,
    { readAheadBytes = READ_AHEAD_BYTES }: { readonly readAheadBytes?: number } = {},
  ) {
    this.#objects = objects;
    this.#readAheadBytes = readAheadBytes;
  }

  /** Where to begin to read for `offset`, if that is known without a read. */
  place(segment: LogSegment, offset: Offset): SegmentPlace | undefined {
    if (offset <= segment.baseOffset) return startOf(segment);
    const name = placeName(segment, offset);
    const place = this.#places.get(name);
    if (place === undefined) return undefined;
    this.#places.delete(name);
    this.#places.set(name, place);
    return place;
  }

  /** Where to begin to read for `offset`, which lies in the segment; `place` knows it then. */
  async locate(segment: LogSegment, offset: Offset, signal: AbortSignal): Promise<SegmentPlace> {
    const known = this.place(segment, offset);
    if (known !== undefined) return known;
    const place = await this.#useFiles(segment, ["index"], signal, ([index]) =>
      placeOf(findPosition(defined(index), segment.baseOffset, offset, segment), offset, segment),
    );
    this.#remember(segment, offset, place);
    return place;
  }

  /** Where to begin to look for the first record at or after `timestampMs`: none of them lies before. */
  async locateTime(segment: LogSegment, timestampMs: TimestampMs, signal: AbortSignal): Promise<SegmentPlace> {
    const { baseOffset, nextOffset } = segment;
    return await this.#useFiles(segment, ["index", "timeindex"], signal, ([index, timeIndex]) => {
      const indexes = { index: defined(index), timeIndex: defined(timeIndex) };
      return placeOf(findTimeRange(indexes, baseOffset, timestampMs, segment), nextOffset - 1, segment);
    });
  }

  /**
   * The batches of `range`. None only if the first one does not fit in `bytesMax`, or reaches beyond `endOffset`. Fewer
   * if what follows them is damaged: whoever goes on gets the error.
   */
  async read(range: SegmentRange, options: EntryReadOptions): Promise<SegmentBatches> {
    const { segment, bytesMax, atLeastOneBatch } = range;
    let { place } = range;
    let window = { byteLength: windowOf(range), neededBytes: 0 };
    while (place.position < segment.byteLength) {
      const cut = await this.#cut({ ...range, place }, window, options);
      place = {
        position: cut.nextPosition,
        offset: cut.nextOffset,
        lastOffsetMax: place.lastOffsetMax,
        nextPosition: undefined,
      };
      const isMoreWanted = cut.wantedBytes > 0 && (atLeastOneBatch || cut.wantedBytes <= bytesMax);
      if (!isMoreWanted) return this.#done(segment, cut, place);
      // The first batch lies farther on than it seemed, or is larger than the window.
      window = { byteLength: Math.max(cut.wantedBytes, FIRST_BATCH_BYTES), neededBytes: cut.wantedBytes };
    }
    return NOTHING;
  }

  /** Begins to load the segment's beginning. */
  prefetch(segment: LogSegment): void {
    if (this.#readAheadBytes === 0 || isLost(segment)) return;
    this.#objects.prefetch(fileOf(segment, "log"), { position: 0, byteLength: this.#readAheadBytes });
  }

  /** Whether a reader who goes on from segment to segment soon needs what comes behind `range`. */
  isNearEnd({ segment, place, bytesMax }: SegmentRange): boolean {
    return place.offset !== undefined && place.position + bytesMax + this.#readAheadBytes >= segment.byteLength;
  }

  #done(segment: LogSegment, { chunks, byteLength }: SegmentCut, next: SegmentPlace): SegmentBatches {
    if (next.position >= segment.byteLength) return { chunks, byteLength, next: undefined };
    if (byteLength > 0 && next.offset !== undefined) this.#remember(segment, next.offset, next);
    return { chunks, byteLength, next };
  }

  /** The window's batches; those before the damage if no store has better bytes. */
  async #cut(range: SegmentRange, wanted: Window, options: EntryReadOptions): Promise<SegmentCut> {
    const { segment } = range;
    const log = fileOf(segment, "log");
    let { place } = range;
    const end = Math.min(place.position + wanted.byteLength, segment.byteLength);
    for (;;) {
      const { position } = place;
      const byteLength = Math.max(end - position, Math.min(FIRST_BATCH_BYTES, segment.byteLength - position));
      const window = await this.#readLog(segment, { ...wanted, position, byteLength }, options);
      const cut = cutBatches(window, { ...range, place });
      if (cut.damage === undefined) return cut;
      // Where an index named a place and no batch begins there, either of the two may be damaged.
      const isIndexInDoubt = place.offset === undefined && cut.nextPosition === position;
      const other = isIndexInDoubt ? await this.#locateAnew(range, options.signal) : undefined;
      if (other !== undefined && other.position !== position) {
        place = other;
        continue;
      }
      if (this.#objects.distrust(log, { position, byteLength })) continue;
      if (cut.byteLength === 0) throw cut.damage;
      return cut;
    }
  }

  /** What another copy of the index says; undefined if none is left that is trusted. */
  async #locateAnew({ segment, fromOffset }: SegmentRange, signal: AbortSignal): Promise<SegmentPlace | undefined> {
    this.#places.delete(placeName(segment, fromOffset));
    const index = fileOf(segment, "index");
    const isLeft = this.#objects.distrust(index, { position: 0, byteLength: index.byteLength });
    return isLeft ? await this.locate(segment, fromOffset, signal) : undefined;
  }

  async #readLog(segment: LogSegment, range: ByteRange & Window, options: EntryReadOptions) {
    const log = fileOf(segment, "log");
    const { byteLength, position, neededBytes } = range;
    const bytesInBlock = BLOCK_BYTES - (position % BLOCK_BYTES);
    try {
      return await this.#objects.read(log, { position, byteLength }, options);
    } catch (error) {
      const isLessEnough = byteLength > bytesInBlock && neededBytes <= bytesInBlock;
      if (!(error instanceof CorruptObjectError) || !isLessEnough) throw missingOr(error, segment, "log");
    }
    // Of a log that is cut short the blocks before the cut can still be read.
    try {
      return await this.#objects.read(log, { position, byteLength: bytesInBlock }, options);
    } catch (error) {
      throw missingOr(error, segment, "log");
    }
  }

  /** Reads whole files and makes of them what `use` does; other stores are asked if it finds them corrupt. */
  async #useFiles<T>(
    segment: LogSegment,
    suffixes: readonly ReadSuffix[],
    signal: AbortSignal,
    use: (files: readonly Uint8Array[]) => T,
  ): Promise<T> {
    for (;;) {
      const borrowed = new Borrowed();
      try {
        return use(await Promise.all(suffixes.map((suffix) => this.#readFile(segment, suffix, { signal, borrowed }))));
      } catch (error) {
        if (!(error instanceof CorruptSegmentError)) throw error;
        const areOthersLeft = suffixes.map((suffix) => {
          const file = fileOf(segment, suffix);
          return file.byteLength > 0 && this.#objects.distrust(file, { position: 0, byteLength: file.byteLength });
        });
        if (!areOthersLeft.includes(true)) throw error;
      } finally {
        borrowed.release();
      }
    }
  }

  async #readFile(segment: LogSegment, suffix: ReadSuffix, options: EntryReadOptions): Promise<Uint8Array> {
    const file = fileOf(segment, suffix);
    if (file.byteLength === 0) return new Uint8Array(0);
    try {
      const chunks = await this.#objects.read(file, { position: 0, byteLength: file.byteLength }, options);
      const [only] = chunks;
      return only !== undefined && chunks.length === 1 ? only : joinChunks(chunks);
    } catch (error) {
      throw missingOr(error, segment, suffix);
    }
  }

  #remember(segment: LogSegment, offset: Offset, place: SegmentPlace): void {
    this.#places.set(placeName(segment, offset), place);
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#places.delete(oldest);
    }
  }
}

/** What a read of `range` loads at first, in bytes: what is before the first batch too, and some of it at least. */
export function windowOf({ segment, place, bytesMax }: SegmentRange): number {
  const from = place.nextPosition ?? place.position;
  const blockEnd = (Math.floor(from / BLOCK_BYTES) + 1) * BLOCK_BYTES;
  const until = Math.max(from + bytesMax, Math.min(from + FIRST_BATCH_BYTES, blockEnd));
  return Math.min(until, segment.byteLength) - place.position;
}

const NOTHING: SegmentBatches = { chunks: [], byteLength: 0, next: undefined };

/** `lastOffsetMax`: of the batch that an index names. At the beginning there is none, and nothing need be taken on trust. */
function placeOf({ position, nextPosition }: IndexRange, lastOffsetMax: Offset, segment: LogSegment): SegmentPlace {
  if (position === 0) return { ...startOf(segment), nextPosition };
  return { position, offset: undefined, lastOffsetMax, nextPosition };
}

function placeName({ directory, baseOffset }: LogSegment, offset: Offset): string {
  return `${directory}/${baseOffset}@${offset}`;
}

function fileOf(segment: LogSegment, suffix: ReadSuffix): ObjectRef {
  return { key: segmentKey(segment, suffix), byteLength: segment[BYTE_LENGTHS[suffix]], copies: segment.copies };
}

function missingOr(error: unknown, segment: LogSegment, suffix: ReadSuffix): unknown {
  const isMissing = error instanceof LogError && error.kind === "conflict";
  return isMissing ? new MissingSegmentError(segment, suffix, error) : error;
}
