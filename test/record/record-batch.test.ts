import fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptRecordError } from "#lib/record/errors.ts";
import {
  BATCH_HEADER_BYTES,
  lastOffsetOf,
  patchBaseOffset,
  patchLeaderEpoch,
  readBatchHeader,
  setLogAppendTime,
  splitBatches,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { GOLDEN_CODECS, goldenBatch } from "./golden-batches.ts";

test("the header of a batch from another implementation reads as it was written", () => {
  expect(readBatchHeader(goldenBatch("zstd"))).toEqual({
    baseOffset: 0,
    sizeBytes: goldenBatch("zstd").byteLength,
    partitionLeaderEpoch: 0,
    magic: 2,
    crc: 0xe42d882b,
    attributes: 0x14,
    codecId: 4,
    timestampType: "CreateTime",
    isTransactional: true,
    isControl: false,
    hasDeleteHorizon: false,
    lastOffsetDelta: 2,
    baseTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_000_005,
    producerId: 4711,
    producerEpoch: 3,
    baseSequence: 42,
    recordCount: 3,
  });
});

test("an idle producer id, epoch and sequence read as -1", () => {
  const header = readBatchHeader(goldenBatch("none"));
  expect([header.producerId, header.producerEpoch, header.baseSequence]).toEqual([-1, -1, -1]);
});

test.each(GOLDEN_CODECS)("the %s batch sums to the checksum in its header", (codec) => {
  expect(sumBatch(goldenBatch(codec))).toBe(readBatchHeader(goldenBatch(codec)).crc);
});

test("a header cut short is corrupt", () => {
  for (let length = 0; length < BATCH_HEADER_BYTES; length++) {
    expect(() => readBatchHeader(goldenBatch("none").subarray(0, length))).toThrow(CorruptRecordError);
  }
  expect(() => readBatchHeader(goldenBatch("none"), 250)).toThrow(CorruptRecordError);
});

test("base offset and leader epoch are patched anywhere in a buffer without touching the sum", () => {
  const lead = Buffer.from("lead");
  const bytes = Buffer.concat([lead, goldenBatch("gzip")]);
  const before = readBatchHeader(bytes, lead.byteLength);
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(), (offset, leaderEpoch) => {
      patchBaseOffset(bytes, lead.byteLength, offset);
      patchLeaderEpoch(bytes, lead.byteLength, leaderEpoch);
      expect(readBatchHeader(bytes, lead.byteLength)).toEqual({
        ...before,
        baseOffset: offset,
        partitionLeaderEpoch: leaderEpoch,
      });
    }),
  );
  expect(sumBatch(bytes.subarray(lead.byteLength))).toBe(before.crc);
});

test("the last offset follows the base offset", () => {
  const batch = goldenBatch("none");
  patchBaseOffset(batch, 0, 2 ** 40);
  expect(lastOffsetOf(readBatchHeader(batch))).toBe(2 ** 40 + 2);
});

test("a log append time replaces type, max timestamp and sum, nothing else", () => {
  const batch = goldenBatch("lz4");
  const before = readBatchHeader(batch);
  setLogAppendTime(batch, 1_800_000_000_123);
  const after = readBatchHeader(batch);
  expect(after).toEqual({
    ...before,
    attributes: before.attributes | 0x08,
    timestampType: "LogAppendTime",
    maxTimestamp: 1_800_000_000_123,
    crc: sumBatch(batch),
  });
  expect(after.crc).not.toBe(before.crc);
  expect(batch.subarray(BATCH_HEADER_BYTES)).toEqual(goldenBatch("lz4").subarray(BATCH_HEADER_BYTES));
});

test("a records field splits into its batches as views, and an incomplete last one is counted", () => {
  const batches = GOLDEN_CODECS.map(goldenBatch);
  const bytes = Buffer.concat(batches);
  expect(splitBatches(bytes)).toEqual({ batches: batches.map((batch) => Buffer.from(batch)), tailBytes: 0 });
  expect(splitBatches(bytes).batches[1]?.buffer).toBe(bytes.buffer);
  expect(splitBatches(bytes.subarray(0, bytes.byteLength - 1)).batches).toHaveLength(4);
  expect(splitBatches(Buffer.concat([bytes, Buffer.alloc(11)])).tailBytes).toBe(11);
  expect(splitBatches(new Uint8Array(0))).toEqual({ batches: [], tailBytes: 0 });
});

test("a length too small for a header ends the splitting", () => {
  const bytes = goldenBatch("none");
  for (const length of [-1, 0, 48, -(2 ** 31)]) {
    new DataView(bytes.buffer).setInt32(8, length);
    expect(() => splitBatches(bytes)).toThrow(CorruptRecordError);
  }
});
