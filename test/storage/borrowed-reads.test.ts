import { describe, expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { ObjectRef } from "#lib/storage/copy-reader.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import { ReadMemory } from "#lib/storage/read-memory.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import { objectKey } from "#lib/util/branded.ts";
import { MIB, READ_MEMORY_FREE_BYTES_MAX, READ_MEMORY_STEP_BYTES } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const never = new AbortController().signal;

/** Several objects whose bytes differ everywhere, and a reader whose cache holds a fraction of them. */
function setUp() {
  const clock = new ManualClock();
  const service = new MemoryObjectService(clock);
  const objects = Array.from({ length: 6 }, (_, number): ObjectRef & { readonly bytes: Uint8Array } => {
    const byteLength = (number + 1) * 700_001;
    const bytes = new Uint8Array(byteLength).fill(number + 1);
    for (let at = 0; at < byteLength; at += 997) bytes[at] = (at / 997) % 256;
    const key = objectKey(`wal/${number}`);
    service.put(key, bytes.slice());
    return { key, byteLength, copies: [0], bytes };
  });
  const reader = new RangeReader({
    stores: new StoreSet(new Map([[0, new MemoryObjectStore(service, { clock })]])),
    clock,
    logger: SILENT_LOGGER,
    cacheBytesMax: 3 * MIB,
  });
  return { reader, objects };
}

describe("borrowed reads", () => {
  test("stay as they are until they are released, however much is read meanwhile", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = new SeededRandom(seed);
      const { reader, objects } = setUp();
      const open: {
        readonly borrowed: Borrowed;
        readonly views: readonly Uint8Array[];
        readonly expected: Uint8Array;
      }[] = [];
      const check = (count: number) => {
        for (const { borrowed, views, expected } of open.splice(0, count)) {
          expect(Buffer.compare(Buffer.concat(views), expected), `seed ${seed}`).toBe(0);
          borrowed.release();
        }
      };
      for (let round = 0; round < 60; round++) {
        const together = Array.from({ length: 1 + random.below(4) }, async () => {
          const object = objects[random.below(objects.length)] ?? expect.fail();
          const position = random.below(object.byteLength);
          const byteLength = 1 + random.below(object.byteLength - position);
          const borrowed = new Borrowed();
          const views = await reader.read(object, { position, byteLength }, { signal: never, borrowed });
          open.push({ borrowed, views, expected: object.bytes.subarray(position, position + byteLength) });
        });
        await Promise.all(together);
        check(random.below(open.length + 1));
      }
      check(open.length);
    }
  });

  test("use memory again that was released, and never memory of a read without a collector", async () => {
    const { reader, objects } = setUp();
    const [first, second] = objects;
    if (first === undefined || second === undefined) return expect.fail();
    const whole = (object: ObjectRef) => ({ position: 0, byteLength: object.byteLength });
    const [kept] = await reader.read(second, whole(second), { signal: never });
    const seen = new Set<ArrayBufferLike>();
    let reads = 0;
    for (let round = 0; round < 10; round++) {
      for (const object of objects) {
        const borrowed = new Borrowed();
        const views = await reader.read(object, whole(object), { signal: never, borrowed });
        for (const { buffer } of views) seen.add(buffer);
        reads += views.length;
        borrowed.release();
      }
    }
    expect(seen.size).toBeLessThan(reads / 3);
    expect(Buffer.compare(kept ?? expect.fail(), second.bytes), "what nobody has to give back").toBe(0);
  });

  test("given up by their caller they hold nothing", async () => {
    const { reader, objects } = setUp();
    const object = objects[3] ?? expect.fail();
    const range = { position: 0, byteLength: object.byteLength };
    const controller = new AbortController();
    const borrowed = new Borrowed();
    const read = reader.read(object, range, { signal: controller.signal, borrowed });
    controller.abort(new Error("given up"));
    await expect(read).rejects.toThrow("given up");
    expect(borrowed.isEmpty).toBe(true);
    const [view] = await reader.read(object, range, { signal: never, borrowed });
    expect(view?.[1]).toBe(object.bytes[1]);
    borrowed.release();
  });
});

describe("ReadMemory", () => {
  test("gives back-given memory to reads of about the same size, and keeps no more than its bound", () => {
    const memory = new ReadMemory();
    const block = memory.take(READ_MEMORY_STEP_BYTES - 5);
    memory.giveBack(block);
    const again = memory.take(READ_MEMORY_STEP_BYTES - 9_000);
    expect(again.buffer).toBe(block.buffer);
    expect(again).toHaveLength(READ_MEMORY_STEP_BYTES - 9_000);
    const many = Array.from({ length: 100 }, () => memory.take(MIB));
    for (const each of many) memory.giveBack(each);
    expect(memory.freeBytes).toBe(READ_MEMORY_FREE_BYTES_MAX);
  });

  test("keeps the sizes that came back last, however much of others lies there unused", () => {
    const memory = new ReadMemory();
    const unused = Array.from({ length: 40 }, () => memory.take(MIB));
    for (const each of unused) memory.giveBack(each);
    const wanted = memory.take(3 * MIB);
    memory.giveBack(wanted);
    expect(memory.freeBytes).toBeLessThanOrEqual(READ_MEMORY_FREE_BYTES_MAX);
    expect(memory.take(3 * MIB).buffer).toBe(wanted.buffer);
  });

  test("lends what is a little too large, the smallest first, and nothing that is far too large", () => {
    const memory = new ReadMemory();
    const blocks = [5, 4, 3].map((steps) => memory.take(steps * READ_MEMORY_STEP_BYTES));
    for (const each of blocks.toReversed()) memory.giveBack(each);
    const taken = [3, 3, 3].map((steps) => memory.take(steps * READ_MEMORY_STEP_BYTES - 1));
    expect(taken.map(({ buffer }) => blocks.findIndex((block) => block.buffer === buffer))).toEqual([2, 1, -1]);
    expect(taken.map(({ byteLength }) => byteLength)).toEqual(
      [3, 3, 3].map((steps) => steps * READ_MEMORY_STEP_BYTES - 1),
    );
  });

  test("little reads get memory of their own", () => {
    const memory = new ReadMemory();
    const little = memory.take(100);
    expect(little.buffer.byteLength).toBe(100);
    memory.giveBack(little);
    expect(memory.freeBytes).toBe(0);
  });
});
