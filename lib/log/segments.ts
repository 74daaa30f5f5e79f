import { type SegmentSuffix, segmentFileKey } from "#lib/storage/object-keys.ts";
import { unreachable } from "#lib/util/assert.ts";
import type { ObjectKey, Offset } from "#lib/util/branded.ts";
import type { EntryInput, EntryPlaceId, ReplaceInput, SegmentInput } from "./log-command.ts";
import type { EntryPlace, LogSegment, PartitionState, WriteAheadEntry } from "./log-state.ts";

export interface SegmentFile {
  readonly key: ObjectKey;
  readonly byteLength: number;
}

/** Every copy is gone, and somebody has said so. */
export function isLost(segment: LogSegment): boolean {
  return segment.copies.length === 0;
}

export function segmentKey(segment: Pick<LogSegment, "directory" | "baseOffset">, suffix: SegmentSuffix): ObjectKey {
  return segmentFileKey(segment.directory, segment.baseOffset, suffix);
}

/** The files that a segment consists of, the log first; none of what is lost. */
export function segmentFiles(segment: LogSegment): readonly SegmentFile[] {
  if (isLost(segment)) return [];
  const files: SegmentFile[] = [
    { key: segmentKey(segment, "log"), byteLength: segment.byteLength },
    { key: segmentKey(segment, "index"), byteLength: segment.indexByteLength },
    { key: segmentKey(segment, "timeindex"), byteLength: segment.timeIndexByteLength },
  ];
  if (segment.txnIndexByteLength > 0) {
    files.push({ key: segmentKey(segment, "txnindex"), byteLength: segment.txnIndexByteLength });
  }
  return files;
}

export function segmentInput({ baseOffset, nextOffset, directory }: LogSegment): SegmentInput {
  return { kind: "segment", baseOffset, nextOffset, directory };
}

export function entryInput({ baseOffset, nextOffset, place }: WriteAheadEntry): EntryInput {
  return { kind: "entry", baseOffset, nextOffset, place: placeIdOf(place) };
}

export function placeIdOf(place: EntryPlace): EntryPlaceId {
  switch (place.kind) {
    case "object":
      return { kind: "object", flushId: place.flushId };
    case "inline":
    case "lost":
      return place;
    default:
      return unreachable(place);
  }
}

/** Whether the partition holds the input as it is named, at this index of its segments or entries. */
export function isInputAt(partition: PartitionState, input: ReplaceInput, index: number): boolean {
  if (input.kind === "segment") {
    const segment = partition.segments[index];
    return segment !== undefined && hasOffsets(segment, input) && segment.directory === input.directory;
  }
  const entry = partition.entries[index];
  return entry !== undefined && hasOffsets(entry, input) && isPlace(entry.place, input.place);
}

interface Offsets {
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
}

function hasOffsets(held: Offsets, named: Offsets): boolean {
  return held.baseOffset === named.baseOffset && held.nextOffset === named.nextOffset;
}

function isPlace(held: EntryPlace, named: EntryPlaceId): boolean {
  if (held.kind === "object") return named.kind === "object" && held.flushId === named.flushId;
  if (held.kind === "lost") return named.kind === "lost";
  return named.kind === "inline" && held.seq === named.seq && held.indexInRecord === named.indexInRecord;
}
