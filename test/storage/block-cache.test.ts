import { describe, expect, test } from "vitest";
import { BlockCache, BlockRun } from "#lib/storage/block-cache.ts";
import { objectKey } from "#lib/util/branded.ts";
import { MIB } from "#lib/util/limits.ts";

describe("BlockCache", () => {
  test("counts the memory of runs, which may be more than what was read into it", () => {
    const cache = new BlockCache(6 * MIB);
    const runs = [0, 1, 2, 3].map((number) => {
      const key = objectKey(`wal/${number}`);
      const bytes = new Uint8Array(new ArrayBuffer(2 * MIB), 0, MIB);
      return new BlockRun({ key, firstBlock: 0 }, { bytes, storeId: 0 }, () => {});
    });
    for (const run of runs) cache.add(run);
    expect(cache.heldBytes).toBe(6 * MIB);
    expect(runs.map(({ key }) => cache.has(key, 0))).toEqual([false, true, true, true]);
    for (const { key } of runs) cache.remove(key, 0);
    expect(cache.heldBytes).toBe(0);
  });
});
