import { assert } from "#lib/util/assert.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { DECOMPRESSED_BATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { varintBytes } from "./batch-builder.ts";
import { compress } from "./compression.ts";
import { codecOf } from "./compression-codec.ts";
import { CorruptRecordError } from "./errors.ts";
import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  type BatchHeader,
  CRC_AT,
  DELETE_HORIZON_BIT,
  LAST_OFFSET_DELTA_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  MAX_TIMESTAMP_AT,
  patchBaseOffset,
  RECORD_COUNT_AT,
  readBatchHeader,
  sumBatch,
} from "./record-batch.ts";
import { openSection, readHead, typed } from "./record-reader.ts";

// Takes records out of a batch as Kafka's log cleaner does (MemoryRecords.filterTo, KIP-534): offsets, timestamps, headers,
// codec and everything in the header stay, but for the record count, the maximum timestamp and what sums them up.

/** What decides about a record. The key is a view that is valid during the call. */
export interface FilteredRecord {
  readonly offset: Offset;
  readonly key: Uint8Array | null;
  /** False: a tombstone. */
  readonly hasValue: boolean;
}

export interface BatchFilter {
  readonly keeps: (record: FilteredRecord) => boolean;
  /** What a batch gets in which a tombstone stays, unless it has one: from then on its tombstones may go. */
  readonly deleteHorizonMs: TimestampMs;
}

export type FilteredBatch =
  /** Nothing goes and no horizon comes: the batch stays byte for byte. */
  | { readonly kind: "whole" }
  | { readonly kind: "rebuilt"; readonly batch: Uint8Array }
  /** No record is left, or there was none. */
  | { readonly kind: "empty" };

/** A record in the records section: where it begins, where what follows its timestamp begins, and where it ends. */
interface RecordSpan {
  readonly start: number;
  readonly rest: number;
  readonly end: number;
  readonly timestampMs: TimestampMs;
}

/** `batch` is exactly one batch. Fails as `readRecords` does. */
export function filterBatch(batch: Uint8Array, filter: BatchFilter): FilteredBatch {
  const header = readBatchHeader(batch);
  const section = openSection(batch, header, DECOMPRESSED_BATCH_BYTES_MAX);
  const spans: RecordSpan[] = [];
  let hasTombstone = false;
  eachSpan(section, header, (record, span) => {
    if (!filter.keeps(record)) return;
    spans.push(span);
    hasTombstone ||= !record.hasValue;
  });
  if (spans.length === 0) return { kind: "empty" };
  const deleteHorizonMs = hasTombstone && !header.hasDeleteHorizon ? filter.deleteHorizonMs : undefined;
  if (spans.length === header.recordCount && deleteHorizonMs === undefined) return { kind: "whole" };
  return { kind: "rebuilt", batch: rebuild(batch, { header, section, spans, deleteHorizonMs }) };
}

/** The batch with all its records, and with a delete horizon, which it has not yet. Fails as `readRecords` does. */
export function withDeleteHorizon(batch: Uint8Array, deleteHorizonMs: TimestampMs): Uint8Array {
  const header = readBatchHeader(batch);
  assert(!header.hasDeleteHorizon, "the batch has a delete horizon");
  const section = openSection(batch, header, DECOMPRESSED_BATCH_BYTES_MAX);
  const spans: RecordSpan[] = [];
  eachSpan(section, header, (_, span) => spans.push(span));
  return rebuild(batch, { header, section, spans, deleteHorizonMs });
}

/** From when on tombstones and markers of the batch may go; undefined: nobody has begun to count. */
export function deleteHorizonOf(header: BatchHeader): TimestampMs | undefined {
  return header.hasDeleteHorizon ? header.baseTimestamp : undefined;
}

/**
 * A batch without records that takes the offsets of the batch with `header`. It names no producer and no transaction, so
 * that nothing has to wait for it: unlike Kafka's we need no batch to remember a producer by.
 */
