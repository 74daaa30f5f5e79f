import type { FlushId, ObjectKey, Offset } from "#lib/util/branded.ts";
import { flushIdFromBytes, objectKey } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { OBJECT_KEY_BYTES_MAX, OBJECT_KEY_SEGMENT_BYTES_MAX } from "#lib/util/limits.ts";

// Every kind of key in a store. Numbers are padded with zeroes, so that the order of keys is the order of numbers.
//
//   marker.json                                                             the store's identity (store-marker.ts)
//   wal/<upload epoch, 10>/<writer id, hex>/<flush id, hex>                 write-ahead segment
//   journals/<upload epoch, 10>/<name>/<random, 16 hex>                     what a journal keeps outside itself: snapshots,
//                                                                           archives, large commands; the name comes from
//                                                                           lib/journal/object-names.ts
//   segments/<upload epoch, 10>/<attempt id, 32 hex>/<topic>-<partition>/<base offset, 20>.log, and beside it
//                                                                           .index, .timeindex, .txnindex
//
// The upload epoch stands before everything else that varies, because garbage is collected by epoch: one listing up to
// an epoch finds all candidates. A key is a path in a directory store, so no key may continue another one's last
// segment with `/`.

/** The key breaks the rules above: a mistake of the caller, or damage in what named it. */
export class InvalidObjectKeyError extends LogError {
  override readonly name = "InvalidObjectKeyError";
  override readonly kind = "invalid";
}

const SEGMENTS = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;

/** Fails with `InvalidObjectKeyError` unless `text` is a key: no empty, `.` or `..` segment, nothing too long. */
export function parseObjectKey(text: string): ObjectKey {
  const problem = problemOf(text);
  if (problem !== undefined) throw new InvalidObjectKeyError(`object key ${JSON.stringify(text)} ${problem}`);
  return objectKey(text);
}

export function isObjectKey(text: string): boolean {
  return problemOf(text) === undefined;
}

function problemOf(text: string): string | undefined {
  if (text.length > OBJECT_KEY_BYTES_MAX) return `has more than ${OBJECT_KEY_BYTES_MAX} bytes`;
  if (!SEGMENTS.test(text)) return "is not made of segments of letters, digits and ._=-";
  for (const segment of text.split("/")) {
    if (segment === "." || segment === "..") return "leaves its folder";
    if (segment.length > OBJECT_KEY_SEGMENT_BYTES_MAX) return "has a segment too long for a file's name";
  }
  return undefined;
}

export const MARKER_KEY: ObjectKey = objectKey("marker.json");
export const WRITE_AHEAD_PREFIX = "wal/";
export const JOURNAL_OBJECT_PREFIX = "journals/";
export const SEGMENT_PREFIX = "segments/";

export interface WriteAheadKeyParts {
  /** Hours since 1970 by the writer's clock, or one above the highest floor that it has folded, whichever is more. */
  readonly uploadEpoch: number;
  /** 16 to 32 lower-case hexadecimal digits drawn at the writer's start. */
  readonly writerId: string;
  readonly flushId: FlushId;
}

export function writeAheadKey(parts: WriteAheadKeyParts): ObjectKey {
  return objectKey(`${WRITE_AHEAD_PREFIX}${epochSegment(parts.uploadEpoch)}/${parts.writerId}/${parts.flushId}`);
}

/** What `key` says of a write-ahead segment; undefined if it is another kind of key. */
export function parseWriteAheadKey(key: string): WriteAheadKeyParts | undefined {
  const match = /^wal\/(\d{10})\/([0-9a-f]{16,32})\/([0-9a-f]{32})$/.exec(key);
  const [, epoch, writerId, flushId] = match ?? [];
  if (epoch === undefined || writerId === undefined || flushId === undefined) return undefined;
  return { uploadEpoch: Number(epoch), writerId, flushId: flushIdFromBytes(Buffer.from(flushId, "hex")) };
}

