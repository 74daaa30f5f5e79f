import fc from "fast-check";
import { expect, test } from "vitest";
import { type BatchOptions, buildBatch } from "#lib/record/batch-builder.ts";
import { validateBatch } from "#lib/record/batch-validator.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { AssertionFailedError } from "#lib/util/assert.ts";
import { GOLDEN_VALUE, goldenBatch } from "./golden-batches.ts";

const rules = {
  produceVersion: 9,
  messageBytesMax: 100_000_000,
  timestampType: "CreateTime",
  nowMs: 0,
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: Number.POSITIVE_INFINITY,
} as const;

const bytesOrNull = fc.option(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  { nil: null },
);
const newRecord: fc.Arbitrary<NewRecord> = fc.record({
  timestampMs: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 45 })),
  key: bytesOrNull,
  value: bytesOrNull,
  headers: fc.array(fc.record({ key: fc.string({ unit: "grapheme" }), value: bytesOrNull }), { maxLength: 3 }),
});

test("what is built is valid and reads back, in every codec", () => {
  const batches = fc.tuple(
    fc.array(newRecord, { minLength: 1, maxLength: 80 }),
    fc.constantFrom(...COMPRESSION_CODECS),
  );
  fc.assert(
    fc.property(batches, ([records, codec]) => {
      const batch = buildBatch(records, { codec });
      expect(validateBatch(batch, rules).kind).toBe("valid");
      expect([...readRecords(batch)]).toEqual(records.map((record, index) => ({ ...record, offset: index })));
    }),
  );
});

test.each([63, 64, 8_191, 8_192, 1_048_575, 1_048_576])("keys, values and headers of %i bytes keep them", (length) => {
  const part = Buffer.alloc(length, 7);
  const headers = [{ key: part.toString(), value: part }];
  const batch = buildBatch([
    { timestampMs: 2 ** 45, key: null, value: null },
    { timestampMs: length, key: part, value: part, headers },
  ]);
  const record = [...readRecords(batch)][1];
  expect(record?.timestampMs).toBe(length);
  for (const read of [
    record?.key,
    record?.value,
    record?.headers[0]?.value,
    Buffer.from(record?.headers[0]?.key ?? ""),
  ]) {
    expect(Buffer.compare(read ?? Buffer.alloc(0), part)).toBe(0);
  }
});

test("the same records give the bytes that another implementation gave", () => {
  const value = Buffer.from(GOLDEN_VALUE);
  const records: NewRecord[] = [
    {
      timestampMs: 1_700_000_000_000,
      key: Buffer.from("key-0"),
      value,
      headers: [
        { key: "trace", value: Buffer.from([1, 2]) },
        { key: "none", value: null },
      ],
    },
    { timestampMs: 1_700_000_000_005, key: null, value },
    { timestampMs: 1_699_999_999_990, key: Buffer.from("key-2"), value: null },
  ];
  const batch = buildBatch(records, { partitionLeaderEpoch: 0 });
  expect(Buffer.from(batch).toString("hex")).toBe(Buffer.from(goldenBatch("none")).toString("hex"));
});

test("the options come out in the header", () => {
  const options: BatchOptions = {
    codec: "lz4",
    baseOffset: 2 ** 33,
    partitionLeaderEpoch: 5,
    logAppendTimeMs: 77,
    producer: { producerId: 2 ** 35, producerEpoch: 9, baseSequence: 1234 },
    isTransactional: true,
    isControl: true,
  };
  expect(readBatchHeader(buildBatch([{ timestampMs: 5, key: null, value: null }], options))).toMatchObject({
    baseOffset: 2 ** 33,
    partitionLeaderEpoch: 5,
    attributes: 0x3b,
    baseTimestamp: 5,
    maxTimestamp: 77,
    producerId: 2 ** 35,
    producerEpoch: 9,
    baseSequence: 1234,
    lastOffsetDelta: 0,
    recordCount: 1,
  });
});

test("without options a batch is what a plain producer sends", () => {
  expect(readBatchHeader(buildBatch([{ timestampMs: -1, key: null, value: null }]))).toMatchObject({
    baseOffset: 0,
    partitionLeaderEpoch: -1,
    attributes: 0,
    baseTimestamp: -1,
    maxTimestamp: -1,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
  });
});

test("a batch without records is the caller's mistake", () => {
  expect(() => buildBatch([])).toThrow(AssertionFailedError);
});