export function emptyBatch(header: BatchHeader): Uint8Array {
  const batch = Buffer.alloc(BATCH_HEADER_BYTES);
  batch.writeInt32BE(BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT);
  batch.writeInt8(MAGIC_V2, MAGIC_AT);
  batch.writeInt32BE(header.lastOffsetDelta, LAST_OFFSET_DELTA_AT);
  // Base and maximum timestamp, producer id, epoch and base sequence, one after another: all -1.
  batch.fill(0xff, BASE_TIMESTAMP_AT, BASE_SEQUENCE_AT + 4);
  patchBaseOffset(batch, 0, header.baseOffset);
  batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  return batch;
}

function eachSpan(
  section: Uint8Array,
  header: BatchHeader,
  visit: (record: FilteredRecord, span: RecordSpan) => void,
): void {
  const reader = new ByteReader(section);
  for (let index = 0; index < header.recordCount; index++) {
    const start = reader.position;
    const { record, span } = typed((each) => readSpan(each, header, start), reader);
    visit(record, span);
  }
  if (reader.remaining === 0) return;
  throw new CorruptRecordError(`${reader.remaining} bytes follow the ${header.recordCount} records of the batch`);
}

function readSpan(
  reader: ByteReader,
  header: BatchHeader,
  start: number,
): { record: FilteredRecord; span: RecordSpan } {
  const { offset, timestampMs, key, end, afterTimestamp } = readHead(reader, header);
  // Kafka takes any negative length for null.
  const valueLength = reader.varint();
  if (valueLength > end - reader.position) throw new CorruptRecordError(`a value of ${valueLength} bytes is cut short`);
  reader.bytes(end - reader.position);
  const record = { offset, key, hasValue: valueLength >= 0 };
  return { record, span: { start, rest: afterTimestamp, end, timestampMs } };
}

interface Rebuilding {
  readonly header: BatchHeader;
  readonly section: Uint8Array;
  /** Not empty. */
  readonly spans: readonly RecordSpan[];
  readonly deleteHorizonMs: TimestampMs | undefined;
}

function rebuild(batch: Uint8Array, { header, section, spans, deleteHorizonMs }: Rebuilding): Uint8Array {
  const codec = codecOf(header.codecId);
  assert(codec !== undefined, "the section could be opened");
  const writer = new ByteWriter(section.byteLength + 64);
  let maxTimestamp = -1;
  for (const span of spans) {
    maxTimestamp = Math.max(maxTimestamp, span.timestampMs);
    if (deleteHorizonMs === undefined) writer.bytes(section.subarray(span.start, span.end));
    else writeMoved(writer, section, span, deleteHorizonMs);
  }
  const records = compress(codec, writer.view());
  const rebuilt = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.byteLength);
  rebuilt.set(batch.subarray(0, BATCH_HEADER_BYTES));
  rebuilt.set(records, BATCH_HEADER_BYTES);
  rebuilt.writeInt32BE(rebuilt.byteLength - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT);
  rebuilt.writeInt32BE(spans.length, RECORD_COUNT_AT);
  if (header.timestampType === "CreateTime") rebuilt.writeBigInt64BE(BigInt(maxTimestamp), MAX_TIMESTAMP_AT);
  if (deleteHorizonMs !== undefined) {
    rebuilt.writeInt16BE(header.attributes | DELETE_HORIZON_BIT, ATTRIBUTES_AT);
    rebuilt.writeBigInt64BE(BigInt(deleteHorizonMs), BASE_TIMESTAMP_AT);
  }
  rebuilt.writeUInt32BE(sumBatch(rebuilt), CRC_AT);
  return rebuilt;
}

/** The record with its timestamp relative to another base. Its attributes are unused, in Kafka too. */
function writeMoved(writer: ByteWriter, section: Uint8Array, span: RecordSpan, baseTimestamp: TimestampMs): void {
  const timestampDelta = span.timestampMs - baseTimestamp;
  const rest = section.subarray(span.rest, span.end);
  writer
    .varint(1 + varintBytes(timestampDelta) + rest.byteLength)
    .int8(0)
    .varint(timestampDelta)
    .bytes(rest);
}
