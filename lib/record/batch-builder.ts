import { assert } from "#lib/util/assert.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { compress } from "./compression.ts";
import { type CompressionCodec, codecId } from "./compression-codec.ts";
import type { NewRecord, RecordHeader } from "./record.ts";
import {
  BATCH_HEADER_BYTES,
  CONTROL_BIT,
  CRC_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_V2,
  sumBatch,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from "./record-batch.ts";

export interface BatchProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1 for control batches. */
  readonly baseSequence: number;
}

export interface BatchOptions {
  /** Default none. */
  readonly codec?: CompressionCodec;
  /** Default 0, as producers must write it. */
  readonly baseOffset?: Offset;
  /** Default -1, as producers write it. */
  readonly partitionLeaderEpoch?: number;
  /** If given the batch's type is LogAppendTime and this its time; otherwise CreateTime. */
  readonly logAppendTimeMs?: TimestampMs;
  /** Default: not idempotent. */
  readonly producer?: BatchProducer;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

const NO_PRODUCER: BatchProducer = { producerId: -1, producerEpoch: -1, baseSequence: -1 };

/** One batch of at least one record, with offset deltas 0, 1, 2 and so on. */
export function buildBatch(records: readonly NewRecord[], options: BatchOptions = {}): Uint8Array {
  const [first] = records;
  assert(first !== undefined, "a batch has at least one record");
  const section = compress(options.codec ?? "none", encodeRecords(records, first.timestampMs));
  const header = encodeHeader(records, section.byteLength, options);
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + section.byteLength);
  batch.set(header);
  batch.set(section, BATCH_HEADER_BYTES);
  batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  return batch;
}

function encodeHeader(records: readonly NewRecord[], sectionBytes: number, options: BatchOptions): Uint8Array {
  const { baseOffset = 0, partitionLeaderEpoch = -1, logAppendTimeMs, producer = NO_PRODUCER } = options;
  const maxTimestamp = logAppendTimeMs ?? records.reduce((max, record) => Math.max(max, record.timestampMs), -1);
  return new ByteWriter(BATCH_HEADER_BYTES)
    .int64(baseOffset)
    .int32(BATCH_HEADER_BYTES + sectionBytes - LOG_OVERHEAD_BYTES)
    .int32(partitionLeaderEpoch)
    .int8(MAGIC_V2)
    .uint32(0) // The CRC needs the whole batch.
    .int16(attributesOf(options))
    .int32(records.length - 1)
    .int64(records[0]?.timestampMs ?? -1)
    .int64(maxTimestamp)
    .int64(producer.producerId)
    .int16(producer.producerEpoch)
    .int32(producer.baseSequence)
    .int32(records.length)
    .view();
}

function attributesOf(options: BatchOptions): number {
  return (
    codecId(options.codec ?? "none") |
    (options.logAppendTimeMs === undefined ? 0 : TIMESTAMP_TYPE_BIT) |
    (options.isTransactional === true ? TRANSACTIONAL_BIT : 0) |
    (options.isControl === true ? CONTROL_BIT : 0)
  );
}

function encodeRecords(records: readonly NewRecord[], baseTimestamp: TimestampMs): Uint8Array {
  const writer = new ByteWriter(1024);
  for (const [offsetDelta, record] of records.entries()) {
    const timestampDelta = record.timestampMs - baseTimestamp;
    const headers = (record.headers ?? []).map(encodeHeaderKey);
    writer
      .varint(recordBytes(record, headers, timestampDelta, offsetDelta))
      .int8(0)
      .varint(timestampDelta)
      .varint(offsetDelta);
    writeNullable(writer, record.key);
    writeNullable(writer, record.value);
    writer.varint(headers.length);
    for (const header of headers) {
      writeNullable(writer, header.key);
      writeNullable(writer, header.value);
    }
  }
  return writer.view();
}

interface EncodedHeader {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

function encodeHeaderKey(header: RecordHeader): EncodedHeader {
  return { key: Buffer.from(header.key, "utf8"), value: header.value };
}

/** What a record's length field says. Counting first saves a buffer and a copy for each record. */
function recordBytes(
  record: NewRecord,
  headers: readonly EncodedHeader[],
  timestampDelta: number,
  offsetDelta: number,
): number {
  const fixed = 1 + varintBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headers.length);
  const fields = nullableBytes(record.key) + nullableBytes(record.value);
  return headers.reduce((sum, { key, value }) => sum + nullableBytes(key) + nullableBytes(value), fixed + fields);
}

function writeNullable(writer: ByteWriter, bytes: Uint8Array | null): void {
  if (bytes === null) writer.varint(-1);
  else writer.varint(bytes.byteLength).bytes(bytes);
}

function nullableBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintBytes(bytes.byteLength) + bytes.byteLength;
}

/** The length of a zigzag varint. */
export function varintBytes(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let count = 1;
  for (; rest >= 0x80; count++) rest = Math.floor(rest / 0x80);
  return count;
}
