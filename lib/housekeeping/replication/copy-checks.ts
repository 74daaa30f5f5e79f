import { hasHash } from "#lib/journal/journal-objects.ts";
import { crc32cOfChunks } from "#lib/record/crc32c.ts";
import { ATTRIBUTES_AT, lastOffsetOf, MAGIC_V2 } from "#lib/record/record-batch.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { parseSegmentKey, parseWriteAheadKey, type SegmentKeyParts } from "#lib/storage/object-keys.ts";
import { CorruptObjectError, ObjectNotFoundError, type ObjectStore } from "#lib/storage/object-store.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import { OffsetIndex } from "#lib/storage/segments/offset-index.ts";
import { TimeIndex } from "#lib/storage/segments/time-index.ts";
import { decodeTransactionIndex } from "#lib/storage/segments/transaction-index.ts";
import { verifyWriteAheadSegment } from "#lib/storage/verify-write-ahead-segment.ts";
import { unreachable } from "#lib/util/assert.ts";
import { LogError } from "#lib/util/errors.ts";
import type { OwedCopy } from "./owed-copies.ts";

/** Batches that are looked at in one turn of the event loop. */
const BATCHES_PER_TURN = 2_000;

export type WholeObject = Pick<OwedCopy, "key" | "byteLength">;

/** Whether a store has an object up to its last byte, by one small read. Fails with `StoreUnavailableError`. */
export async function copyAt(
  store: ObjectStore,
  { key, byteLength }: WholeObject,
  signal: AbortSignal,
): Promise<"there" | "missing" | "damaged"> {
  try {
    if (byteLength === 0) return (await store.get(key, signal)).byteLength === 0 ? "there" : "damaged";
    await store.getRange(key, { position: byteLength - 1, byteLength: 1 }, signal);
    return "there";
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return "missing";
    if (error instanceof CorruptObjectError) return "damaged";
    throw error;
  }
}

/** What is wrong with the bytes of a copy; undefined if they are those that were written, as far as bytes can show. */
export async function problemOf(
  bytes: Uint8Array,
  { key, byteLength, reference }: Pick<OwedCopy, "key" | "byteLength" | "reference">,
  clock: Clock,
): Promise<string | undefined> {
  if (bytes.byteLength !== byteLength) return `it has ${bytes.byteLength} bytes, its record says ${byteLength}`;
  if (reference !== undefined) return hasHash(bytes, reference) ? undefined : "its bytes have another hash";
  const segment = parseSegmentKey(key);
  if (segment !== undefined) return await problemOfSegmentFile(bytes, segment, clock);
  const flushId = parseWriteAheadKey(key)?.flushId;
  return flushId === undefined ? undefined : verifyWriteAheadSegment(bytes, flushId)[0]?.problem;
}

async function problemOfSegmentFile(
  bytes: Uint8Array,
  { suffix, baseOffset }: SegmentKeyParts,
  clock: Clock,
): Promise<string | undefined> {
  if (suffix === "log") return problemOfLog(bytes, baseOffset, clock);
  if (bytes.byteLength === 0) return undefined;
  try {
    switch (suffix) {
      case "index":
        new OffsetIndex(bytes, baseOffset).checkEnds(undefined);
        return undefined;
      case "timeindex":
        new TimeIndex(bytes, baseOffset).checkEnds(undefined);
        return undefined;
      case "txnindex":
        decodeTransactionIndex(bytes, baseOffset);
        return undefined;
      default:
        return unreachable(suffix);
    }
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return error.message;
  }
}

/** The checksums of all batches, some at a time: the largest logs have a million. */
async function problemOfLog(bytes: Uint8Array, baseOffset: number, clock: Clock): Promise<string | undefined> {
  const walk = new BatchWalk([bytes]);
  let nextOffset = baseOffset;
  for (let count = 1; walk.next(); count++) {
    const { header, position } = walk;
    if (header.magic !== MAGIC_V2) return `byte ${position}: batch with magic ${header.magic}`;
    if (header.baseOffset < nextOffset) return `byte ${position}: batch begins at offset ${header.baseOffset}`;
    if (crc32cOfChunks(walk.views(ATTRIBUTES_AT)) !== header.crc) return `byte ${position}: batch with a wrong CRC`;
    nextOffset = lastOffsetOf(header) + 1;
    if (count % BATCHES_PER_TURN === 0) await clock.endOfTurn();
  }
  return walk.remaining === 0 ? undefined : `byte ${walk.position}: no whole batch`;
}
