import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import type { OpenFile } from "#lib/adapters/local/file-port.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import { ReadGate } from "#lib/adapters/local/read-gate.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { objectKey } from "#lib/util/branded.ts";
import { STORE_READS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const never = new AbortController().signal;

/** A disk on which opening an object's file takes until somebody lets it go on. */
class HangingDisk extends NodeFilePort {
  openCount = 0;
  readonly goOn = deferred<void>();

  override async open(path: string): Promise<OpenFile> {
    if (!path.includes("/wal/")) return super.open(path);
    this.openCount++;
    await this.goOn.promise;
    return super.open(path);
  }
}

test("reads of a store that hangs take so many threads and no more, and all end when it goes on", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-gate-"));
  const files = new HangingDisk();
  const random = new SeededRandom(1);
  const options = { root: join(directory, "store-0"), random, logger: SILENT_LOGGER, owner: "broker-0", files };
  const store = await DirectoryObjectStore.create(options, newStoreMarker(0, random.bytes(16)));
  try {
    const keys = Array.from({ length: 3 * STORE_READS_AT_ONCE_MAX }, (_, n) => objectKey(`wal/0000000001/ab/${n}`));
    for (const key of keys) await store.putIfAbsent(key, [Buffer.from(key)], never);
    const leaving = new AbortController();
    const reads = keys.map((key, n) => store.get(key, n % 3 === 2 ? leaving.signal : never));
    leaving.abort(new Error("left"));
    const results = Promise.allSettled(reads);
    await expect(Promise.any(reads.filter((_, n) => n % 3 === 2))).rejects.toThrow();
    expect(files.openCount).toBe(STORE_READS_AT_ONCE_MAX);
    files.goOn.resolve();
    const ends = await results;
    expect(ends.filter(({ status }) => status === "fulfilled").length).toBe(2 * STORE_READS_AT_ONCE_MAX);
    // Those that left while they waited were never begun.
    expect(files.openCount).toBeLessThan(keys.length);
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  }
});

test("who fails leaves room, and who waits comes in in order", async () => {
  const gate = new ReadGate(1);
  const began: number[] = [];
  const first = deferred<void>();
  const works = [0, 1, 2].map((n) =>
    gate.run(never, async () => {
      began.push(n);
      await first.promise;
      if (n === 1) throw new Error("broken");
    }),
  );
  await Promise.resolve();
  expect(began).toEqual([0]);
  first.resolve();
  expect((await Promise.allSettled(works)).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(began).toEqual([0, 1, 2]);
});
