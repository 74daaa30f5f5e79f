import { assert } from "#lib/util/assert.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { crc32c } from "./crc32c.ts";
import { CorruptRecordError } from "./errors.ts";

// A record batch, magic 2 (Kafka's DefaultRecordBatch, KIP-98). Numbers are big-endian.
//
//    0  baseOffset            int64   producers write 0; patched on the way out
//    8  batchLength           int32   bytes after this field: the batch has 12 more
//   12  partitionLeaderEpoch  int32   patched on the way out
//   16  magic                 int8    2
//   17  crc                   uint32  CRC-32C of everything from byte 21 to the end
//   21  attributes            int16   see below
//   23  lastOffsetDelta       int32   last offset = baseOffset + lastOffsetDelta
//   27  baseTimestamp         int64   first record's; or the delete horizon, if attributes say so (KIP-534)
//   35  maxTimestamp          int64   largest of the records; or the log append time
//   43  producerId            int64   -1: not idempotent
//   51  producerEpoch         int16
//   53  baseSequence          int32
//   57  recordCount           int32
//   61  records                       drawn in record.ts; compressed as one section by attributes' codec
//
//   attributes   bit 15..7  6                 5          4                3              2..0
//                unused     hasDeleteHorizon  isControl  isTransactional  timestampType  codec
//
// baseOffset and partitionLeaderEpoch lie before the CRC's range, so they may be patched without summing again.

export const BASE_OFFSET_AT = 0;
export const BATCH_LENGTH_AT = 8;
export const PARTITION_LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORD_COUNT_AT = 57;
export const BATCH_HEADER_BYTES = 61;

/** baseOffset and batchLength themselves, which batchLength does not count. */
export const LOG_OVERHEAD_BYTES = 12;
export const MAGIC_V2 = 2;

export const CODEC_MASK = 0x07;
export const TIMESTAMP_TYPE_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;
export const DELETE_HORIZON_BIT = 0x40;

/** In the spelling of the topic config `message.timestamp.type`. */
export type TimestampType = "CreateTime" | "LogAppendTime";

/**
 * The header of one batch as a flat value. The 64-bit fields are exact within 2^53 and rounded beyond: reading never
 * fails because of a value, and `validateBatch` lets no such value in.
 */
export interface BatchHeader {
  readonly baseOffset: Offset;
  /** Of the whole batch, header included: `batchLength` + 12. */
  readonly sizeBytes: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  /** 0 to 4 are none, gzip, snappy, lz4, zstd (`codecOf` in compression.ts); 5 to 7 are unknown. */
  readonly codecId: number;
  readonly timestampType: TimestampType;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly hasDeleteHorizon: boolean;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: TimestampMs;
  readonly maxTimestamp: TimestampMs;
  /** -1 if the batch is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Reads the header at `at`. Fails with `CorruptRecordError` only if fewer than 61 bytes are left; checks no values. */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  if (at < 0 || bytes.byteLength - at < BATCH_HEADER_BYTES) {
    throw new CorruptRecordError(`a batch header needs ${BATCH_HEADER_BYTES} bytes at ${at} of ${bytes.byteLength}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BATCH_HEADER_BYTES);
  const attributes = view.getInt16(ATTRIBUTES_AT);
  return {
    baseOffset: int64(view, BASE_OFFSET_AT),
    sizeBytes: view.getInt32(BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES,
    partitionLeaderEpoch: view.getInt32(PARTITION_LEADER_EPOCH_AT),
    magic: view.getInt8(MAGIC_AT),
    crc: view.getUint32(CRC_AT),
    attributes,
    codecId: attributes & CODEC_MASK,
    timestampType: (attributes & TIMESTAMP_TYPE_BIT) === 0 ? "CreateTime" : "LogAppendTime",
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    isControl: (attributes & CONTROL_BIT) !== 0,
    hasDeleteHorizon: (attributes & DELETE_HORIZON_BIT) !== 0,
    lastOffsetDelta: view.getInt32(LAST_OFFSET_DELTA_AT),
    baseTimestamp: int64(view, BASE_TIMESTAMP_AT),
    maxTimestamp: int64(view, MAX_TIMESTAMP_AT),
    producerId: int64(view, PRODUCER_ID_AT),
    producerEpoch: view.getInt16(PRODUCER_EPOCH_AT),
    baseSequence: view.getInt32(BASE_SEQUENCE_AT),
    recordCount: view.getInt32(RECORD_COUNT_AT),
  };
}

/** Offset of the last record; offsets after cleaning may have holes, but never beyond this one. */
export function lastOffsetOf(header: BatchHeader): Offset {
  return header.baseOffset + header.lastOffsetDelta;
}

/** The checksum that the batch ought to carry. `batch` is exactly one batch. */
export function sumBatch(batch: Uint8Array): number {
  return crc32c(batch.subarray(ATTRIBUTES_AT));
}

export interface SplitBatches {
  /** Views into the given bytes, in order. */
  readonly batches: readonly Uint8Array[];
  /** Bytes of an incomplete last batch: normal at the end of a limited fetch, damage anywhere else. */
  readonly tailBytes: number;
}

/** Cuts bytes into batches by their lengths alone. Fails with `CorruptRecordError` on a length too small for a header. */
export function splitBatches(bytes: Uint8Array): SplitBatches {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const batches: Uint8Array[] = [];
  let at = 0;
  while (bytes.byteLength - at >= LOG_OVERHEAD_BYTES) {
    const sizeBytes = view.getInt32(at + BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES;
    if (sizeBytes < BATCH_HEADER_BYTES) throw new CorruptRecordError(`batch at byte ${at} claims ${sizeBytes} bytes`);
    if (sizeBytes > bytes.byteLength - at) break;
    batches.push(bytes.subarray(at, at + sizeBytes));
    at += sizeBytes;
  }
  return { batches, tailBytes: bytes.byteLength - at };
}

export function patchBaseOffset(bytes: Uint8Array, at: number, offset: Offset): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BATCH_HEADER_BYTES);
  setInt64(view, BASE_OFFSET_AT, offset);
}

export function patchLeaderEpoch(bytes: Uint8Array, at: number, leaderEpoch: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BATCH_HEADER_BYTES);
  view.setInt32(PARTITION_LEADER_EPOCH_AT, leaderEpoch);
}

/**
 * Turns the one batch in `batch` into LogAppendTime in place: type bit, max timestamp, and the sum anew. Base timestamp
 * and the records' deltas stay, as in Kafka: readers ignore them then.
 */
export function setLogAppendTime(batch: Uint8Array, timestampMs: TimestampMs): void {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  assert(view.getInt32(BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES === batch.byteLength, "not exactly one batch");
  view.setInt16(ATTRIBUTES_AT, view.getInt16(ATTRIBUTES_AT) | TIMESTAMP_TYPE_BIT);
  setInt64(view, MAX_TIMESTAMP_AT, timestampMs);
  view.setUint32(CRC_AT, sumBatch(batch));
}

function int64(view: DataView, at: number): number {
  return view.getInt32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

function setInt64(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value), "int64 is not a safe integer");
  // Both setters take their argument modulo 2^32, which is two's complement for negative values too.
  view.setInt32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value);
}
