import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findPosition } from "#lib/storage/segments/offset-index.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { findTime, findTimeRange } from "#lib/storage/segments/time-index.ts";
import { decodeTransactionIndex } from "#lib/storage/segments/transaction-index.ts";
import { AssertionFailedError } from "#lib/util/assert.ts";
import { arbitraryRun, type Run } from "./arbitrary-run.ts";
import { type CraftedBatch, dataBatch, emptyBatch, markerBatch } from "./crafted-batches.ts";

const T = 1_700_000_000_000;

function build(run: Pick<Run, "baseOffset" | "batches" | "intervalBytes">, cutBytes = Number.POSITIVE_INFINITY) {
  const builder = new SegmentBuilder({ baseOffset: run.baseOffset, indexIntervalBytes: run.intervalBytes });
  const bytes = Buffer.concat(run.batches.map((batch) => batch.bytes));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += cutBytes) chunks.push(bytes.subarray(at, at + cutBytes));
  builder.add(chunks);
  return builder.finish();
}

function positionsOf(batches: readonly CraftedBatch[]): readonly number[] {
  let position = 0;
  return batches.map(({ bytes }) => {
    position += bytes.byteLength;
    return position - bytes.byteLength;
  });
}

describe("a segment's log", () => {
  test("is the very views that were added", () => {
    const batches = [dataBatch(5, { timestamps: [T, T] }), dataBatch(7, { timestamps: [T] })];
    const builder = new SegmentBuilder({ baseOffset: 5 });
    for (const { bytes } of batches) builder.add([bytes.subarray(0, 61), bytes.subarray(61)]);
    const { log, ...files } = builder.finish();
    expect(log.map((chunk) => chunk.buffer)).toEqual(batches.flatMap(({ bytes }) => [bytes.buffer, bytes.buffer]));
    expect(Buffer.concat(log)).toEqual(Buffer.concat(batches.map(({ bytes }) => bytes)));
    expect(files).toMatchObject({ baseOffset: 5, nextOffset: 8, batchCount: 2, maxTimestampMs: T });
    expect(files.logByteLength).toBe(builder.byteLength);
  });

  test("takes no batch out of order, none cut, and none with another leader epoch", () => {
    const second = dataBatch(1, { timestamps: [T] });
    const builder = new SegmentBuilder({ baseOffset: 1 });
    builder.add([second.bytes]);
    const foreign = Buffer.from(dataBatch(2, { timestamps: [T] }).bytes);
    foreign.writeInt32BE(1, 12);
    for (const wrong of [second.bytes, dataBatch(2, { timestamps: [T] }).bytes.subarray(1), foreign]) {
      expect(() => builder.add([wrong])).toThrow(AssertionFailedError);
    }
    expect(() => new SegmentBuilder({ baseOffset: 0 }).finish()).toThrow(AssertionFailedError);
  });
});

