import type { Offset } from "#lib/util/branded.ts";
import { FETCH_RANGES_MAX } from "#lib/util/limits.ts";
import { availableBytes, type EntryRange, type PlanLimits, planFetch } from "./entry-index.ts";
import { findByOffset } from "./find-by-offset.ts";
import type { LogSegment, PartitionState } from "./log-state.ts";
import { entryOfLost } from "./lost-batches.ts";
import type { SegmentPlace, SegmentRange } from "./segment-batches.ts";
import { windowOf } from "./segment-reader.ts";
import { isLost } from "./segments.ts";

// What a fetch reads of one partition, from the segment that holds its offset on:
//
//   [ segment | segment | lost segment | segment ] [ entry | entry | entry ]
//        '- fetchOffset; its place comes from an index       '- as many as there are bytes left
//
// Only the first segment needs an index, for the next ones are read from their beginnings.

export type ReadPiece =
  | { readonly kind: "entry"; readonly range: EntryRange }
  | { readonly kind: "segment"; readonly range: SegmentRange };

export interface PartitionReads {
  readonly pieces: readonly ReadPiece[];
  /** Whose index has to be read before the pieces are known. */
  readonly unlocated: LogSegment | undefined;
  /** What the answer gets at most, but for a first batch that is larger. */
  readonly byteLength: number;
  /** What is read at most. */
  readonly readBytes: number;
  /** The segment that a reader who goes on from segment to segment needs next. */
  readonly ahead: LogSegment | undefined;
}

/** Knows places in segments. */
export interface KnownPlaces {
  place(segment: LogSegment, offset: Offset): SegmentPlace | undefined;
  isNearEnd(range: SegmentRange): boolean;
}

export const NO_READS: PartitionReads = {
  pieces: [],
  unlocated: undefined,
  byteLength: 0,
  readBytes: 0,
  ahead: undefined,
};

/** What a fetch from `fetchOffset` reads, as far as places are known. `fetchOffset` lies within the log. */
export function planPartition(
  partition: PartitionState,
  fetchOffset: Offset,
  limits: PlanLimits,
  places: KnownPlaces,
): PartitionReads {
  if (limits.bytesMax <= 0 && !limits.atLeastOneBatch) return NO_READS;
  const { segments } = partition;
  const plan = new PartitionPlan(limits);
  for (let index = findByOffset(segments, fetchOffset); index < segments.length && plan.goesOn; index++) {
    const segment = segments[index];
    if (segment === undefined || segment.baseOffset >= limits.endOffset) break;
    if (isLost(segment)) {
      plan.addEntries([entryOfLost(segment)], fetchOffset);
      continue;
    }
    const place = places.place(segment, fetchOffset);
    if (place === undefined) return unlocated(partition, index, limits);
    const range = plan.addSegment(segment, place, fetchOffset);
    if (places.isNearEnd(range)) plan.ahead = segments[index + 1];
  }
  if (plan.goesOn) plan.addEntries(partition.entries, fetchOffset);
  return plan.reads();
}

/** Collects pieces until the bytes are used up. */
class PartitionPlan {
  readonly #limits: PlanLimits;
  readonly #pieces: ReadPiece[] = [];
  #bytesLeft: number;
  #readBytes = 0;
  /** Whether what was added so far comes whole. */
  #isWhole = true;
  ahead: LogSegment | undefined;

  constructor(limits: PlanLimits) {
    this.#limits = limits;
    this.#bytesLeft = limits.bytesMax;
  }

  get goesOn(): boolean {
    return (
      this.#isWhole && this.#pieces.length < FETCH_RANGES_MAX && (this.#bytesLeft > 0 || this.#pieces.length === 0)
    );
  }

  addSegment(segment: LogSegment, place: SegmentPlace, fromOffset: Offset): SegmentRange {
    const { endOffset } = this.#limits;
    const range = { segment, place, fromOffset, ...this.#left() };
    // A bound, as long as the segment's bytes are not seen.
    const bytesToEnd = segment.byteLength - place.position;
    this.#isWhole = bytesToEnd <= this.#bytesLeft && segment.nextOffset <= endOffset;
    this.#pieces.push({ kind: "segment", range });
    this.#bytesLeft -= Math.min(bytesToEnd, this.#bytesLeft);
    this.#readBytes += windowOf(range);
    return range;
  }

  addEntries(entries: PartitionState["entries"], fetchOffset: Offset): void {
    const rangesMax = FETCH_RANGES_MAX - this.#pieces.length;
    const ranges = planFetch(entries, fetchOffset, { ...this.#left(), rangesMax });
    for (const range of ranges) {
      this.#pieces.push({ kind: "entry", range });
      this.#bytesLeft -= range.byteLength;
      this.#readBytes += range.byteLength;
    }
    const last = ranges.at(-1);
    const end = entries.at(-1);
    this.#isWhole = last !== undefined && last.entry === end && isToEnd(last);
  }

  reads(): PartitionReads {
    const byteLength = this.#limits.bytesMax - this.#bytesLeft;
    return { pieces: this.#pieces, unlocated: undefined, byteLength, readBytes: this.#readBytes, ahead: this.ahead };
  }

  #left(): PlanLimits {
    const { endOffset, atLeastOneBatch } = this.#limits;
    return { endOffset, bytesMax: this.#bytesLeft, atLeastOneBatch: atLeastOneBatch && this.#pieces.length === 0 };
  }
}

function isToEnd({ entry, position, byteLength }: EntryRange): boolean {
  return position + byteLength === entry.position + entry.byteLength;
}

/** Where in the segment the reads begin is not known, but not more than all of what is there. */
function unlocated(partition: PartitionState, index: number, { bytesMax }: PlanLimits): PartitionReads {
  const { segments, entries } = partition;
  const segment = segments[index];
  let byteLength = 0;
  for (let at = index; at < segments.length && byteLength < bytesMax; at++) byteLength += segments[at]?.byteLength ?? 0;
  for (let at = 0; at < entries.length && byteLength < bytesMax; at++) byteLength += entries[at]?.byteLength ?? 0;
  byteLength = Math.min(byteLength, bytesMax);
  return { ...NO_READS, unlocated: segment, byteLength, readBytes: byteLength + (segment?.indexByteLength ?? 0) };
}

/**
 * Bytes from `fetchOffset` up to `endOffset`; stops counting at `bytesMax`. Enough for `min.bytes`. The segment that
 * holds the offset counts as a whole: where in it the offset lies only its index knows, and who reads there is behind.
 */
export function availableIn(
  partition: PartitionState,
  fetchOffset: Offset,
  limits: Pick<PlanLimits, "endOffset" | "bytesMax">,
): number {
  const { segments, entries } = partition;
  let bytes = 0;
  for (let index = findByOffset(segments, fetchOffset); index < segments.length && bytes < limits.bytesMax; index++) {
    const segment = segments[index];
    if (segment === undefined || segment.baseOffset >= limits.endOffset) return Math.min(bytes, limits.bytesMax);
    // What is lost does not count among entries either.
    if (!isLost(segment)) bytes += segment.byteLength;
  }
  if (bytes >= limits.bytesMax) return limits.bytesMax;
  return bytes + availableBytes(entries, fetchOffset, { ...limits, bytesMax: limits.bytesMax - bytes });
}
