import fc from "fast-check";
import { expect, test } from "vitest";
import { TailCache } from "#lib/log/tail-cache.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import { journalId, type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { joined } from "./fetch-fixtures.ts";

const KEY = objectKey("wal/1");
const LOG = journalId("log-0");

function bytesOf(byteLength: number, first = 0): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, index) => first + index);
}

test("any piece of a part is found, across its chunks", () => {
  const cache = new TailCache(1_000_000);
  const chunks = [bytesOf(10), bytesOf(10, 10), bytesOf(10, 20)];
  cache.addObject(KEY, [{ position: 100, chunks, byteLength: 30 }], undefined);
  expect(joined(cache.object(KEY, { position: 105, byteLength: 20 }) ?? [])).toEqual(Buffer.from(bytesOf(20, 5)));
  expect(joined(cache.object(KEY, { position: 100, byteLength: 30 }) ?? [])).toEqual(Buffer.from(bytesOf(30)));
});

test("bytes beyond a part, before it, or of another object are not found", () => {
  const cache = new TailCache(1_000_000);
  cache.addObject(KEY, [{ position: 100, chunks: [bytesOf(30)], byteLength: 30 }], undefined);
  expect(cache.object(KEY, { position: 120, byteLength: 11 })).toBeUndefined();
  expect(cache.object(KEY, { position: 99, byteLength: 2 })).toBeUndefined();
  expect(cache.object(objectKey("wal/2"), { position: 100, byteLength: 30 })).toBeUndefined();
});

test("parts that come one after another belong to the same object", () => {
  const cache = new TailCache(1_000_000);
  cache.addObject(KEY, [{ position: 50, chunks: [bytesOf(5)], byteLength: 5 }], undefined);
  cache.addObject(KEY, [{ position: 0, chunks: [bytesOf(5, 9)], byteLength: 5 }], undefined);
  expect(cache.object(KEY, { position: 0, byteLength: 5 })?.[0]?.[0]).toBe(9);
  expect(cache.object(KEY, { position: 50, byteLength: 5 })?.[0]?.[0]).toBe(0);
});

test("inlined bytes are found by journal, record and command", () => {
  const cache = new TailCache(1_000_000);
  cache.addInline(LOG, 3, 1, bytesOf(20));
  const place = { seq: 3, indexInRecord: 1, position: 5, byteLength: 5 };
  expect(joined(cache.inline(LOG, place) ?? [])).toEqual(Buffer.from(bytesOf(5, 5)));
  expect(cache.inline(LOG, { ...place, indexInRecord: 0 })).toBeUndefined();
  expect(cache.inline(journalId("log-1"), place)).toBeUndefined();
});

test("the least recently used object goes first", () => {
  const cache = new TailCache(3_000);
  const [a, b, c] = [objectKey("a"), objectKey("b"), objectKey("c")];
  for (const key of [a, b])
    cache.addObject(key, [{ position: 0, chunks: [bytesOf(1_000)], byteLength: 1_000 }], undefined);
  cache.object(a, { position: 0, byteLength: 1 });
  cache.addObject(c, [{ position: 0, chunks: [bytesOf(1_000)], byteLength: 1_000 }], undefined);
  expect([a, b, c].map((key) => cache.object(key, { position: 0, byteLength: 1 }) !== undefined)).toEqual([
    true,
    false,
    true,
  ]);
});

test("a block that several objects share counts once, and as long as one of them is there", () => {
  const cache = new TailCache(12_000);
  const frame = new Uint8Array(10_000);
  const part = (begin: number) => [{ position: 0, chunks: [frame.subarray(begin, begin + 5_000)], byteLength: 5_000 }];
  cache.addObject(objectKey("a"), part(0), undefined);
  const afterFirst = cache.retainedBytes;
  cache.addObject(objectKey("b"), part(5_000), undefined);
  expect(afterFirst).toBeGreaterThanOrEqual(10_000);
  expect(cache.retainedBytes - afterFirst).toBeLessThan(1_000);
  cache.addObject(objectKey("c"), [{ position: 0, chunks: [new Uint8Array(11_000)], byteLength: 11_000 }], undefined);
  expect(cache.object(objectKey("c"), { position: 0, byteLength: 1 })).toBeDefined();
  expect(cache.retainedBytes).toBeLessThan(12_000);
});

test("a few bytes do not keep a large frame alive", () => {
  const cache = new TailCache(1_000_000);
  const frame = new Uint8Array(500_000).fill(7);
  cache.addInline(LOG, 1, 0, frame.subarray(1_000, 1_100));
  expect(cache.retainedBytes).toBeLessThan(2_000);
  const found = cache.inline(LOG, { seq: 1, indexInRecord: 0, position: 0, byteLength: 100 });
  expect(joined(found ?? [])).toEqual(Buffer.from(frame.subarray(1_000, 1_100)));
});

