import { expect, test } from "vitest";
import { buildEndTxnMarkerBatch, decodeControlRecord } from "#lib/record/control-record.ts";
import { CorruptRecordError } from "#lib/record/errors.ts";
import { patchBaseOffset, patchLeaderEpoch, readBatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";

const hex = (text: string) => Buffer.from(text, "hex");

test.each([
  ["commit", "00000001"],
  ["abort", "00000000"],
] as const)("a %s marker is a transactional control batch of one record", (kind, key) => {
  const batch = buildEndTxnMarkerBatch({ kind, producerId: 7, producerEpoch: 2, coordinatorEpoch: 3, timestampMs: 99 });
  expect(readBatchHeader(batch)).toMatchObject({
    isControl: true,
    isTransactional: true,
    producerId: 7,
    producerEpoch: 2,
    baseSequence: -1,
    recordCount: 1,
    maxTimestamp: 99,
  });
  const [record] = [...readRecords(batch)];
  expect(record).toMatchObject({ key: hex(key), value: hex("000000000003") });
  expect(record === undefined ? undefined : decodeControlRecord(record)).toEqual({ kind, coordinatorEpoch: 3 });
});

test("an abort marker has the bytes that Kafka gives it", () => {
  // MemoryRecords.withEndTransactionMarker of kafka-clients 3.9.2.
  const golden =
    "000000000000000c0000004200000007028f7af31d0030000000000000018bcfe568000000018bcfe5680000000000000012670003" +
    "ffffffff000000012000000008000000000c00000000000500";
  const batch = buildEndTxnMarkerBatch({
    kind: "abort",
    producerId: 4711,
    producerEpoch: 3,
    coordinatorEpoch: 5,
    timestampMs: 1_700_000_000_000,
  });
  patchBaseOffset(batch, 0, 12);
  patchLeaderEpoch(batch, 0, 7);
  expect(Buffer.from(batch).toString("hex")).toBe(golden);
});

test("types of Kafka's metadata log are told apart by number, and later versions are read as this one", () => {
  expect(decodeControlRecord({ key: hex("00000002"), value: null })).toEqual({ kind: "other", type: 2 });
  expect(decodeControlRecord({ key: hex("00010001ff"), value: hex("000100000003ff") })).toEqual({
    kind: "commit",
    coordinatorEpoch: 3,
  });
});

test.each([
  ["no key", null, "000000000003"],
  ["a cut key", "000000", "000000000003"],
  ["a negative version", "ffff0001", "000000000003"],
  ["no value", "00000001", null],
  ["a cut value", "00000001", "0000000000"],
])("a control record with %s is corrupt", (_, key, value) => {
  const record = { key: key === null ? null : hex(key), value: value === null ? null : hex(value) };
  expect(() => decodeControlRecord(record)).toThrow(CorruptRecordError);
});
