import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptSegmentError } from "#lib/storage/segments/errors.ts";
import { findPosition } from "#lib/storage/segments/offset-index.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { findTime, findTimeRange } from "#lib/storage/segments/time-index.ts";
import { decodeTransactionIndex } from "#lib/storage/segments/transaction-index.ts";
import { type ExpectedSegment, type SegmentBytes, verifySegment } from "#lib/storage/segments/verify-segment.ts";
import { SEGMENT_PROBLEMS_MAX } from "#lib/util/limits.ts";
import { arbitraryRun, type Run } from "./arbitrary-run.ts";
import { dataBatch, emptyBatch, markerBatch } from "./crafted-batches.ts";

const T = 1_700_000_000_000;

function build({ baseOffset, batches, intervalBytes }: Omit<Run, "isCleaned">): SegmentFiles {
  const builder = new SegmentBuilder({ baseOffset, indexIntervalBytes: intervalBytes });
  for (const { bytes } of batches) builder.add([bytes]);
  return builder.finish();
}

/** The files, each in memory of its own, and what a log's state would say of them. */
function stored(files: SegmentFiles, isCleaned = false): { bytes: WritableBytes; expected: Required<ExpectedSegment> } {
  const bytes = {
    log: Buffer.concat(files.log),
    index: Buffer.from(files.index),
    timeIndex: Buffer.from(files.timeIndex),
    txnIndex: Buffer.from(files.txnIndex),
  };
  const expected = {
    baseOffset: files.baseOffset,
    nextOffset: files.nextOffset,
    byteLength: files.logByteLength,
    indexByteLength: files.index.byteLength,
    timeIndexByteLength: files.timeIndex.byteLength,
    txnIndexByteLength: files.txnIndex.byteLength,
    maxTimestampMs: files.maxTimestampMs,
    isCleaned,
  };
  return { bytes, expected };
}

interface WritableBytes {
  readonly log: Buffer;
  readonly index: Buffer;
  readonly timeIndex: Buffer;
  readonly txnIndex: Buffer;
}

function verify(bytes: WritableBytes, expected: ExpectedSegment) {
  const files: SegmentBytes = { ...bytes, log: [bytes.log] };
  return verifySegment(files, expected);
}

const steady = Array.from({ length: 40 }, (_, index) => dataBatch(500 + index, { timestamps: [T + index] }));
const sample: Omit<Run, "isCleaned"> = { baseOffset: 500, batches: steady, intervalBytes: 300 };

