import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreCall,
  type StoreFault,
} from "#lib/adapters/memory/memory-object-store.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { LostCopy, ObjectRef } from "#lib/storage/copy-reader.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { objectKey } from "#lib/util/branded.ts";
import {
  BLOCK_BYTES,
  BLOCK_RUN_BYTES_MAX,
  MIB,
  READ_AHEAD_PENDING_BYTES_MAX,
  STORE_READ_MS_MAX,
} from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const never = new AbortController().signal;

interface Setup {
  readonly byteLength?: number;
  readonly copies?: readonly number[];
  readonly cacheBytesMax?: number;
  readonly readAheadBytes?: number;
}

function setUp({ byteLength = 10 * MIB + 17, copies = [0, 1], ...options }: Setup = {}) {
  const clock = new ManualClock();
  const calls: (StoreCall & { readonly storeId: number })[] = [];
  const lost: LostCopy[] = [];
  const faults = new Map<number, StoreFault>();
  const services = [0, 1, 2].map(() => new MemoryObjectService(clock));
  const stores = services.map((service, storeId) => {
    const plan = (call: StoreCall) => {
      calls.push({ ...call, storeId });
      return faults.get(storeId);
    };
    return [storeId, new MemoryObjectStore(service, { clock, faults: plan })] as const;
  });
  const object: ObjectRef = { key: objectKey("wal/0000000001/ab/cd"), byteLength, copies };
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength; at += 509) bytes[at] = at % 251;
  for (const id of copies) services[id]?.put(object.key, bytes.slice());
  const reader = new RangeReader({
    stores: new StoreSet(new Map(stores)),
    clock,
    logger: SILENT_LOGGER,
    onCopyLost: (copy) => lost.push(copy),
    readAheadBytes: 0,
    ...options,
  });
  const read = async (position: number, length: number) =>
    Buffer.concat(await reader.read(object, { position, byteLength: length }, { signal: never }));
  const expectRead = async (position: number, length: number) => {
    const found = await read(position, length);
    expect(Buffer.compare(found, bytes.subarray(position, position + length)), `${position}+${length}`).toBe(0);
  };
  const ranges = () => calls.map(({ range }) => [(range?.position ?? 0) / MIB, (range?.byteLength ?? 0) / MIB]);
  return { clock, services, reader, object, bytes, read, expectRead, calls, ranges, lost, faults };
}

