import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { lastOffsetOf, readBatchHeader } from "#lib/record/record-batch.ts";
import {
  CorruptObjectError,
  ObjectNotFoundError,
  type ObjectStore,
  StoreUnavailableError,
} from "#lib/storage/object-store.ts";
import type { LogRecipe, StoredRun } from "#lib/storage/segments/compose-log.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { assert, defined } from "#lib/util/assert.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import type { ObjectStoreUnderTest } from "./object-store.ts";

const signal = new AbortController().signal;
const target = objectKey("segments/0000000001/ab/t-0/00000000000000000070.log");

/** As it is stored: with base offset 0. */
function storedBatch(records: number, valueBytes: number): Buffer {
  const value = Buffer.alloc(valueBytes, records);
  const record = { timestampMs: 1_000 + valueBytes, key: null, value, headers: [] };
  return Buffer.from(
    buildBatch(
      Array.from({ length: records }, () => record),
      { partitionLeaderEpoch: 0 },
    ),
  );
}

interface Stored {
  readonly recipe: LogRecipe & { readonly runs: readonly StoredRun[] };
  /** What its log holds. */
  readonly log: Buffer;
}

/** Puts objects with a run each, from offset 70 on, between bytes of others that end at no page boundary. */
async function stored(store: ObjectStore, runsOfBatches: readonly (readonly Buffer[])[]): Promise<Stored> {
  let offset = 70;
  const runs: StoredRun[] = [];
  const log: Buffer[] = [];
  for (const [index, batches] of runsOfBatches.entries()) {
    const key = objectKey(`wal/0000000001/ab/${index}`);
    const before = Buffer.alloc(index * 1_237, 255);
    await store.putIfAbsent(key, [before, ...batches, Buffer.alloc(index * 5_001, 254)], signal);
    const sizes = new ByteWriter();
    const baseOffset = offset;
    for (const batch of batches) {
      const placed = Buffer.from(batch);
      placed.writeBigInt64BE(BigInt(offset), 0);
      log.push(placed);
      const count = lastOffsetOf(readBatchHeader(batch)) + 1;
      sizes.uvarint(batch.byteLength).uvarint(count);
      offset += count;
    }
    const byteLength = Buffer.concat(batches).byteLength;
    runs.push({ key, position: before.byteLength, byteLength, baseOffset, batches: sizes.toBytes() });
  }
  return { recipe: { baseOffset: 70, runs }, log: Buffer.concat(log) };
}

/** What every `ObjectStore` promises that makes logs by itself. `make` answers an empty one. */
export function composeLogContract(name: string, make: () => Promise<ObjectStoreUnderTest>): void {
  describe(`${name} makes logs as an ObjectStore may`, () => {
    let under: ObjectStoreUnderTest;
    let store: ObjectStore;

    beforeEach(async () => {
      under = await make();
      store = under.store;
    });

    afterEach(async () => {
      await under[Symbol.asyncDispose]();
    });

    const compose = (recipe: LogRecipe, key: ObjectKey = target) => {
      assert(store.composeLog !== undefined, "the store makes logs");
      return store.composeLog(key, recipe, signal);
    };

    test("a log is its runs with their offsets, and what is answered is what its indexes are", async () => {
      const sizes = [1, 100, 4_000, 70_000, 1_100_000, 3];
      const { recipe, log } = await stored(
        store,
        sizes.map((size) => [storedBatch(3, size), storedBatch(1, 10), storedBatch(2, size)]),
      );
      const composed = await compose(recipe);
      const builder = new SegmentBuilder({ baseOffset: 70 });
      builder.add([log]);
      const { log: _, ...expected } = builder.finish();
      expect(composed).toEqual(expected);
      for (const reader of [store, under.other]) {
        expect(Buffer.compare(await reader.get(target, signal), log)).toBe(0);
      }
    });

    test("what lies in no object comes with the recipe, and is not changed", async () => {
      const batches = [1, 2, 3, 1, 2].map((records) => storedBatch(records, 3_000));
      const { recipe, log } = await stored(
        store,
        batches.map((batch) => [batch]),
      );
      const runs = recipe.runs.map(({ baseOffset, batches: sizes, ...run }, index) => {
        const bytes = new Uint8Array(defined(batches[index]));
        return index % 2 === 0 ? { bytes, baseOffset, batches: sizes } : { ...run, baseOffset, batches: sizes };
      });
      expect(await compose({ ...recipe, runs })).toMatchObject({ logByteLength: log.byteLength, nextOffset: 79 });
      expect(Buffer.compare(await store.get(target, signal), log)).toBe(0);
      const [first] = runs;
      assert(first !== undefined && "bytes" in first, "the first is given");
      expect(Buffer.compare(first.bytes, defined(batches[0]))).toBe(0);
      first.bytes.fill(7, 70, 80);
      const other = objectKey(target.replace("/ab/", "/cd/"));
      await expect(compose({ ...recipe, runs }, other)).rejects.toThrow("offset 70");
      await expect(store.get(other, signal)).rejects.toThrow(ObjectNotFoundError);
    });

    test("of an object that is missing, cut or damaged no log is made", async () => {
      const { recipe } = await stored(store, [[storedBatch(1, 500)], [storedBatch(1, 9_000), storedBatch(2, 700)]]);
      const [first, second] = recipe.runs;
      assert(first !== undefined && second !== undefined, "two runs");
      const without = (run: Partial<StoredRun>): LogRecipe => ({ ...recipe, runs: [first, { ...second, ...run }] });
      const { key, position } = second;
      await expect(compose(without({ key: objectKey("wal/0000000001/no/no") }))).rejects.toThrow(ObjectNotFoundError);
      const cut = objectKey("wal/0000000001/ab/cut");
      const bytes = await store.get(key, signal);
      await store.putIfAbsent(cut, [bytes.subarray(0, position + 9_100)], signal);
      await expect(compose(without({ key: cut }))).rejects.toThrow(CorruptObjectError);
      for (const at of [8, 16, 17, 26, 61, 9_200]) {
        const damaged = objectKey(`wal/0000000001/ab/damaged-${at}`);
        const other = Buffer.from(bytes);
        other[position + at] = (other[position + at] ?? 0) ^ 1;
        await store.putIfAbsent(damaged, [other], signal);
        await expect(compose(without({ key: damaged })), `byte ${at}`).rejects.toThrow(CorruptObjectError);
      }
      await expect(store.get(target, signal)).rejects.toThrow(ObjectNotFoundError);
    });

    test("nothing takes the place of what lies under its key", async () => {
      const { recipe } = await stored(store, [[storedBatch(1, 500)]]);
      await store.putIfAbsent(target, [Buffer.from("first")], signal);
      await expect(compose(recipe)).rejects.toThrow(StoreUnavailableError);
      expect(Buffer.from(await store.get(target, signal)).toString()).toBe("first");
    });
  });
}