describe("verification", () => {
  test("finds nothing in what the builder makes", () => {
    fc.assert(
      fc.property(arbitraryRun, (run) => {
        const { bytes, expected } = stored(build(run), run.isCleaned);
        expect(verify(bytes, expected)).toEqual([]);
        expect(verify(bytes, { baseOffset: run.baseOffset })).toEqual([]);
      }),
    );
  });

  test("finds every changed byte of every file", () => {
    const batches = [
      dataBatch(0, { timestamps: [T, T + 3], producerId: 7 }),
      emptyBatch(2, 5, T + 9),
      dataBatch(7, { timestamps: [T + 5, T + 4], codec: "gzip" }),
      markerBatch(9, { kind: "abort", producerId: 7, timestampMs: T + 6 }),
      dataBatch(10, { timestamps: [T + 6] }),
      dataBatch(11, { timestamps: [T + 8] }),
    ];
    const { bytes, expected } = stored(build({ baseOffset: 0, batches, intervalBytes: 100 }));
    expect([bytes.index.byteLength, bytes.timeIndex.byteLength, bytes.txnIndex.byteLength]).toEqual([24, 36, 34]);
    for (const file of [bytes.log, bytes.index, bytes.timeIndex, bytes.txnIndex]) {
      for (let at = 0; at < file.byteLength; at++) {
        const right = file.readUInt8(at);
        for (const flip of [0x01, 0x80, 0xff]) {
          file.writeUInt8(right ^ flip, at);
          expect(verify(bytes, expected), `byte ${at} of ${file.byteLength}, ${flip}`).not.toEqual([]);
        }
        file.writeUInt8(right, at);
      }
    }
    expect(verify(bytes, expected)).toEqual([]);
  });

  test("finds a changed byte in cleaned logs too, but for the base offset beside a hole", () => {
    const changed = fc.tuple(arbitraryRun, fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(changed, ([run, place, flip]) => {
        const { bytes, expected } = stored(build(run), run.isCleaned);
        const at = place % bytes.log.byteLength;
        let begin = 0;
        for (const batch of run.batches) {
          if (begin + batch.bytes.byteLength > at) break;
          begin += batch.bytes.byteLength;
        }
        if (run.isCleaned && at - begin < 8) return;
        bytes.log.writeUInt8(bytes.log.readUInt8(at) ^ flip, at);
        expect(verify(bytes, expected)).not.toEqual([]);
      }),
    );
  });

  test("names where a log is cut", () => {
    const { bytes, expected } = stored(build(sample));
    const cut = { ...bytes, log: bytes.log.subarray(0, bytes.log.byteLength - 5) };
    const last = bytes.log.byteLength - (steady.at(-1)?.bytes.byteLength ?? 0);
    expect(verify(cut, expected)).toEqual([
      { file: "log", position: cut.log.byteLength, problem: expect.stringContaining("not") },
      { file: "log", position: last, problem: expect.stringContaining("no whole batch") },
    ]);
  });

  test("names a whole batch that is missing at the end, and one within", () => {
    const { bytes, expected } = stored(build(sample));
    const [size = 0] = steady.map((batch) => batch.bytes.byteLength);
    const without = (from: number) => Buffer.concat([bytes.log.subarray(0, from), bytes.log.subarray(from + size)]);
    const known = { baseOffset: expected.baseOffset, nextOffset: expected.nextOffset };
    const ends = verify({ ...bytes, log: without(39 * size) }, known);
    expect(ends.map(({ problem }) => problem)).toContain("the log ends before offset 539, not before 540");
    const within = verify({ ...bytes, log: without(2 * size) }, { ...known, isCleaned: false });
    expect(within[0]).toEqual({ file: "log", position: 2 * size, problem: "batch begins at offset 503, not at 502" });
  });

  test("names indexes of another segment as such", () => {
    const { bytes, expected } = stored(build(sample));
    const batches = steady.map((_, index) =>
      dataBatch(500 + 2 * index, { timestamps: [T + 50 + index, T], valueBytes: 13 }),
    );
    const other = stored(build({ baseOffset: 500, batches, intervalBytes: 300 }));
    const problems = verify(
      { ...bytes, index: other.bytes.index, timeIndex: other.bytes.timeIndex },
      { baseOffset: 500 },
    );
    expect(expected.indexByteLength).toBeGreaterThan(0);
    expect(problems[0]).toMatchObject({ file: "index", problem: expect.stringContaining("another segment") });
    expect(problems[1]).toMatchObject({ file: "timeindex", problem: expect.stringContaining("another segment") });
  });

  test("finds an index that is off by one batch", () => {
    const { bytes, expected } = stored(build(sample));
    for (let at = 0; at < bytes.index.byteLength; at += 8) {
      bytes.index.writeInt32BE(bytes.index.readInt32BE(at) + 1, at);
    }
    expect(verify(bytes, expected)).toMatchObject([{ file: "index", position: 0 }]);
  });

  test("finds entries and a last timestamp that are gone", () => {
    const { bytes, expected } = stored(build(sample));
    const timeIndex = bytes.timeIndex.subarray(0, bytes.timeIndex.byteLength - 12);
    const gone = verify({ ...bytes, timeIndex }, { baseOffset: 500 });
    expect(gone).toMatchObject([{ file: "timeindex", position: timeIndex.byteLength }]);
    const index = bytes.index.subarray(8);
    expect(verify({ ...bytes, index }, expected)).toMatchObject([{ file: "index" }]);
  });

  test("and searches take bytes of any kind, and fail only as they say", () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const offset = fc.integer({ min: 0, max: 2 ** 50 });
    fc.assert(
      fc.property(bytes, bytes, offset, (some, others, at) => {
        expect(() =>
          verifySegment({ log: [some], index: others, timeIndex: others, txnIndex: others }, sized(at)),
        ).not.toThrow();
        for (const search of [
          () => findPosition(some, 500, at),
          () => findTime(some, 500, at),
          () => findTimeRange({ index: some, timeIndex: others }, 500, at),
          () => decodeTransactionIndex(some, 500),
        ]) {
          expect(errorOf(search) ?? new CorruptSegmentError(0, "")).toBeInstanceOf(CorruptSegmentError);
        }
      }),
    );
  });

  test("stops naming faults at a limit", () => {
    const { bytes, expected } = stored(build({ ...sample, batches: manyBatches() }));
    for (let at = 0; at < bytes.log.byteLength; at += bytes.log.readInt32BE(at + 8) + 12) {
      bytes.log.writeUInt8(9, at + 12);
    }
    const problems = verify(bytes, expected);
    expect(problems).toHaveLength(SEGMENT_PROBLEMS_MAX + 1);
    expect(problems.at(-1)?.problem).toBe("50 more problems are not listed");
  });
});

