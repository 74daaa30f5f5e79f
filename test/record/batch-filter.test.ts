import { Reader, readRecordsBatch } from "@platformatic/kafka";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type BatchOptions, buildBatch } from "#lib/record/batch-builder.ts";
import {
  deleteHorizonOf,
  emptyBatch,
  type FilteredBatch,
  filterBatch,
  withDeleteHorizon,
} from "#lib/record/batch-filter.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import { buildEndTxnMarkerBatch } from "#lib/record/control-record.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { readBatchHeader, setLogAppendTime, sumBatch } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { GOLDEN_CODECS, goldenBatch } from "./golden-batches.ts";

const NOON = 1_700_000_000_000;
const HORIZON = NOON + 86_400_000;

const record = (index: number, value: string | null = `value ${index}`): NewRecord => ({
  timestampMs: NOON + ((index * 7_919) % 100_000) - 50_000,
  key: Buffer.from(`key-${index}`),
  value: value === null ? null : Buffer.from(value),
  headers: [{ key: "größe", value: index % 3 === 0 ? null : Buffer.from([index % 256]) }],
});

function keeping(offsets: ReadonlySet<number>, batch: Uint8Array): FilteredBatch {
  return filterBatch(batch, { keeps: ({ offset }) => offsets.has(offset), deleteHorizonMs: HORIZON });
}

function rebuilt(result: FilteredBatch): Uint8Array {
  if (result.kind !== "rebuilt") throw new Error(`the batch is ${result.kind}`);
  return result.batch;
}

const options: BatchOptions = {
  baseOffset: 4_000_000_000,
  partitionLeaderEpoch: 0,
  producer: { producerId: 4_711, producerEpoch: 3, baseSequence: 42 },
  isTransactional: true,
};

test.each(COMPRESSION_CODECS)(
  "what stays of a %s batch is as it was: offsets, times, headers, codec, producer",
  (codec) => {
    const records = Array.from({ length: 200 }, (_, index) => record(index));
    const batch = buildBatch(records, { ...options, codec });
    const kept = new Set([1, 5, 77, 198].map((delta) => 4_000_000_000 + delta));
    const left = rebuilt(keeping(kept, batch));
    expect([...readRecords(left)]).toEqual([...readRecords(batch)].filter(({ offset }) => kept.has(offset)));
    const { crc, sizeBytes, maxTimestamp, recordCount, ...same } = readBatchHeader(left);
    expect(readBatchHeader(batch)).toMatchObject(same);
    expect(recordCount).toBe(4);
    expect(crc).toBe(sumBatch(left));
    expect(sizeBytes).toBe(left.byteLength);
    expect(maxTimestamp).toBe(Math.max(...[...readRecords(left)].map(({ timestampMs }) => timestampMs)));
  },
);

test("a batch of which everything stays is not touched, and one of which nothing stays is empty", () => {
  const batch = buildBatch([record(0), record(1)], options);
  expect(filterBatch(batch, { keeps: () => true, deleteHorizonMs: HORIZON })).toEqual({ kind: "whole" });
  expect(filterBatch(batch, { keeps: () => false, deleteHorizonMs: HORIZON })).toEqual({ kind: "empty" });
  const empty = emptyBatch(readBatchHeader(batch));
  expect(filterBatch(empty, { keeps: () => true, deleteHorizonMs: HORIZON })).toEqual({ kind: "empty" });
});

test.each(COMPRESSION_CODECS)(
  "a tombstone that stays in a %s batch gives it a delete horizon, once, and no time changes",
  (codec) => {
    const records = [record(0), record(1, null), record(2), { ...record(3), timestampMs: -1 }];
    const batch = buildBatch(records, { ...options, codec });
    const first = rebuilt(filterBatch(batch, { keeps: () => true, deleteHorizonMs: HORIZON }));
    expect(readBatchHeader(first)).toMatchObject({ hasDeleteHorizon: true, baseTimestamp: HORIZON, recordCount: 4 });
    expect(deleteHorizonOf(readBatchHeader(batch))).toBeUndefined();
    expect(deleteHorizonOf(readBatchHeader(first))).toBe(HORIZON);
    expect([...readRecords(first)]).toEqual([...readRecords(batch)]);
    const later = { keeps: () => true, deleteHorizonMs: HORIZON + 1 };
    expect(filterBatch(first, later)).toEqual({ kind: "whole" });
    const second = rebuilt(filterBatch(first, { ...later, keeps: ({ hasValue }) => hasValue }));
    expect(deleteHorizonOf(readBatchHeader(second))).toBe(HORIZON);
    expect([...readRecords(second)]).toEqual([...readRecords(batch)].filter(({ value }) => value !== null));
  },
);

