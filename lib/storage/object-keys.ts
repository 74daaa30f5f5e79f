import type { FlushId, JournalId, JournalSeq, ObjectKey } from "#lib/util/branded.ts";
import { flushIdFromBytes, objectKey } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { OBJECT_KEY_BYTES_MAX, OBJECT_KEY_SEGMENT_BYTES_MAX } from "#lib/util/limits.ts";

// Every kind of key in a store. Numbers are padded with zeroes, so that the order of keys is the order of numbers.
//
//   marker.json                                                             the store's identity (store-marker.ts)
//   wal/<upload epoch, 10>/<writer id, hex>/<flush id, hex>                 write-ahead segment
//   snapshots/<upload epoch, 10>/<journal>/<seq, 16>-<SHA-256, 16 hex>      folded state of a journal
//   commands/<upload epoch, 10>/<journal>/<flush id, hex>                   one command too large for a record
//   archive/<upload epoch, 10>/<journal>/<first seq, 16>-<last seq, 16>     records between snapshots
//   segments/<upload epoch, 10>/<attempt id, hex>/<topic>-<partition>/<base offset, 20>.log, .index, .timeindex, .txnindex
//
// The upload epoch stands before everything else that varies, because garbage is collected by epoch: one listing up to
// an epoch finds all candidates. A key is a path in a directory store, so no key may continue another one's last
// segment with `/`. The slash in the name of a journal such as `log-3/snapshots` becomes `=`.

/** The key breaks the rules above: a mistake of the caller, or damage in what named it. */
export class InvalidObjectKeyError extends LogError {
  override readonly name = "InvalidObjectKeyError";
  override readonly kind = "invalid";
}

const SEGMENTS = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;

/** Fails with `InvalidObjectKeyError` unless `text` is a key: no empty, `.` or `..` segment, nothing too long. */
export function parseObjectKey(text: string): ObjectKey {
  if (text.length > OBJECT_KEY_BYTES_MAX)
    throw new InvalidObjectKeyError(`object key of ${text.length} bytes is too long`);
  if (!SEGMENTS.test(text))
    throw new InvalidObjectKeyError(`object key ${JSON.stringify(text)} has a forbidden character`);
  for (const segment of text.split("/")) {
    if (segment === "." || segment === "..") throw new InvalidObjectKeyError(`object key ${text} leaves its folder`);
    if (segment.length > OBJECT_KEY_SEGMENT_BYTES_MAX)
      throw new InvalidObjectKeyError(`object key ${text} has a long segment`);
  }
  return objectKey(text);
}

export const MARKER_KEY: ObjectKey = objectKey("marker.json");
export const WRITE_AHEAD_PREFIX = "wal/";
export const SNAPSHOT_PREFIX = "snapshots/";
export const COMMAND_PREFIX = "commands/";

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

export interface SnapshotKeyParts {
  readonly uploadEpoch: number;
  readonly journal: JournalId;
  readonly seq: JournalSeq;
  /** SHA-256 of the object in lower-case hexadecimal digits; the key takes the first 16. */
  readonly sha256: string;
}

export function snapshotKey(parts: SnapshotKeyParts): ObjectKey {
  const seq = String(parts.seq).padStart(16, "0");
  const folder = `${SNAPSHOT_PREFIX}${epochSegment(parts.uploadEpoch)}/${journalSegment(parts.journal)}`;
  return objectKey(`${folder}/${seq}-${parts.sha256.slice(0, 16)}`);
}

export function commandKey(parts: {
  readonly uploadEpoch: number;
  readonly journal: JournalId;
  readonly flushId: FlushId;
}): ObjectKey {
  const folder = `${COMMAND_PREFIX}${epochSegment(parts.uploadEpoch)}/${journalSegment(parts.journal)}`;
  return objectKey(`${folder}/${parts.flushId}`);
}

function epochSegment(uploadEpoch: number): string {
  return String(uploadEpoch).padStart(10, "0");
}

function journalSegment(journal: JournalId): string {
  return journal.replaceAll("/", "=");
}