describe("a search in an index", () => {
  const { bytes, expected } = stored(build(sample));
  const bounds = { nextOffset: expected.nextOffset, byteLength: expected.byteLength };
  const search = (index: Uint8Array, timeIndex: Uint8Array) => [
    () => findPosition(index, 500, 520, bounds),
    () => findTime(timeIndex, 500, T + 20, bounds),
  ];

  test("refuses files that are cut", () => {
    for (const lost of [1, 3, 7]) {
      const cut = (file: Buffer) => file.subarray(0, file.byteLength - lost);
      for (const find of search(cut(bytes.index), cut(bytes.timeIndex))) expect(find).toThrow(CorruptSegmentError);
    }
  });

  test("refuses files of a longer segment, and entries that do not ascend", () => {
    const batches = Array.from({ length: 80 }, (_, at) =>
      dataBatch(500 + at, { timestamps: [T + at], valueBytes: 50 }),
    );
    const longer = stored(build({ ...sample, batches }));
    const backwards = (file: Buffer, entryBytes: number) => {
      const entries = Array.from({ length: file.byteLength / entryBytes }, (_, at) =>
        file.subarray(at * entryBytes, (at + 1) * entryBytes),
      );
      return Buffer.concat(entries.reverse());
    };
    const zeroes = [Buffer.alloc(16), Buffer.alloc(24)] as const;
    for (const find of [
      ...search(longer.bytes.index, longer.bytes.timeIndex),
      ...search(backwards(bytes.index, 8), backwards(bytes.timeIndex, 12)),
      ...search(...zeroes),
    ]) {
      expect(find).toThrow(CorruptSegmentError);
    }
  });

  test("refuses a middle entry that lies outside its neighbours", () => {
    const index = Buffer.from(bytes.index);
    const middle = (index.byteLength / 8) >>> 1;
    index.writeInt32BE(index.readInt32BE(index.byteLength - 8) + 1, middle * 8);
    expect(() => findPosition(index, 500, 520)).toThrow(CorruptSegmentError);
  });
});

function sized(baseOffset: number): ExpectedSegment {
  return { baseOffset, nextOffset: baseOffset + 1, byteLength: 61, isCleaned: false };
}

function errorOf(search: () => unknown): unknown {
  try {
    search();
    return undefined;
  } catch (error) {
    return error;
  }
}

function manyBatches() {
  return Array.from({ length: SEGMENT_PROBLEMS_MAX + 50 }, (_, index) =>
    dataBatch(500 + index, { timestamps: [T + index] }),
  );
}
