import fc from "fast-check";
import { expect, test } from "vitest";
import { CorruptRecordError, DecompressedTooLargeError } from "#lib/record/errors.ts";
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CRC_AT,
  patchBaseOffset,
  RECORD_COUNT_AT,
  setLogAppendTime,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { LogError } from "#lib/util/errors.ts";
import { GOLDEN_CODECS, GOLDEN_VALUE, goldenBatch } from "./golden-batches.ts";

const bytes = (text: string) => Buffer.from(text);

function resum(batch: Uint8Array): Uint8Array {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  view.setInt32(BATCH_LENGTH_AT, batch.byteLength - 12);
  view.setUint32(CRC_AT, sumBatch(batch));
  return batch;
}

test.each(GOLDEN_CODECS)("the %s batch of another implementation gives its records", (codec) => {
  const batch = goldenBatch(codec);
  patchBaseOffset(batch, 0, 100);
  expect([...readRecords(batch)]).toEqual([
    {
      offset: 100,
      timestampMs: 1_700_000_000_000,
      key: bytes("key-0"),
      value: bytes(GOLDEN_VALUE),
      headers: [
        { key: "trace", value: Buffer.from([1, 2]) },
        { key: "none", value: null },
      ],
    },
    { offset: 101, timestampMs: 1_700_000_000_005, key: null, value: bytes(GOLDEN_VALUE), headers: [] },
    { offset: 102, timestampMs: 1_699_999_999_990, key: bytes("key-2"), value: null, headers: [] },
  ]);
});

test("records are read one at a time, so a damaged end does not hide the beginning", () => {
  const batch = goldenBatch("none");
  batch[batch.byteLength - 1] = 2; // the last record claims a header
  const reader = readRecords(resum(batch));
  expect(reader.next().value?.offset).toBe(0);
  expect(reader.next().value?.offset).toBe(1);
  expect(() => reader.next()).toThrow(CorruptRecordError);
});

test("with a log append time every record has it", () => {
  const batch = goldenBatch("zstd");
  setLogAppendTime(batch, 1_800_000_000_000);
  expect([...readRecords(batch)].map((record) => record.timestampMs)).toEqual(new Array(3).fill(1_800_000_000_000));
});

test("a record count that is not that of the records is corrupt", () => {
  for (const count of [2, 4, 2 ** 31 - 1, -1]) {
    const batch = goldenBatch("lz4");
    new DataView(batch.buffer).setInt32(RECORD_COUNT_AT, count);
    expect(() => [...readRecords(resum(batch))]).toThrow(CorruptRecordError);
  }
});

test("a wrong checksum, an unknown codec, an old format and a second batch are corrupt", () => {
  const flipped = goldenBatch("none");
  flipped[90] = 0;
  expect(() => [...readRecords(flipped)]).toThrow(/CRC/);
  const codec = goldenBatch("none");
  new DataView(codec.buffer).setInt16(ATTRIBUTES_AT, 5);
  expect(() => [...readRecords(resum(codec))]).toThrow(/codec 5/);
  const old = goldenBatch("none");
  old[16] = 1;
  expect(() => [...readRecords(old)]).toThrow(/magic 1/);
  expect(() => [...readRecords(Buffer.concat([goldenBatch("none"), goldenBatch("none")]))]).toThrow(CorruptRecordError);
});

test("the limit on decompressed bytes is the caller's to lower", () => {
  expect(() => [...readRecords(goldenBatch("gzip"), 100)]).toThrow(DecompressedTooLargeError);
});

/** Bytes that break one record; the batch around them is sound. */
function batchOfSection(section: readonly number[]): Uint8Array {
  const header = goldenBatch("none").subarray(0, BATCH_HEADER_BYTES);
  const batch = Uint8Array.from([...header, ...section]);
  new DataView(batch.buffer).setInt32(RECORD_COUNT_AT, 1);
  return resum(batch);
}

test.each([
  ["sound", [12, 0, 0, 0, 1, 1, 0], true],
  ["longer than its bytes", [14, 0, 0, 0, 1, 1, 0], false],
  ["shorter than its fields", [10, 0, 0, 0, 1, 1, 0], false],
  ["of negative length", [1, 0, 0, 0, 1, 1, 0], false],
  ["at a negative offset delta", [12, 0, 0, 1, 1, 1, 0], false],
  ["past the last offset", [12, 0, 0, 6, 1, 1, 0], false],
  ["with a key beyond the end", [12, 0, 0, 0, 60, 1, 0], false],
  ["with a negative header count", [12, 0, 0, 0, 1, 1, 1], false],
  ["with a header without key", [16, 0, 0, 0, 1, 1, 2, 1, 1], false],
  ["with a varint that never ends", [12, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], false],
])("a record %s is told", (_, section, isSound) => {
  const read = () => [...readRecords(batchOfSection(section))];
  if (isSound) expect(read()).toHaveLength(1);
  else expect(read).toThrow(CorruptRecordError);
});

test("cut and changed batches throw only typed errors, even with a right checksum", () => {
  const source = fc.constantFrom(...GOLDEN_CODECS).chain((codec) => {
    const { byteLength } = goldenBatch(codec);
    return fc.record({
      codec: fc.constant(codec),
      length: fc.oneof(fc.constant(byteLength), fc.nat(byteLength)),
      changes: fc.array(fc.tuple(fc.integer({ min: ATTRIBUTES_AT, max: byteLength - 1 }), fc.nat(255)), {
        maxLength: 5,
      }),
    });
  });
  fc.assert(
    fc.property(source, ({ codec, length, changes }) => {
      const batch = goldenBatch(codec);
      for (const [at, byte] of changes) batch[at] = byte;
      const cut = batch.slice(0, length);
      try {
        for (const record of readRecords(cut.byteLength < BATCH_HEADER_BYTES ? cut : resum(cut))) {
          expect(Number.isSafeInteger(record.timestampMs)).toBe(true);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(LogError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("an empty batch, as cleaning leaves behind, has no records", () => {
  const batch = goldenBatch("none").slice(0, BATCH_HEADER_BYTES);
  new DataView(batch.buffer).setInt32(RECORD_COUNT_AT, 0);
  expect([...readRecords(resum(batch))]).toEqual([]);
});
