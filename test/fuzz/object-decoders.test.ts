import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { decompress } from "#lib/record/compression.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import { buildEndTxnMarkerBatch, decodeControlRecord } from "#lib/record/control-record.ts";
import { crc32c } from "#lib/record/crc32c.ts";
import { CorruptRecordError, DecompressedTooLargeError } from "#lib/record/errors.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CRC_AT,
  LOG_OVERHEAD_BYTES,
  readBatchHeader,
  splitBatches,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { encodeStoreMarker, newStoreMarker, parseStoreMarker } from "#lib/storage/store-marker.ts";
import { verifyWriteAheadSegment } from "#lib/storage/verify-write-ahead-segment.ts";
import {
  parseWriteAheadFooter,
  parseWriteAheadHeader,
  sealWriteAheadSegment,
  WRITE_AHEAD_TRAILER_BYTES,
} from "#lib/storage/write-ahead-segment.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { MIB } from "#lib/util/limits.ts";
import { flushIdOf, topicIdOf } from "../log/log-fixtures.ts";
import { expectBounded } from "./hostile.ts";

const field = fc.option(fc.uint8Array({ maxLength: 60 }));
const record = fc.record({
  timestampMs: fc.integer({ min: 0, max: 2_000_000_000_000 }),
  key: field,
  value: field,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 10 }), value: field }), { maxLength: 3 }),
});
const batch = fc
  .tuple(fc.array(record, { minLength: 1, maxLength: 6 }), fc.constantFrom(...COMPRESSION_CODECS))
  .map(([records, codec]) => buildBatch(records, { codec }));

/** Length and CRC of a batch that fit what has become of it. */
function resummedBatch(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < BATCH_HEADER_BYTES) return bytes;
  const copy = Buffer.from(bytes);
  copy.writeInt32BE(copy.byteLength - LOG_OVERHEAD_BYTES, BATCH_LENGTH_AT);
  copy.writeUInt32BE(sumBatch(copy), CRC_AT);
  return copy;
}

const segment = fc
  .array(
    fc.record({
      topicId: fc.integer({ min: 1, max: 3 }).map(topicIdOf),
      partitionIndex: fc.nat(5),
      batches: fc.array(batch, { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(sealWriteAheadSegment({ flushId: flushIdOf(1), parts }).chunks)));

/** Footer, trailer and their sums as a sealer would write them behind whatever the footer says now. */
function resummedSegment(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength < WRITE_AHEAD_TRAILER_BYTES) return bytes;
  const copy = Buffer.from(bytes);
  const trailer = copy.subarray(copy.byteLength - WRITE_AHEAD_TRAILER_BYTES);
  const footerEnd = copy.byteLength - WRITE_AHEAD_TRAILER_BYTES;
  const position = Number(trailer.readBigInt64BE(0));
  const footerPosition = position >= 28 && position <= footerEnd ? position : Math.min(28, footerEnd);
  trailer.writeBigInt64BE(BigInt(footerPosition), 0);
  trailer.writeUInt32BE(footerEnd - footerPosition, 8);
  trailer.writeUInt32BE(crc32c(copy.subarray(footerPosition, footerEnd)), 12);
  trailer.writeUInt32BE(crc32c(trailer.subarray(0, 16)), 16);
  trailer.write("MRWE", 20);
  return copy;
}

describe("damaged bytes are refused with a typed error or decode, soon and in little memory:", () => {
  test("a record batch in any codec, with a right checksum too", () => {
    const errors = [CorruptRecordError, DecompressedTooLargeError];
    expectBounded((bytes) => [...readRecords(bytes)], { sound: batch, errors, repair: resummedBatch, runs: 1_500 });
  });

  test("the lengths and headers of a run of batches", () => {
    const sound = fc.array(batch, { maxLength: 4 }).map((batches) => Uint8Array.from(Buffer.concat(batches)));
    const errors = [CorruptRecordError];
    expectBounded((bytes) => splitBatches(bytes).batches.map((each) => readBatchHeader(each)), { sound, errors });
  });

  test("a control record", () => {
    const marker = { producerId: 7, producerEpoch: 1, coordinatorEpoch: 3, timestampMs: 5 };
    const [control] = [...readRecords(buildEndTxnMarkerBatch({ kind: "commit", ...marker }))];
    const errors = [CorruptRecordError];
    const key = control?.key ?? new Uint8Array();
    const value = control?.value ?? new Uint8Array();
    expectBounded((bytes) => decodeControlRecord({ key: bytes, value }), { sound: fc.constant(key), errors });
    expectBounded((bytes) => decodeControlRecord({ key, value: bytes }), { sound: fc.constant(value), errors });
  });

  test("the header and footer of a write-ahead segment, with right checksums too", () => {
    const errors = [DecodeError];
    expectBounded(parseWriteAheadFooter, { sound: segment, errors, repair: resummedSegment, runs: 300 });
    expectBounded(parseWriteAheadHeader, { sound: segment, errors, runs: 300 });
  });

  test("a whole write-ahead segment under verification, which never throws", () => {
    const isSound = (bytes: Uint8Array) => verifyWriteAheadSegment(bytes).length === 0;
    fc.assert(fc.property(segment, isSound), { numRuns: 20 });
    const refuse = (bytes: Uint8Array) => {
      if (!isSound(bytes)) throw new DecodeError("findings");
    };
    expectBounded(refuse, { sound: segment, errors: [DecodeError], repair: resummedSegment, runs: 300 });
  });

  test("a store's marker", () => {
    const sound = fc.nat(9).map((id) => encodeStoreMarker(newStoreMarker(id, new Uint8Array(16).fill(id))));
    expectBounded(parseStoreMarker, { sound, errors: [DecodeError] });
  });
});

describe("bytes that promise much", () => {
  const NOISE = new Uint8Array(64).fill(0xff);

  test.each(COMPRESSION_CODECS)("%s does not grow beyond the reader's limit", (codec) => {
    const bomb = buildBatch([{ timestampMs: 0, key: null, value: new Uint8Array(8 * MIB) }], { codec });
    const section = bomb.subarray(BATCH_HEADER_BYTES);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decompress(codec, section, MIB)).toThrow(DecompressedTooLargeError);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(6 * MIB);
  });

  test("two billion records in a batch of a few bytes are told at the first that is not there", () => {
    const one = Buffer.from(buildBatch([{ timestampMs: 0, key: null, value: NOISE }]));
    one.writeInt32BE(0x7fff_ffff, 57);
    const read: unknown[] = [];
    expect(() => {
      for (const each of readRecords(resummedBatch(one))) read.push(each);
    }).toThrow(CorruptRecordError);
    expect(read).toHaveLength(1);
  });
});
