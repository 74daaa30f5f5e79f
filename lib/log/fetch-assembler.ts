import { crc32c } from "#lib/record/crc32c.ts";
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  PARTITION_LEADER_EPOCH_AT,
} from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { PATCH_COPY_BYTES_MAX } from "#lib/util/limits.ts";
import { ChunkReader } from "./entry-chunks.ts";
import { BatchCursor, type EntryRange } from "./entry-index.ts";
import { placeName } from "./log-state.ts";

// From stored bytes to fetched bytes. Batches are stored with base offset 0, and their bytes are shared with caches and
// with other fetches, so the true base offset goes into copies of the few bytes around it, which the CRC leaves out:
//
//   large batch     [ header, copied and patched: 61 bytes ][ view of the rest ]
//   small batches   [ batch | batch | batch ]                      one copy of the run, patched in place
//
// A copy of 1 KiB costs about as much as two views; the writev behind them moves the balance to 2 KiB.
// Batches carry leader epoch 0: there is one history, and elections never cut it.

/** Bytes are not what the state says of them. They are not served. */
export class CorruptEntryError extends LogError {
  override readonly name = "CorruptEntryError";
  override readonly kind = "corrupt";
}

/** A run is cut at this size, so that no single copy grows with what a fetch asks for. */
const RUN_BYTES_MAX = 256 * 1024;

/** `lengths` for bytes that never left this process, `sums` for what comes from a store: then each CRC is checked too. */
export type AssembleCheck = "lengths" | "sums";

/**
 * The batches of `range` with their offsets, as chunks. `chunks` are exactly the bytes of the range and stay as they
 * are. Fails with `CorruptEntryError`.
 */
export function assembleRange(
  range: EntryRange,
  chunks: readonly Uint8Array[],
  check: AssembleCheck,
): readonly Uint8Array[] {
  const source = new ChunkReader(chunks);
  if (source.remaining !== range.byteLength) {
    throw new CorruptEntryError(`${source.remaining} bytes where ${range.byteLength} belong, ${describe(range)}`);
  }
  const assembly: Assembly = { source, output: [], check };
  const cursor = new BatchCursor(range.entry, range);
  const end = range.position + range.byteLength;
  let hasBatch = cursor.next();
  while (hasBatch && cursor.position < end) {
    if (cursor.byteLength > PATCH_COPY_BYTES_MAX) {
      appendLarge(range, cursor, assembly);
      hasBatch = cursor.next();
    } else {
      hasBatch = appendRun(range, cursor, assembly);
    }
  }
  return assembly.output;
}

interface Assembly {
  readonly source: ChunkReader;
  readonly output: Uint8Array[];
  readonly check: AssembleCheck;
}

function appendLarge(range: EntryRange, cursor: BatchCursor, { source, output, check }: Assembly): void {
  const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  source.copy(header, 0, BATCH_HEADER_BYTES);
  patchBatch(header, 0, { range, batch: cursor });
  const first = output.push(header);
  source.views(output, cursor.byteLength - BATCH_HEADER_BYTES);
  if (check === "lengths") return;
  let sum = crc32c(header.subarray(ATTRIBUTES_AT));
  for (let index = first; index < output.length; index++) sum = crc32c(defined(output[index]), sum);
  checkSum(range, cursor, { sum, expected: header.readUInt32BE(CRC_AT) });
}

/** Copies small batches up to the next large one. Leaves the cursor there; false if there is none. */
function appendRun(range: EntryRange, cursor: BatchCursor, { source, output, check }: Assembly): boolean {
  const end = range.position + range.byteLength;
  const start = { baseOffset: cursor.baseOffset, packedAt: cursor.packedAt, position: cursor.position };
  let runBytes = 0;
  let hasBatch = true;
  while (hasBatch && cursor.position < end && cursor.byteLength <= PATCH_COPY_BYTES_MAX && runBytes < RUN_BYTES_MAX) {
    if (cursor.byteLength < BATCH_HEADER_BYTES) {
      throw new CorruptEntryError(`a batch of ${cursor.byteLength} bytes has no header, ${describe(range)}`);
    }
    runBytes += cursor.byteLength;
    hasBatch = cursor.next();
  }
  const run = Buffer.allocUnsafe(runBytes);
  source.copy(run, 0, runBytes);
  const batch = new BatchCursor(range.entry, start);
  for (let at = 0; at < runBytes && batch.next(); at += batch.byteLength) {
    patchBatch(run, at, { range, batch });
    if (check === "lengths") continue;
    const sum = crc32c(run.subarray(at + ATTRIBUTES_AT, at + batch.byteLength));
    checkSum(range, batch, { sum, expected: run.readUInt32BE(at + CRC_AT) });
  }
  output.push(run);
  return hasBatch;
}

/** Checks a copied header against the index and gives it its offset. */
function patchBatch(
  bytes: Buffer,
  at: number,
  { range, batch }: { readonly range: EntryRange; readonly batch: BatchCursor },
): void {
  const byteLength = bytes.readInt32BE(at + BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES;
  const offsetCount = bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT) + 1;
  const magic = bytes[at + MAGIC_AT];
  if (byteLength !== batch.byteLength || offsetCount !== batch.offsetCount || magic !== MAGIC_V2) {
    throw new CorruptEntryError(
      `the batch at ${batch.position} says magic ${magic}, ${byteLength} bytes, ${offsetCount} offsets; ` +
        `the index says ${batch.byteLength} bytes, ${batch.offsetCount} offsets, ${describe(range)}`,
    );
  }
  writeOffset(bytes, at, batch.baseOffset);
  bytes.writeInt32BE(0, at + PARTITION_LEADER_EPOCH_AT);
}

function checkSum(
  range: EntryRange,
  batch: BatchCursor,
  { sum, expected }: { readonly sum: number; readonly expected: number },
): void {
  if (sum === expected) return;
  throw new CorruptEntryError(`the batch at ${batch.position} sums to ${sum}, not to ${expected}, ${describe(range)}`);
}

function writeOffset(bytes: Buffer, at: number, offset: Offset): void {
  bytes.writeUInt32BE(Math.floor(offset / 0x1_0000_0000), at);
  bytes.writeUInt32BE(offset >>> 0, at + 4);
}

/** For messages: which bytes they speak of. */
export function describe(range: EntryRange): string {
  const where = placeName(range.entry.place);
  return `offset ${range.baseOffset}, ${where} bytes ${range.position} to ${range.position + range.byteLength}`;
}
