import fc from "fast-check";
import { expect, test } from "vitest";
import { sliceChunks } from "#lib/log/entry-chunks.ts";
import { availableBytes, planFetch, sumBytes, wholeEntry } from "#lib/log/entry-index.ts";
import { assembleRange, CorruptEntryError } from "#lib/log/fetch-assembler.ts";
import { findByOffset } from "#lib/log/find-by-offset.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import { patchBaseOffset } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { FETCH_RANGES_MAX } from "#lib/util/limits.ts";
import { entryOf, joined, objectPlace, servedBatch, storedBatch } from "./fetch-fixtures.ts";

interface Written {
  readonly batch: Uint8Array;
  readonly baseOffset: number;
  readonly nextOffset: number;
}

interface Log {
  readonly entries: readonly WriteAheadEntry[];
  /** The bytes of each entry's part. */
  readonly bytes: ReadonlyMap<WriteAheadEntry, Uint8Array>;
  readonly written: readonly Written[];
  readonly endOffset: number;
}

/** Entries of the given batches, each batch as [records, bytes of a value]. */
function logOf(flushes: readonly (readonly (readonly [number, number])[])[], firstOffset = 0): Log {
  const entries: WriteAheadEntry[] = [];
  const bytes = new Map<WriteAheadEntry, Uint8Array>();
  const written: Written[] = [];
  let offset = firstOffset;
  for (const [index, flush] of flushes.entries()) {
    const batches = flush.map(([recordCount, valueBytes]) => storedBatch({ recordCount, valueBytes }));
    const entry = entryOf(batches, { baseOffset: offset, position: 28 + index, place: objectPlace(index) });
    for (const [at, batch] of batches.entries()) {
      const nextOffset = offset + defined(flush[at])[0];
      written.push({ batch, baseOffset: offset, nextOffset });
      offset = nextOffset;
    }
    entries.push(entry);
    bytes.set(entry, joined(batches));
  }
  return { entries, bytes, written, endOffset: offset };
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.byteLength; index++) {
    const size = sizes.length === 0 ? bytes.byteLength : (sizes[index % sizes.length] ?? 1);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function readPlan(log: Log, ranges: ReturnType<typeof planFetch>, chunkSizes: readonly number[]): Uint8Array {
  const output: Uint8Array[] = [];
  for (const range of ranges) {
    const from = range.position - range.entry.position;
    const chunks = sliceChunks(cut(defined(log.bytes.get(range.entry)), chunkSizes), from, range.byteLength);
    output.push(...assembleRange(range, chunks, "sums"));
  }
  return joined(output);
}

/** What a fetch is by definition: whole batches from the one with the offset on, while they fit. */
function model(
  log: Log,
  fetchOffset: number,
  limits: { bytesMax: number; atLeastOneBatch: boolean; endOffset: number },
) {
  const served: Uint8Array[] = [];
  let bytes = 0;
  for (const { batch, baseOffset, nextOffset } of log.written) {
    if (nextOffset <= fetchOffset) continue;
    if (nextOffset > limits.endOffset) break;
    const isForced = served.length === 0 && limits.atLeastOneBatch;
    if (bytes + batch.byteLength > limits.bytesMax && !isForced) break;
    served.push(servedBatch(batch, baseOffset));
    bytes += batch.byteLength;
  }
  return joined(served);
}

const anyFlushes = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(0, 7, 300, 1_975, 1_985, 9_000)), {
    minLength: 1,
    maxLength: 6,
  }),
  { maxLength: 8 },
);

test("a plan reads the very bytes that were written, with their offsets, from any offset and under any limit", () => {
  const limits = { numRuns: 300 };
  const property = fc.property(
    anyFlushes,
    fc.record({
      firstOffset: fc.constantFrom(0, 5, 2 ** 31 - 3, 2 ** 32 - 2, 2 ** 45),
      fetchAt: fc.double({ min: 0, max: 1, noNaN: true }),
      bytesMax: fc.integer({ min: 0, max: 60_000 }),
      atLeastOneBatch: fc.boolean(),
      chunkSizes: fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 4 }),
    }),
    (flushes, given) => {
      const log = logOf(flushes, given.firstOffset);
      const span = log.endOffset - given.firstOffset;
      const fetchOffset = given.firstOffset + Math.floor(given.fetchAt * span);
      const planLimits = {
        bytesMax: given.bytesMax,
        atLeastOneBatch: given.atLeastOneBatch,
        endOffset: log.endOffset,
      };
      const ranges = planFetch(log.entries, fetchOffset, planLimits);
      const before = [...log.bytes.values()].map((bytes) => Buffer.from(bytes).toString("hex"));
      const read = readPlan(log, ranges, given.chunkSizes);
      expect(Buffer.compare(read, model(log, fetchOffset, planLimits))).toBe(0);
      expect(sumBytes(ranges)).toBe(read.byteLength);
      // The shared bytes are as they were.
      expect([...log.bytes.values()].map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(before);
    },
  );
  fc.assert(property, limits);
});