test("the time of a LogAppendTime batch stays that of its arrival", () => {
  const batch = buildBatch([record(0), record(1, null), record(2)], options);
  setLogAppendTime(batch, NOON + 5);
  const left = rebuilt(
    filterBatch(batch, { keeps: ({ offset }) => offset !== 4_000_000_000, deleteHorizonMs: HORIZON }),
  );
  expect(readBatchHeader(left)).toMatchObject({ timestampType: "LogAppendTime", maxTimestamp: NOON + 5 });
  expect([...readRecords(left)]).toEqual([...readRecords(batch)].slice(1));
});

test("a marker gets a delete horizon and stays a marker", () => {
  const marker = { kind: "abort", producerId: 7, producerEpoch: 1, coordinatorEpoch: 5, timestampMs: NOON } as const;
  const batch = buildEndTxnMarkerBatch(marker);
  const left = withDeleteHorizon(batch, HORIZON);
  expect(readBatchHeader(left)).toMatchObject({ isControl: true, isTransactional: true, producerId: 7 });
  expect(deleteHorizonOf(readBatchHeader(left))).toBe(HORIZON);
  expect([...readRecords(left)]).toEqual([...readRecords(batch)]);
});

test("an empty batch takes the offsets of another one and names no producer", () => {
  const header = readBatchHeader(buildBatch([record(0), record(1)], options));
  const batch = emptyBatch(header);
  expect(readBatchHeader(batch)).toMatchObject({
    baseOffset: 4_000_000_000,
    lastOffsetDelta: 1,
    partitionLeaderEpoch: 0,
    recordCount: 0,
    producerId: -1,
    attributes: 0,
    maxTimestamp: -1,
  });
  expect([...readRecords(batch)]).toEqual([]);
});

test.each(GOLDEN_CODECS)("a %s batch of kafka-python is filtered as if it were ours", (codec) => {
  const batch = goldenBatch(codec);
  const all = [...readRecords(batch)];
  expect([...readRecords(rebuilt(keeping(new Set([0, 2]), batch)))]).toEqual([all[0], all[2]]);
});

test.each(COMPRESSION_CODECS)(
  "@platformatic/kafka reads what is left of a %s batch, with a delete horizon and without",
  (codec) => {
    const batch = buildBatch([record(0), record(1, null), record(2), record(3)], { codec });
    for (const kept of [
      [0, 3],
      [1, 2],
    ]) {
      const left = rebuilt(keeping(new Set(kept), batch));
      const read = readRecordsBatch(Reader.from(Buffer.from(left)));
      const seen = read.records.map(({ offsetDelta, timestampDelta, key }) => ({
        offset: Number(read.firstOffset) + offsetDelta,
        timestampMs: Number(read.firstTimestamp + timestampDelta),
        key: Buffer.from(key ?? ""),
      }));
      const expected = [...readRecords(batch)].filter(({ offset }) => kept.includes(offset));
      expect(seen).toEqual(expected.map(({ offset, timestampMs, key }) => ({ offset, timestampMs, key })));
    }
  },
);

test("any choice of records is left as it was", () => {
  const codecs = fc.constantFrom(...COMPRESSION_CODECS);
  const choices = fc.array(fc.record({ isKept: fc.boolean(), isTombstone: fc.boolean() }), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(codecs, choices, (codec, choice) => {
      const batch = buildBatch(
        choice.map(({ isTombstone }, index) => record(index, isTombstone ? null : "v")),
        { codec },
      );
      const kept = new Set(choice.flatMap(({ isKept }, index) => (isKept ? [index] : [])));
      const result = keeping(kept, batch);
      const left = result.kind === "rebuilt" ? result.batch : result.kind === "whole" ? batch : undefined;
      const expected = [...readRecords(batch)].filter(({ offset }) => kept.has(offset));
      expect(left === undefined ? [] : [...readRecords(left)]).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test("damage is told of", () => {
  const batch = Buffer.from(buildBatch([record(0), record(1)]));
  batch[batch.byteLength - 1] = 99;
  expect(() => keeping(new Set([0]), batch)).toThrow("CRC is");
});