/** Fails with `InvalidObjectKeyError` if `name` is not made of key segments. `random`: 8 bytes that no other call has. */
export function journalObjectKey(parts: {
  readonly uploadEpoch: number;
  readonly name: string;
  readonly random: Uint8Array;
}): ObjectKey {
  const suffix = Buffer.from(parts.random).toString("hex");
  return parseObjectKey(`${JOURNAL_OBJECT_PREFIX}${epochSegment(parts.uploadEpoch)}/${parts.name}/${suffix}`);
}

/** The files of one log segment, by Kafka's endings. A segment without aborted transactions has no `txnindex`. */
export const SEGMENT_SUFFIXES = ["log", "index", "timeindex", "txnindex"] as const;
export type SegmentSuffix = (typeof SEGMENT_SUFFIXES)[number];

export interface SegmentDirectoryParts {
  readonly uploadEpoch: number;
  /** 16 bytes that no other attempt to write segments has, in lower-case hexadecimal digits. */
  readonly attemptId: string;
  readonly topic: string;
  readonly partitionIndex: number;
}

export interface SegmentKeyParts extends SegmentDirectoryParts {
  readonly baseOffset: Offset;
  readonly suffix: SegmentSuffix;
}

/** What the keys of one attempt's segments of one partition begin with; a slash follows. */
export function segmentDirectory(parts: SegmentDirectoryParts): string {
  const { uploadEpoch, attemptId, topic, partitionIndex } = parts;
  return parseObjectKey(`${SEGMENT_PREFIX}${epochSegment(uploadEpoch)}/${attemptId}/${topic}-${partitionIndex}`);
}

/** `directory` comes from `segmentDirectory`. The file's own name is the one that Kafka gives it. */
export function segmentFileKey(directory: string, baseOffset: Offset, suffix: SegmentSuffix): ObjectKey {
  return objectKey(`${directory}/${String(baseOffset).padStart(20, "0")}.${suffix}`);
}

const SEGMENT_KEY =
  /^segments\/(\d{10})\/([0-9a-f]{32})\/([A-Za-z0-9._-]{1,249})-(0|[1-9]\d{0,9})\/(\d{20})\.(log|index|timeindex|txnindex)$/;

/** What `key` says of a file of a log segment; undefined if it is another kind of key. */
export function parseSegmentKey(key: string): SegmentKeyParts | undefined {
  const [, epoch, attemptId, topic, partition, offset, ending] = SEGMENT_KEY.exec(key) ?? [];
  const suffix = SEGMENT_SUFFIXES.find((each) => each === ending);
  const baseOffset = Number(offset);
  if (attemptId === undefined || topic === undefined || suffix === undefined) return undefined;
  if (!Number.isSafeInteger(baseOffset) || !isObjectKey(key)) return undefined;
  return { uploadEpoch: Number(epoch), attemptId, topic, partitionIndex: Number(partition), baseOffset, suffix };
}

const JOURNAL_OBJECT_KEY = /^journals\/(\d{10})\/(.+)\/[0-9a-f]{16}$/;

/** What `key` says of a journal's object; undefined if it is another kind of key. */
export function parseJournalObjectKey(
  key: string,
): { readonly uploadEpoch: number; readonly name: string } | undefined {
  const [, epoch, name] = (isObjectKey(key) && JOURNAL_OBJECT_KEY.exec(key)) || [];
  return epoch === undefined || name === undefined ? undefined : { uploadEpoch: Number(epoch), name };
}

/** The upload epoch that a key of ours names; undefined for the marker, and for whatever we did not write. */
export function uploadEpochOf(key: string): number | undefined {
  return (parseWriteAheadKey(key) ?? parseSegmentKey(key) ?? parseJournalObjectKey(key))?.uploadEpoch;
}

function epochSegment(uploadEpoch: number): string {
  return String(uploadEpoch).padStart(10, "0");
}