test("the bound holds whatever is added", () => {
  const property = fc.property(
    fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 3_000 }), fc.boolean()), { maxLength: 200 }),
    (additions) => {
      const cache = new TailCache(10_000);
      const frame = new Uint8Array(4_000);
      for (const [n, byteLength, isShared] of additions) {
        const bytes = isShared ? frame.subarray(0, byteLength) : new Uint8Array(byteLength);
        cache.addObject(objectKey(`wal/${n}`), [{ position: byteLength, chunks: [bytes], byteLength }], undefined);
        expect(cache.retainedBytes).toBeLessThanOrEqual(10_000);
        expect(cache.retainedBytes).toBeGreaterThanOrEqual(0);
      }
    },
  );
  fc.assert(property, { numRuns: 100 });
});

/** An object in a ring of memory, as flushes leave it: one part of each length, all its bytes `byte`. */
function addHeld(
  { cache, memory }: { readonly cache: TailCache; readonly memory: SegmentMemory },
  key: ObjectKey,
  lengths: readonly number[],
  byte: number,
): void {
  const byteLength = lengths.reduce((sum, length) => sum + length, 0);
  const held = defined(memory.gather([new Uint8Array(byteLength).fill(byte)], byteLength));
  let end = 0;
  const parts = lengths.map((length) => {
    end += length;
    return { position: end - length, chunks: [held.bytes.subarray(end - length, end)], byteLength: length };
  });
  cache.addObject(key, parts, held);
  held.release();
}

const RING_BYTES = 64 * 1024;

test("objects in a ring of memory are found until it is wanted again, then they are gone", () => {
  const cache = new TailCache(1_000_000);
  const memory = new SegmentMemory(RING_BYTES);
  const keys = Array.from({ length: 10 }, (_, at) => objectKey(`wal/${at}`));
  for (const [at, key] of keys.entries()) {
    addHeld({ cache, memory }, key, [RING_BYTES / 4 - 1_000, 500], at);
    const found = keys.map((each) => cache.object(each, { position: 100, byteLength: 3 })?.[0]?.[0]);
    expect(found).toEqual(keys.map((_, index) => (index <= at && index > at - 4 ? index : undefined)));
  }
  expect(cache.retainedBytes).toBe(0);
});

test("what a reader was given of a ring stays when the ring turns", () => {
  const cache = new TailCache(1_000_000);
  const memory = new SegmentMemory(RING_BYTES);
  addHeld({ cache, memory }, KEY, [10_000, 20_000], 7);
  const borrowed = new Borrowed();
  const found = [
    cache.object(KEY, { position: 0, byteLength: 10_000 }),
    cache.object(KEY, { position: 10_000, byteLength: 20_000 }, borrowed),
    cache.object(KEY, { position: 15_000, byteLength: 100 }, borrowed),
  ];
  addHeld({ cache, memory }, objectKey("wal/2"), [RING_BYTES], 8);
  expect(cache.object(KEY, { position: 0, byteLength: 1 })).toBeUndefined();
  for (const chunks of found) expect(joined(chunks ?? []).every((byte) => byte === 7)).toBe(true);
  expect(found.map((chunks) => joined(chunks ?? []).byteLength)).toEqual([10_000, 20_000, 100]);
});

test("copies that were lent are used again only when they were given back", () => {
  const cache = new TailCache(1_000_000);
  const memory = new SegmentMemory(16 * RING_BYTES);
  addHeld({ cache, memory }, KEY, [300_000], 7);
  addHeld({ cache, memory }, objectKey("wal/2"), [300_000], 8);
  const range = { position: 0, byteLength: 300_000 };
  const first = new Borrowed();
  const sevens = defined(cache.object(KEY, range, first)?.[0]);
  const eights = defined(cache.object(objectKey("wal/2"), range, new Borrowed())?.[0]);
  const kept = defined(cache.object(objectKey("wal/2"), range)?.[0]);
  expect(sevens.every((byte) => byte === 7)).toBe(true);
  first.release();
  first.release();
  const again = [0, 1].map(() => defined(cache.object(objectKey("wal/2"), range, new Borrowed())?.[0]));
  expect(again[0]?.buffer).toBe(sevens.buffer);
  const buffers = new Set([eights, kept, ...again].map(({ buffer }) => buffer));
  expect(buffers.size).toBe(4);
});

test("memory that is evicted late does not take an object that came under its key meanwhile", () => {
  const cache = new TailCache(1_000_000);
  const memory = new SegmentMemory(RING_BYTES);
  addHeld({ cache, memory }, KEY, [RING_BYTES / 2], 7);
  addHeld({ cache, memory }, KEY, [RING_BYTES / 2], 8);
  addHeld({ cache, memory }, objectKey("wal/2"), [RING_BYTES / 2], 9);
  expect(cache.object(KEY, { position: 0, byteLength: 1 })?.[0]?.[0]).toBe(8);
});

test("without room nothing is kept, in a ring or not", () => {
  const cache = new TailCache(0);
  addHeld({ cache, memory: new SegmentMemory(RING_BYTES) }, KEY, [100], 7);
  expect(cache.object(KEY, { position: 0, byteLength: 1 })).toBeUndefined();
});
