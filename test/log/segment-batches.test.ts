import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogSegment } from "#lib/log/log-state.ts";
import { cutBatches, type SegmentRange, startOf } from "#lib/log/segment-batches.ts";
import { lastOffsetOf, readBatchHeader } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";

interface Log {
  readonly segment: LogSegment;
  readonly batches: readonly Uint8Array[];
  readonly positions: readonly number[];
  readonly bytes: Uint8Array;
}

/** Each batch as [records, bytes of a value, offsets left out before it]. */
function logOf(sizes: readonly (readonly [number, number, number])[], isCleaned: boolean): Log {
  const batches: Uint8Array[] = [];
  const positions: number[] = [];
  let offset = 100;
  let byteLength = 0;
  for (const [recordCount, valueBytes, hole] of sizes) {
    const batch = servedBatch(storedBatch({ recordCount, valueBytes }), isCleaned ? offset + hole : offset);
    positions.push(byteLength);
    batches.push(batch);
    byteLength += batch.byteLength;
    offset = lastOffsetOf(readBatchHeader(batch)) + 1;
  }
  const segment: LogSegment = {
    baseOffset: 100,
    nextOffset: offset,
    directory: "segments/0000000001/00000000000000000000000000000001/t-0",
    byteLength,
    indexByteLength: 0,
    timeIndexByteLength: 0,
    txnIndexByteLength: 0,
    maxTimestampMs: 0,
    appendedAtMs: 0,
    isCleaned,
    copies: [0],
  };
  return { segment, batches, positions, bytes: joined(batches) };
}

function chunksOf(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.byteLength; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const anySizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 30, 300), fc.nat(3)), {
  minLength: 1,
  maxLength: 8,
});
const anyChunks = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 4 });

test("of any window the wanted batches are taken, and it is told what is missing for one", () => {
  const anyRange = fc.record({
    first: fc.nat(7),
    windowBytes: fc.nat(3_000),
    fromOffset: fc.integer({ min: 95, max: 140 }),
    endOffset: fc.integer({ min: 100, max: 140 }),
    bytesMax: fc.nat(2_000),
    atLeastOneBatch: fc.boolean(),
  });
  const property = fc.property(anySizes, fc.boolean(), anyChunks, anyRange, (sizes, isCleaned, chunkSizes, any) => {
    const { segment, batches, positions, bytes } = logOf(sizes, isCleaned);
    const first = any.first % batches.length;
    const position = defined(positions[first]);
    const offset = first === 0 ? 100 : lastOffsetOf(readBatchHeader(defined(batches[first - 1]))) + 1;
    const place = { ...startOf(segment), position, offset };
    const window = bytes.subarray(position, position + any.windowBytes);
    const cut = cutBatches(chunksOf(window, chunkSizes), { segment, place, ...any });
    const taken: Uint8Array[] = [];
    let at = position;
    let wantedBytes = 0;
    for (const [index, batch] of batches.entries()) {
      if (index < first) continue;
      const left = position + window.byteLength - at;
      const isCutOff = left < batch.byteLength;
      if (isCutOff) {
        if (taken.length === 0) wantedBytes = left < 12 ? 61 : batch.byteLength;
        break;
      }
      const lastOffset = lastOffsetOf(readBatchHeader(batch));
      if (lastOffset >= any.fromOffset) {
        const isFull = joined(taken).byteLength + batch.byteLength > any.bytesMax;
        if (lastOffset >= any.endOffset || (isFull && (taken.length > 0 || !any.atLeastOneBatch))) break;
        taken.push(batch);
      }
      at += batch.byteLength;
    }
    expect(Buffer.compare(joined(cut.chunks), joined(taken))).toBe(0);
    expect(cut).toMatchObject({
      byteLength: joined(taken).byteLength,
      nextPosition: at,
      wantedBytes,
      damage: undefined,
    });
  });
  fc.assert(property, { numRuns: 300 });
});

test("no damaged byte is served, wherever it is", () => {
  const property = fc.property(
    anySizes,
    anyChunks,
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (sizes, chunkSizes, where, flip) => {
      const { segment, positions, bytes } = logOf(sizes, false);
      const at = where % bytes.byteLength;
      const damaged = Buffer.from(bytes);
      damaged[at] = defined(damaged[at]) ^ flip;
      const range: SegmentRange = {
        segment,
        place: startOf(segment),
        fromOffset: 100,
        endOffset: segment.nextOffset,
        bytesMax: 1_000_000,
        atLeastOneBatch: true,
      };
      const cut = cutBatches(chunksOf(damaged, chunkSizes), range);
      const begin = defined(positions.findLast((position) => position <= at));
      expect(cut.damage?.message).toContain(`the batch at ${begin}: `);
      expect(Buffer.compare(joined(cut.chunks), bytes.subarray(0, begin))).toBe(0);
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test("a log that ends too early, or with other offsets than the state has, is damaged", () => {
  const { segment, bytes } = logOf(
    [
      [2, 10, 0],
      [2, 20, 0],
    ],
    false,
  );
  const damageOf = (fields: Partial<LogSegment>, window = bytes) => {
    const other = { ...segment, ...fields };
    const limits = { fromOffset: 100, endOffset: 200, bytesMax: 1_000_000, atLeastOneBatch: true };
    return cutBatches([window], { segment: other, place: startOf(other), ...limits }).damage?.message;
  };
  expect(damageOf({})).toBeUndefined();
  expect(damageOf({ nextOffset: 105 })).toMatch(/the log ends there, and not at 105/);
  expect(damageOf({ nextOffset: 103 })).toMatch(/offsets 102 to 103 are not the segment's/);
  expect(damageOf({ baseOffset: 99 })).toMatch(/begins at offset 100 where 99 belongs/);
  expect(damageOf({ baseOffset: 99, isCleaned: true })).toBeUndefined();
  expect(damageOf({ byteLength: bytes.byteLength - 1 }, bytes.subarray(0, -1))).toMatch(/claims \d+ bytes of \d+/);
});
