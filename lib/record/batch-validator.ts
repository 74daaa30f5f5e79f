import type { TimestampMs } from "#lib/util/branded.ts";
import { codecOf } from "./compression-codec.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  type BatchHeader,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  readBatchHeader,
  sumBatch,
  type TimestampType,
} from "./record-batch.ts";

// What a Kafka broker checks on a produced batch (ProduceRequest.validateRecords, UnifiedLog, LogValidator), as far as
// the header tells. Kafka also walks the records of every batch, and decompresses a compressed one for it, to check that
// 1. offset deltas are 0, 1, 2 and their number is the header's, with no bytes left over;
// 2. each timestamp is within bounds and the header's maxTimestamp is their maximum, which it otherwise rewrites;
// 3. every record of a topic with `cleanup.policy=compact` has a key.
// We do none of it here: it is the larger part of a broker's work, a decompression bomb's way in, and the CRC already
// proves that the bytes are what the producer made. A producer that lies in 1 or 2 spoils the reading of its own batch
// (Kafka's consumers check again) or of a list-offsets by time; no other batch is touched. The door that knows a topic
// to be compacted walks its batches for 3 (keyless-records.ts).

export type BatchRefusal =
  /** Length below the minimum, magic that never existed, wrong CRC. CORRUPT_MESSAGE (2), which clients retry. */
  | "corrupt"
  /** Beyond `max.message.bytes`. MESSAGE_TOO_LARGE (10). */
  | "too-large"
  /** Breaks a rule of producing. INVALID_RECORD (87). */
  | "invalid-record"
  /** Unknown codec, or zstd before Produce v7. UNSUPPORTED_COMPRESSION_TYPE (76). */
  | "unsupported-compression"
  /**
   * Magic 0 or 1. INVALID_RECORD (87) from Produce v3 on, as in Kafka. Older versions may carry it; a converter to v2
   * has its place in `lib/record/legacy`, and until it exists they get UNSUPPORTED_FOR_MESSAGE_FORMAT (43).
   */
  | "unsupported-format"
  /** Out of `message.timestamp.before.max.ms` or `.after.max.ms`, or type LogAppendTime. INVALID_TIMESTAMP (32). */
  | "invalid-timestamp";

export type BatchVerdict =
  | { readonly kind: "valid"; readonly header: BatchHeader }
  | { readonly kind: "refused"; readonly reason: BatchRefusal; readonly message: string };