describe("RangeReader", () => {
  test("any ranges in any order read as the object's bytes, whatever the cache holds", async () => {
    const range = fc.tuple(fc.nat(4 * MIB), fc.integer({ min: 1, max: 3 * MIB }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(range, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(0, 2 * MIB, 64 * MIB),
        fc.constantFrom(0, 2 * MIB),
        async (ranges, cacheBytesMax, readAheadBytes) => {
          const { expectRead, reader } = setUp({ byteLength: 7 * MIB + 3, cacheBytesMax, readAheadBytes });
          for (const [position, length] of ranges) await expectRead(position, length);
          await Promise.all(ranges.map(([position, length]) => expectRead(position, length)));
          expect(reader.cachedBytes).toBeLessThanOrEqual(cacheBytesMax);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("a range within one block is one view of the block's array, and read from the store once", async () => {
    const { reader, object, calls } = setUp();
    const first = await reader.read(object, { position: 100, byteLength: 50 }, { signal: never });
    const again = await reader.read(object, { position: 120, byteLength: 10 }, { signal: never });
    expect(first).toHaveLength(1);
    expect(again[0]?.buffer).toBe(first[0]?.buffer);
    expect(calls).toHaveLength(1);
  });

  test("adjacent missing blocks are one read, up to the size of a run", async () => {
    const { expectRead, ranges } = setUp();
    await expectRead(MIB + 5, 2 * MIB);
    expect(ranges()).toEqual([[1, 3]]);
    await expectRead(0, 10 * MIB);
    expect(ranges().slice(1)).toEqual([
      [0, 1],
      [4, BLOCK_RUN_BYTES_MAX / MIB],
      [8, 2],
    ]);
  });

  test("a missing block is loaded once however many wait for it", async () => {
    const { expectRead, calls } = setUp();
    await Promise.all(Array.from({ length: 20 }, (_, index) => expectRead(index * 1_000, 3 * MIB - 20_000)));
    expect(calls).toHaveLength(1);
  });

  test("a small object is read whole", async () => {
    const { expectRead, ranges } = setUp({ byteLength: 2 * MIB });
    await expectRead(MIB + 1, 1);
    await expectRead(0, 2 * MIB);
    expect(ranges()).toEqual([[0, 2]]);
  });

  test("the cache stays within its bytes and forgets what was used least recently", async () => {
    const { expectRead, reader, calls } = setUp({ cacheBytesMax: 3 * MIB });
    for (const block of [0, 1, 2, 0, 3]) await expectRead(block * MIB, 10);
    expect(reader.cachedBytes).toBe(3 * MIB);
    const before = calls.length;
    await expectRead(0, 10);
    expect(calls).toHaveLength(before);
    await expectRead(MIB, 10);
    expect(calls).toHaveLength(before + 1);
  });

  test("a sequential reader finds the next blocks loaded; a random one causes no read-ahead", async () => {
    const { expectRead, ranges, clock } = setUp({ readAheadBytes: 2 * MIB });
    await expectRead(0, MIB);
    expect(ranges()).toEqual([[0, 1]]);
    await expectRead(MIB, MIB);
    await clock.endOfTurn();
    expect(ranges().slice(1)).toEqual([
      [1, 1],
      [2, 2],
    ]);
    await expectRead(2 * MIB, MIB);
    await expectRead(3 * MIB, MIB);
    await clock.endOfTurn();
    expect(
      ranges()
        .slice(3)
        .every(([position]) => (position ?? 0) >= 4),
    ).toBe(true);
    const random = setUp({ readAheadBytes: 2 * MIB });
    for (const block of [7, 2, 9, 4]) await random.expectRead(block * MIB, 10);
    await random.clock.endOfTurn();
    expect(random.calls).toHaveLength(4);
  });

  test("read-ahead of all readers together is bounded, and its failure is left to who reads", async () => {
    const { reader, object, faults, calls, clock, expectRead } = setUp({ byteLength: 40 * MIB, copies: [0] });
    faults.set(0, { kind: "unavailable" });
    for (let position = 0; position < object.byteLength; position += 4 * MIB) {
      reader.prefetch(object, { position, byteLength: 4 * MIB });
    }
    await clock.endOfTurn();
    const bytes = calls.reduce((sum, call) => sum + (call.storeId === 0 ? (call.range?.byteLength ?? 0) : 0), 0);
    expect(bytes).toBe(READ_AHEAD_PENDING_BYTES_MAX);
    faults.clear();
    await expectRead(0, 100);
  });

  test("read-ahead that finds no room is begun by a later read of the sequence", async () => {
    const { reader, object, services, faults, clock, expectRead, ranges, calls } = setUp({
      byteLength: 20 * MIB,
      copies: [0],
      readAheadBytes: 4 * MIB,
    });
    const other: ObjectRef = { ...object, key: objectKey("wal/0000000001/ab/ef") };
    services[0]?.put(other.key, new Uint8Array(other.byteLength));
    await expectRead(0, MIB);
    faults.set(0, { kind: "slow", delayMs: 100 });
    reader.prefetch(other, { position: 0, byteLength: READ_AHEAD_PENDING_BYTES_MAX });
    faults.clear();
    await expectRead(MIB, MIB);
    await clock.advance(100);
    calls.length = 0;
    await expectRead(2 * MIB, MIB);
    await clock.endOfTurn();
    expect(ranges()).toEqual([
      [2, 1],
      [3, 4],
    ]);
  });

  test("a copy that is missing or short is passed over and reported once per read", async () => {
    for (const fault of [{ kind: "missing" }, { kind: "short", byteLength: 5 }] as const) {
      const { expectRead, faults, lost, object } = setUp();
      faults.set(0, fault);
      await expectRead(10, 100);
      const kind = fault.kind === "missing" ? "missing" : "damaged";
      expect(lost).toMatchObject([{ object: { key: object.key }, storeId: 0, kind }]);
    }
  });

  test("a store that does not answer in time is passed over, without a report of loss", async () => {
    const { read, faults, lost, clock, bytes } = setUp();
    faults.set(0, { kind: "hang" });
    expect(await clock.run(read(10, 100))).toEqual(Buffer.from(bytes.subarray(10, 110)));
    // As long as a silent store takes to become suspect, and not as long as the last one may take.
    expect(clock.monotonicMs()).toBeLessThan(STORE_READ_MS_MAX / 2);
    expect(lost).toEqual([]);
    expect(clock.timerCount).toBe(0);
  });

  test("the only store that has an object is waited for as long as a read may take", async () => {
    const { read, faults, clock, bytes } = setUp({ copies: [0] });
    faults.set(0, { kind: "slow", delayMs: STORE_READ_MS_MAX - 1 });
    expect(await clock.run(read(10, 100))).toEqual(Buffer.from(bytes.subarray(10, 110)));
  });

  test("another store of the deployment is asked last, and not having it is no loss there", async () => {
    const { expectRead, services, lost, bytes, object } = setUp();
    services[2]?.put(object.key, bytes.slice());
    services[0]?.clear();
    services[1]?.clear();
    await expectRead(10, 100);
    expect(lost.map((copy) => copy.storeId)).toEqual([0, 1]);
  });

  test("the error says the worst that may be: silence, then damage, then absence", async () => {
    const { read, services, faults, object } = setUp();
    services[0]?.clear();
    services[1]?.clear();
    await expect(read(0, 10)).rejects.toBeInstanceOf(ObjectNotFoundError);
    services[1]?.put(object.key, new Uint8Array(5));
    await expect(read(0, 10)).rejects.toBeInstanceOf(CorruptObjectError);
    faults.set(0, { kind: "unavailable" });
    await expect(read(0, 10)).rejects.toBeInstanceOf(StoreUnavailableError);
    faults.clear();
    const unconfigured = setUp({ copies: [7] });
    await expect(unconfigured.read(0, 10)).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  test("a failure is not remembered", async () => {
    const { read, faults, expectRead } = setUp();
    for (const id of [0, 1, 2]) faults.set(id, { kind: "unavailable" });
    await expect(read(0, 10)).rejects.toBeInstanceOf(StoreUnavailableError);
    faults.clear();
    await expectRead(0, 10);
  });

  test("bytes found damaged are read from the other copy next time, and from all in turn", async () => {
    const { reader, object, services, read, expectRead, lost } = setUp();
    const range = { position: MIB, byteLength: 10 };
    services[0]?.damage(object.key, MIB + 3);
    await read(range.position, range.byteLength);
    expect(reader.distrust(object, range)).toBe(true);
    await expectRead(range.position, range.byteLength);
    expect(lost).toEqual([{ object, storeId: 0, kind: "damaged", problem: "its bytes are damaged" }]);
    expect(reader.distrust(object, range)).toBe(true);
    expect(reader.distrust(object, range)).toBe(false);
    services[0]?.damage(object.key, MIB + 3);
    await expectRead(range.position, range.byteLength);
  });

  test("the only copy is damaged: the stores that have none are asked once, and not for ever", async () => {
    const { reader, read, object, services } = setUp({ copies: [0] });
    const range = { position: MIB, byteLength: 10 };
    services[0]?.damage(object.key, MIB + 3);
    await read(range.position, range.byteLength);
    expect(reader.distrust(object, range)).toBe(true);
    await read(range.position, range.byteLength);
    expect(reader.distrust(object, range)).toBe(false);
  });

  test("one caller's abort ends its own wait and not the load that another waits for", async () => {
    const { reader, object, faults, clock, bytes } = setUp();
    faults.set(0, { kind: "slow", delayMs: 100 });
    const controller = new AbortController();
    const range = { position: 0, byteLength: 10 };
    const aborted = reader.read(object, range, { signal: controller.signal });
    const other = reader.read(object, range, { signal: never });
    controller.abort(new Error("gone"));
    await expect(aborted).rejects.toThrow("gone");
    expect(Buffer.concat(await clock.run(other))).toEqual(Buffer.from(bytes.subarray(0, 10)));
  });

  test("a reference beyond the object's end is damage", async () => {
    const { read, object } = setUp();
    await expect(read(object.byteLength - 5, 6)).rejects.toBeInstanceOf(CorruptObjectError);
  });

  test("a closed reader ends its loads", async () => {
    const { reader, read, faults } = setUp();
    faults.set(0, { kind: "hang" });
    const pending = read(0, 10);
    reader[Symbol.dispose]();
    await expect(pending).rejects.toThrow("closed");
  });

  test("many readers of many objects read what they ask for", async () => {
    const random = new SeededRandom(9);
    const { expectRead } = setUp({ cacheBytesMax: 4 * MIB, readAheadBytes: MIB });
    const reads = Array.from({ length: 60 }, () => expectRead(random.below(9 * MIB), 1 + random.below(BLOCK_BYTES)));
    await Promise.all(reads);
  });
});
