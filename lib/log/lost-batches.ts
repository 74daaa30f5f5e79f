import {
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { keptBatchSizes } from "./batch-sizes.ts";
import { BatchCursor, type EntryRange } from "./entry-index.ts";
import type { LogSegment, WriteAheadEntry } from "./log-state.ts";

// What readers get in place of bytes whose every copy is lost: an empty batch that takes the same offsets, as Kafka's
// cleaner leaves them (DefaultRecordBatch.writeEmptyHeader). Clients step over it to the next offset.
//
//   attributes 0, base timestamp -1, max timestamp the entry's, producer -1 / -1 / -1, record count 0, no records
//
// One batch for as many offsets as it can take, and not one for each that is lost: clients that step over empty batches
// only when a record stands behind them in the same answer (kafkajs) would not get past a long stretch of them.

const OFFSETS_PER_BATCH_MAX = 0x7fff_ffff;

type LostRun = Pick<WriteAheadEntry, "baseOffset" | "nextOffset" | "maxTimestampMs" | "appendedAtMs">;

/** Puts nothing in the place of the entry at `index`; it becomes one with its neighbours if they are lost too. */
export function loseEntry(entries: WriteAheadEntry[], index: number): void {
  const isLost = (entry: WriteAheadEntry | undefined) => entry?.place.kind === "lost";
  const first = isLost(entries[index - 1]) ? index - 1 : index;
  const last = isLost(entries[index + 1]) ? index + 1 : index;
  const run = entries.slice(first, last + 1);
  entries.splice(first, run.length, lostEntry(run));
}

/** Nothing in the place of a segment: what it was made of is gone for good. */
export function lostSegment(segment: LogSegment): LogSegment {
  const batchCount = Math.ceil((segment.nextOffset - segment.baseOffset) / OFFSETS_PER_BATCH_MAX);
  const noFiles = { directory: "", indexByteLength: 0, timeIndexByteLength: 0, txnIndexByteLength: 0, copies: [] };
  return { ...segment, ...noFiles, byteLength: batchCount * BATCH_HEADER_BYTES };
}

/** The empty batches of a lost segment, as an entry: those of a lost entry look the same. */
export function entryOfLost(segment: LogSegment): WriteAheadEntry {
  return lostEntry([segment]);
}

/** One entry with the offsets of `run`, which follow one another. */
function lostEntry(run: readonly LostRun[]): WriteAheadEntry {
  const baseOffset = defined(run[0]).baseOffset;
  const nextOffset = defined(run.at(-1)).nextOffset;
  const sizes: { readonly byteLength: number; readonly offsetCount: number }[] = [];
  for (let left = nextOffset - baseOffset; left > 0; left -= OFFSETS_PER_BATCH_MAX) {
    sizes.push({ byteLength: BATCH_HEADER_BYTES, offsetCount: Math.min(left, OFFSETS_PER_BATCH_MAX) });
  }
  return {
    baseOffset,
    nextOffset,
    place: { kind: "lost" },
    position: 0,
    byteLength: sizes.length * BATCH_HEADER_BYTES,
    maxTimestampMs: Math.max(...run.map((entry) => entry.maxTimestampMs)),
    appendedAtMs: Math.max(...run.map((entry) => entry.appendedAtMs)),
    batches: keptBatchSizes(sizes),
  };
}

/** The bytes of `range`, which is of a lost entry; base offsets are 0, as in what was stored. */
export function lostBatches(range: EntryRange): Uint8Array {
  const bytes = Buffer.alloc(range.byteLength);
  const cursor = new BatchCursor(range.entry, range);
  for (let at = 0; at < bytes.byteLength && cursor.next(); at += BATCH_HEADER_BYTES) {
    const batch = bytes.subarray(at, at + BATCH_HEADER_BYTES);
    batch.writeInt32BE(BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT);
    batch.writeInt8(MAGIC_V2, MAGIC_AT);
    batch.writeInt32BE(cursor.offsetCount - 1, LAST_OFFSET_DELTA_AT);
    batch.writeBigInt64BE(-1n, BASE_TIMESTAMP_AT);
    batch.writeBigInt64BE(BigInt(range.entry.maxTimestampMs), MAX_TIMESTAMP_AT);
    // Producer id, epoch and base sequence, one after another: all -1.
    batch.fill(0xff, MAX_TIMESTAMP_AT + 8, BASE_SEQUENCE_AT + 4);
    batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  }
  return bytes;
}
