import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { DECOMPRESSED_BATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { decompress } from "./compression.ts";
import { codecOf } from "./compression-codec.ts";
import { CorruptRecordError } from "./errors.ts";
import type { RecordHeader, StoredRecord } from "./record.ts";
import { BATCH_HEADER_BYTES, type BatchHeader, MAGIC_V2, readBatchHeader, sumBatch } from "./record-batch.ts";

/**
 * The records of `batch`, which is exactly one batch, in order and one at a time; a compressed section is decompressed
 * as a whole with the first of them. Fails with `CorruptRecordError` on a wrong length, magic, CRC or codec, and where a
 * record is broken or their number is not the header's, after those before it have been handed out; with
 * `DecompressedTooLargeError` beyond `decompressedBytesMax`.
 */
export function readRecords(
  batch: Uint8Array,
  decompressedBytesMax: number = DECOMPRESSED_BATCH_BYTES_MAX,
): Generator<StoredRecord, void, undefined> {
  return eachRecord(batch, decompressedBytesMax, readRecord);
}

/** What brokers look at in the records of others: the value and the headers are passed over unread. */
export type ScannedRecord = Pick<StoredRecord, "offset" | "timestampMs" | "key">;

/**
 * `readRecords` without values and headers: what a hostile producer packs into them costs nothing. Two bytes make a header,
 * so a megabyte of batch may decompress to tens of millions of them.
 */
export function scanRecords(
  batch: Uint8Array,
  decompressedBytesMax: number = DECOMPRESSED_BATCH_BYTES_MAX,
): Generator<ScannedRecord, void, undefined> {
  return eachRecord(batch, decompressedBytesMax, scanRecord);
}

function* eachRecord<T>(
  batch: Uint8Array,
  decompressedBytesMax: number,
  read: (reader: ByteReader, header: BatchHeader) => T,
): Generator<T, void, undefined> {
  const header = readBatchHeader(batch);
  const section = openSection(batch, header, decompressedBytesMax);
  const reader = new ByteReader(section);
  const readNext = (each: ByteReader) => read(each, header);
  for (let index = 0; index < header.recordCount; index++) yield typed(readNext, reader);
  if (reader.remaining !== 0) {
    throw new CorruptRecordError(`${reader.remaining} bytes follow the ${header.recordCount} records of the batch`);
  }
}

/** The records section of `batch`, whose header is `header`, decompressed. Fails as `readRecords` does. */
export function openSection(batch: Uint8Array, header: BatchHeader, decompressedBytesMax: number): Uint8Array {
  const { sizeBytes, magic, recordCount } = header;
  if (sizeBytes !== batch.byteLength) {
    throw new CorruptRecordError(`batch claims ${sizeBytes} bytes and has ${batch.byteLength}`);
  }
  if (magic !== MAGIC_V2) throw new CorruptRecordError(`batch has magic ${magic}`);
  const sum = sumBatch(batch);
  if (sum !== header.crc) throw new CorruptRecordError(`CRC is ${header.crc}, the batch sums to ${sum}`);
  const codec = codecOf(header.codecId);
  if (codec === undefined) throw new CorruptRecordError(`unknown compression codec ${header.codecId}`);
  if (recordCount < 0) throw new CorruptRecordError(`record count is ${recordCount}`);
  return decompress(codec, batch.subarray(BATCH_HEADER_BYTES), decompressedBytesMax);
}

function readRecord(reader: ByteReader, batch: BatchHeader): StoredRecord {
  const { end, offset, timestampMs, key } = readHead(reader, batch);
  const value = readNullableBytes(reader);
  const headers = readHeaders(reader);
  if (reader.position !== end) throw new CorruptRecordError(`record ends ${reader.position - end} bytes off`);
  return { offset, timestampMs, key, value, headers };
}

function scanRecord(reader: ByteReader, batch: BatchHeader): ScannedRecord {
  const head = readHead(reader, batch);
  reader.bytes(head.end - reader.position);
  return head;
}

/** A record up to its key. */
export interface RecordHead extends ScannedRecord {
  /** Where in the section the record goes on after its timestamp, and where it ends. */
  readonly afterTimestamp: number;
  readonly end: number;
}

/** Reads a record from its beginning up to its key. Fails with `CorruptRecordError` or `DecodeError`. */
export function readHead(reader: ByteReader, batch: BatchHeader): RecordHead {
  const length = reader.varint();
  if (length < 0 || length > reader.remaining) throw new CorruptRecordError(`record claims ${length} bytes`);
  const end = reader.position + length;
  reader.int8();
  const timestampDelta = reader.varint();
  const afterTimestamp = reader.position;
  const offsetDelta = reader.varint();
  if (offsetDelta < 0 || offsetDelta > batch.lastOffsetDelta) {
    throw new CorruptRecordError(`offset delta ${offsetDelta} is not within 0 to ${batch.lastOffsetDelta}`);
  }
  const isAppendTime = batch.timestampType === "LogAppendTime";
  const timestampMs = isAppendTime ? batch.maxTimestamp : batch.baseTimestamp + timestampDelta;
  if (!Number.isSafeInteger(timestampMs)) throw new CorruptRecordError(`timestamp ${timestampMs} exceeds 2^53`);
  const key = readNullableBytes(reader);
  if (reader.position > end) throw new CorruptRecordError(`record ends ${reader.position - end} bytes off`);
  return { offset: batch.baseOffset + offsetDelta, timestampMs, key, afterTimestamp, end };
}

/** What `read` makes of the reader; a `DecodeError` becomes a `CorruptRecordError`. */
export function typed<T>(read: (reader: ByteReader) => T, reader: ByteReader): T {
  try {
    return read(reader);
  } catch (cause) {
    if (cause instanceof DecodeError) throw new CorruptRecordError(`record is broken: ${cause.message}`, { cause });
    throw cause;
  }
}

function readHeaders(reader: ByteReader): RecordHeader[] {
  const count = reader.varint();
  if (count < 0) throw new CorruptRecordError(`header count is ${count}`);
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index++) {
    const key = readNullableBytes(reader);
    if (key === null) throw new CorruptRecordError("header without a key");
    const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8");
    headers.push({ key: text, value: readNullableBytes(reader) });
  }
  return headers;
}

/** Kafka takes any negative length for null. */
function readNullableBytes(reader: ByteReader): Uint8Array | null {
  const length = reader.varint();
  return length < 0 ? null : reader.bytes(length);
}