describe("a segment's indexes", () => {
  test("follow Kafka's rule: an entry with the first batch behind more than the interval, a last time at the end", () => {
    const times = [5, 9, 9, 7, 12];
    const batches = times.map((step, index) => dataBatch(100 + index, { timestamps: [T + step], valueBytes: 1_500 }));
    const [size = 0] = batches.map(({ bytes }) => bytes.byteLength);
    const files = build({ baseOffset: 100, batches, intervalBytes: 2 * size });
    expect(Buffer.from(files.index).toString("hex")).toBe(`00000003${hex(3 * size, 4)}`);
    expect(Buffer.from(files.timeIndex).toString("hex")).toBe(`${hex(T + 9, 8)}00000001${hex(T + 12, 8)}00000004`);
    expect(files.txnIndex.byteLength).toBe(0);
  });

  test("of one batch, and of batches without records, have no more than a last timestamp", () => {
    const one = build({ baseOffset: 3, batches: [dataBatch(3, { timestamps: [T, T + 1] })], intervalBytes: 0 });
    expect([one.index.byteLength, one.timeIndex.byteLength]).toEqual([0, 12]);
    const empty = build({ baseOffset: 3, batches: [emptyBatch(3, 7, T)], intervalBytes: 0 });
    expect(empty).toMatchObject({ nextOffset: 10, maxTimestampMs: -1 });
    expect([empty.index.byteLength, empty.timeIndex.byteLength]).toEqual([0, 0]);
  });

  test("leave out what is too far for an offset of 32 bits, and still lead there", () => {
    const far = 2 ** 31;
    const batches = [
      dataBatch(0, { timestamps: [T] }),
      dataBatch(1, { timestamps: [T] }),
      dataBatch(far, { timestamps: [T + 5] }),
    ];
    const files = build({ baseOffset: 0, batches, intervalBytes: 0 });
    expect(findPosition(files.index, 0, far).position).toBe(batches[0]?.bytes.byteLength);
    expect(findTime(files.timeIndex, 0, T + 5)).toBe(1);
  });

  test("find every offset, in logs of all kinds", () => {
    fc.assert(
      fc.property(arbitraryRun, fc.integer({ min: 1, max: 500 }), (run, cutBytes) => {
        const files = build(run, cutBytes);
        const bounds = { nextOffset: files.nextOffset, byteLength: files.logByteLength };
        const positions = positionsOf(run.batches);
        for (let offset = run.baseOffset; offset < files.nextOffset; offset++) {
          const { position, nextPosition = files.logByteLength } = findPosition(
            files.index,
            run.baseOffset,
            offset,
            bounds,
          );
          const holding = positions[run.batches.findIndex(({ lastOffset }) => lastOffset >= offset)] ?? -1;
          expect(positions).toContain(position);
          expect(position).toBeLessThanOrEqual(holding);
          expect(nextPosition).toBeGreaterThanOrEqual(holding);
        }
      }),
    );
  });

  test("find every time, near the record", () => {
    fc.assert(
      fc.property(arbitraryRun, (run) => {
        const files = build(run);
        const positions = positionsOf(run.batches);
        const largest = Math.max(...run.batches.map(({ bytes }) => bytes.byteLength));
        const known = new Set(run.batches.flatMap(({ timestamps }) => timestamps));
        for (const timestampMs of [...known].flatMap((each) => [each, each + 1])) {
          const first = run.batches.findIndex(({ timestamps }) => timestamps.some((each) => each >= timestampMs));
          const batch = run.batches[first];
          if (batch === undefined || timestampMs < 0) continue;
          const holding = positions[first] ?? -1;
          const skip = batch.timestamps.findIndex((each) => each >= timestampMs);
          expect(findTime(files.timeIndex, run.baseOffset, timestampMs)).toBeLessThanOrEqual(batch.baseOffset + skip);
          const range = findTimeRange(files, run.baseOffset, timestampMs);
          expect(positions).toContain(range.position);
          expect(range.position).toBeLessThanOrEqual(holding);
          expect(range.nextPosition ?? files.logByteLength).toBeGreaterThanOrEqual(holding);
          expect(holding - range.position).toBeLessThanOrEqual(run.intervalBytes + largest);
        }
      }),
    );
  });
});

describe("a segment's transaction index", () => {
  const batches = [
    dataBatch(10, { timestamps: [T, T], producerId: 7 }),
    dataBatch(12, { timestamps: [T], producerId: 8 }),
    markerBatch(13, { kind: "abort", producerId: 7, timestampMs: T }),
    markerBatch(14, { kind: "commit", producerId: 8, timestampMs: T }),
    markerBatch(15, { kind: "abort", producerId: 9, timestampMs: T }),
    dataBatch(16, { timestamps: [T], producerId: 7 }),
  ];

  test("has the aborted transactions, each with the stable offset after it", () => {
    const { txnIndex } = build({ baseOffset: 10, batches, intervalBytes: 0 });
    const aborted = [{ producerId: 7, firstOffset: 10, lastOffset: 13, lastStableOffset: 12 }];
    expect(decodeTransactionIndex(txnIndex, 10)).toEqual(aborted);
    expect(Buffer.from(txnIndex).toString("hex")).toBe(`0000${[7, 10, 13, 12].map((each) => hex(each, 8)).join("")}`);
  });

  test("goes on with what earlier segments left open", () => {
    const builder = new SegmentBuilder({
      baseOffset: 10,
      openTransactions: new Map([
        [9, 4],
        [7, 2],
      ]),
    });
    for (const { bytes } of batches) builder.add([bytes]);
    expect(decodeTransactionIndex(builder.finish().txnIndex, 10)).toEqual([
      { producerId: 7, firstOffset: 2, lastOffset: 13, lastStableOffset: 4 },
      { producerId: 9, firstOffset: 4, lastOffset: 15, lastStableOffset: 16 },
    ]);
    expect([...builder.openTransactions]).toEqual([[7, 16]]);
  });
});

function hex(value: number, bytes: number): string {
  return value.toString(16).padStart(2 * bytes, "0");
}