export interface BatchRules {
  /** Version of the Produce request. */
  readonly produceVersion: number;
  /** `max.message.bytes` of the topic; counts the whole batch. */
  readonly messageBytesMax: number;
  /** `message.timestamp.type` of the topic. */
  readonly timestampType: TimestampType;
  readonly nowMs: TimestampMs;
  /** `message.timestamp.before.max.ms`; Kafka's default, 2^63 - 1, may come rounded or as Infinity. */
  readonly timestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`. */
  readonly timestampAfterMaxMs: number;
}

const FIRST_PRODUCE_VERSION_WITH_ZSTD = 7;
/** Length, attributes, two deltas, key and value length, header count: one byte each in the smallest record. */
const RECORD_BYTES_MIN = 7;

/** Checks the `records` field of one partition in a Produce request; null counts as empty. Never throws. */
export function validateBatch(records: Uint8Array | null, rules: BatchRules): BatchVerdict {
  if (records === null) return refused("invalid-record", "produced records are null");
  const refusal = checkFrame(records, rules);
  if (refusal !== undefined) return refusal;
  // The sum comes before all that it covers: a flipped bit is corruption, whichever rule it happens to break.
  const header = readBatchHeader(records);
  const sum = sumBatch(records);
  if (sum !== header.crc) return refused("corrupt", `CRC is ${header.crc}, the batch sums to ${sum}`);
  const fault = checkCompression(header, rules) ?? checkOffsets(header) ?? checkProducer(header);
  return fault ?? checkTimestamps(header, rules) ?? { kind: "valid", header };
}

/** Outside the CRC: length, magic, one batch only, size. */
function checkFrame(records: Uint8Array, rules: BatchRules): BatchVerdict | undefined {
  const { byteLength } = records;
  if (byteLength <= MAGIC_AT) return refused("invalid-record", `${byteLength} bytes hold no record batch`);
  const view = new DataView(records.buffer, records.byteOffset, byteLength);
  // Old message sets have their magic at the same place, and may be shorter than a header of ours.
  const magic = view.getInt8(MAGIC_AT);
  if (magic === 0 || magic === 1) return refused("unsupported-format", `message format ${magic} is not supported`);
  if (magic !== MAGIC_V2) return refused("corrupt", `unknown magic ${magic}`);
  const sizeBytes = view.getInt32(BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES;
  if (sizeBytes < BATCH_HEADER_BYTES) return refused("corrupt", `batch claims ${sizeBytes} bytes`);
  // Kafka finds no batch at all in a cut one, hence not `corrupt`. A cut batch after a whole one it drops without a
  // word; we refuse that like a second batch, for somebody meant to send it.
  if (sizeBytes > byteLength) return refused("invalid-record", `batch of ${sizeBytes} bytes ends after ${byteLength}`);
  if (sizeBytes < byteLength) {
    return refused("invalid-record", `exactly one batch is allowed, ${byteLength - sizeBytes} bytes follow the first`);
  }
  if (sizeBytes > rules.messageBytesMax) {
    return refused("too-large", `batch of ${sizeBytes} bytes exceeds max.message.bytes=${rules.messageBytesMax}`);
  }
  return undefined;
}

function checkCompression(header: BatchHeader, rules: BatchRules): BatchVerdict | undefined {
  const codec = codecOf(header.codecId);
  if (codec === undefined) return refused("unsupported-compression", `unknown compression codec ${header.codecId}`);
  if (codec === "zstd" && rules.produceVersion < FIRST_PRODUCE_VERSION_WITH_ZSTD) {
    return refused("unsupported-compression", `Produce v${rules.produceVersion} does not allow zstd`);
  }
  return undefined;
}

function checkOffsets(header: BatchHeader): BatchVerdict | undefined {
  const { baseOffset, lastOffsetDelta, recordCount } = header;
  if (header.isControl) return refused("invalid-record", "clients may not write control records");
  if (baseOffset !== 0) return refused("invalid-record", `base offset is ${baseOffset}, producers write 0`);
  if (lastOffsetDelta < 0) return refused("invalid-record", `last offset delta is ${lastOffsetDelta}`);
  if (recordCount <= 0) return refused("invalid-record", `record count is ${recordCount}`);
  if (recordCount !== lastOffsetDelta + 1) {
    return refused("invalid-record", `${recordCount} records do not fill offsets 0 to ${lastOffsetDelta}`);
  }
  // Without this an uncompressed batch of a few bytes could claim two thousand million offsets.
  if (header.codecId === 0 && header.sizeBytes - BATCH_HEADER_BYTES < recordCount * RECORD_BYTES_MIN) {
    return refused("invalid-record", `${recordCount} records do not fit in ${header.sizeBytes} bytes`);
  }
  return undefined;
}

/** Clients without idempotence write what they like into epoch and sequence (kafkajs: 0), so only an id makes them count. */
function checkProducer(header: BatchHeader): BatchVerdict | undefined {
  const { producerId, producerEpoch, baseSequence } = header;
  if (producerId < -1 || !Number.isSafeInteger(producerId)) {
    return refused("invalid-record", `producer id is ${producerId}`);
  }
  if (producerId === -1) {
    return header.isTransactional ? refused("invalid-record", "transactional batch without a producer id") : undefined;
  }
  if (producerEpoch < 0) return refused("invalid-record", `epoch of producer ${producerId} is ${producerEpoch}`);
  if (baseSequence < 0) return refused("invalid-record", `base sequence of producer ${producerId} is ${baseSequence}`);
  return undefined;
}

function checkTimestamps(header: BatchHeader, rules: BatchRules): BatchVerdict | undefined {
  if (header.timestampType === "LogAppendTime") {
    return refused("invalid-timestamp", "producers may not set the timestamp type LogAppendTime");
  }
  return (
    checkTimestamp("base timestamp", header.baseTimestamp, rules) ??
    checkTimestamp("max timestamp", header.maxTimestamp, rules)
  );
}

function checkTimestamp(what: string, timestampMs: TimestampMs, rules: BatchRules): BatchVerdict | undefined {
  if (!Number.isSafeInteger(timestampMs)) return refused("invalid-timestamp", `${what} ${timestampMs} exceeds 2^53`);
  if (rules.timestampType === "LogAppendTime" || timestampMs === -1) return undefined;
  const ageMs = rules.nowMs - timestampMs;
  if (ageMs > rules.timestampBeforeMaxMs || -ageMs > rules.timestampAfterMaxMs) {
    const from = rules.nowMs - rules.timestampBeforeMaxMs;
    const to = rules.nowMs + rules.timestampAfterMaxMs;
    return refused("invalid-timestamp", `${what} ${timestampMs} is not within [${from}, ${to}]`);
  }
  return undefined;
}

function refused(reason: BatchRefusal, message: string): BatchVerdict {
  return { kind: "refused", reason, message };
}