test("available bytes are those of all batches from the fetched one on, cut at the limit", () => {
  const property = fc.property(
    anyFlushes,
    fc.nat(40),
    fc.integer({ min: 0, max: 90_000 }),
    (flushes, offset, bytesMax) => {
      const log = logOf(flushes);
      const all = model(log, offset, {
        bytesMax: Number.POSITIVE_INFINITY,
        atLeastOneBatch: true,
        endOffset: log.endOffset,
      });
      const limits = { endOffset: log.endOffset, bytesMax };
      expect(availableBytes(log.entries, offset, limits)).toBe(Math.min(all.byteLength, bytesMax));
    },
  );
  fc.assert(property, { numRuns: 200 });
});

test("no batch that reaches beyond the end offset is planned or counted", () => {
  const log = logOf([
    [
      [2, 10],
      [2, 10],
    ],
    [[2, 10]],
  ]);
  const first = defined(log.written[0]).batch.byteLength;
  const limits = { bytesMax: 1_000_000, atLeastOneBatch: true, endOffset: 3 };
  expect(sumBytes(planFetch(log.entries, 0, limits))).toBe(first);
  expect(availableBytes(log.entries, 0, limits)).toBe(first);
  expect(planFetch(log.entries, 2, limits)).toEqual([]);
});

test("an entry is found by any of its offsets", () => {
  const { entries } = logOf([
    [[3, 1]],
    [
      [2, 1],
      [2, 1],
    ],
    [[1, 1]],
  ]);
  expect([0, 2, 3, 6, 7, 8].map((offset) => findByOffset(entries, offset))).toEqual([0, 0, 1, 1, 2, 3]);
});

test("a plan ends after so many entries, however small they are", () => {
  const log = logOf(Array.from({ length: FETCH_RANGES_MAX + 10 }, () => [[1, 1]] as const));
  const ranges = planFetch(log.entries, 0, {
    bytesMax: 1_000_000_000,
    atLeastOneBatch: true,
    endOffset: log.endOffset,
  });
  expect(ranges.length).toBe(FETCH_RANGES_MAX);
});

test.each([
  ["a length", 8],
  ["the magic", 16],
  ["the last offset delta", 26],
])("bytes whose header differs from the index in %s are not served", (_what, at) => {
  for (const valueBytes of [10, 9_000]) {
    const batch = storedBatch({ valueBytes });
    const entry = entryOf([batch], { baseOffset: 7 });
    const damaged = Uint8Array.prototype.slice.call(batch);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(() => assembleRange(wholeEntry(entry), [damaged], "lengths")).toThrow(CorruptEntryError);
    expect(() => assembleRange(wholeEntry(entry), [batch], "sums")).not.toThrow();
  }
});

test("a flipped bit anywhere behind the CRC is found where sums are checked", () => {
  for (const valueBytes of [10, 9_000]) {
    const batch = storedBatch({ valueBytes });
    const range = wholeEntry(entryOf([batch], { baseOffset: 7 }));
    for (const at of [21, 60, 61, batch.byteLength - 1]) {
      const damaged = Uint8Array.prototype.slice.call(batch);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(() => assembleRange(range, cut(damaged, [64, 1_000]), "sums")).toThrow(CorruptEntryError);
    }
  }
});

test("bytes that are fewer or more than the index says are not served", () => {
  const batch = storedBatch();
  const entry = entryOf([batch], { baseOffset: 0 });
  for (const chunks of [[], [batch.subarray(1)], [batch, new Uint8Array(1)]]) {
    expect(() => assembleRange(wholeEntry(entry), chunks, "lengths")).toThrow(CorruptEntryError);
  }
});

test("a stored offset other than 0 is written over", () => {
  const batch = storedBatch({ valueBytes: 9_000 });
  patchBaseOffset(batch, 0, 99);
  const output = assembleRange(wholeEntry(entryOf([batch], { baseOffset: 7 })), [batch], "lengths");
  expect(Buffer.compare(joined(output), servedBatch(batch, 7))).toBe(0);
});

test("of a large batch only the header is copied", () => {
  const batch = storedBatch({ valueBytes: 9_000 });
  const output = assembleRange(wholeEntry(entryOf([batch], { baseOffset: 7 })), [batch], "lengths");
  expect(output.map((chunk) => chunk.byteLength)).toEqual([61, batch.byteLength - 61]);
  expect(output[1]?.byteOffset).toBe(batch.byteOffset + 61);
  expect(output[1]?.buffer).toBe(batch.buffer);
});
