import { expect, test } from "vitest";
import { objectKey } from "#lib/util/branded.ts";
import { COMPOSED_RUN_BYTES_MIN } from "#lib/util/limits.ts";
import { batchOf, CompactorWorld } from "./compactor-world.ts";

const LARGE = 2 * COMPOSED_RUN_BYTES_MIN;

/** Two partitions of one journal, in the same objects. */
async function filled(replicationFactor: number, valueBytes = LARGE): Promise<CompactorWorld> {
  const world = new CompactorWorld({ replicationFactor });
  for (let flush = 0; flush < 3; flush++) {
    await world.append([
      [0, [batchOf(valueBytes), batchOf(100)]],
      [2, [batchOf(valueBytes + flush)]],
    ]);
  }
  return world;
}

async function compacted(world: CompactorWorld, worker: ReturnType<CompactorWorld["worker"]>): Promise<void> {
  const before = new Map<number, Uint8Array>();
  for (const partition of [0, 2]) before.set(partition, await world.fetchAll(partition));
  expect(await worker.run(true)).toBe(2);
  for (const partition of before.keys()) {
    const { entries, segments } = await world.partition(partition);
    expect(entries).toEqual([]);
    expect(segments).toHaveLength(1);
    expect(await world.logs(partition)).toEqual(before.get(partition));
    expect(await world.fetchAll(partition)).toEqual(before.get(partition));
  }
}

test("stores that can make the logs themselves, and the entries do not come to the compactor", async () => {
  for (const replicationFactor of [1, 2]) {
    const world = await filled(replicationFactor);
    const worker = world.worker({ composers: [0, 1] });
    await compacted(world, worker);
    expect((await world.partition()).segments[0]?.copies).toEqual(replicationFactor === 1 ? [0] : [0, 1]);
    expect(worker.count("getRange") + worker.count("get")).toBe(0);
    expect(worker.count("composeLog")).toBe(2 * replicationFactor);
    expect(worker.calls.filter((call) => call.endsWith(".log")).every((call) => call.includes("composeLog"))).toBe(
      true,
    );
    expect((await world.unreferenced()).filter((key) => !key.startsWith("wal/"))).toEqual([]);
    expect(worker.warnings).toEqual([]);
  }
});

test("one store that cannot is reason enough to read the entries", async () => {
  const world = await filled(2);
  const worker = world.worker({ composers: [1] });
  await compacted(world, worker);
  expect(worker.count("composeLog")).toBe(0);
});

test("small entries are read with their neighbours, each object once for all partitions of a journal", async () => {
  const world = await filled(1, 1_000);
  const worker = world.worker({ composers: [0] });
  await compacted(world, worker);
  expect(worker.count("composeLog")).toBe(0);
});

test("a few entries that lie in the journal are sent to the store, and are no reason to read the others", async () => {
  const world = new CompactorWorld();
  for (const inline of [true, false, true, true, false]) {
    await world.append([[0, [batchOf(inline ? 100 : 4 * LARGE), batchOf(50)]]], { inline });
  }
  const before = await world.fetchAll();
  const worker = world.worker({ composers: [0] });
  expect(await worker.run(true)).toBe(1);
  expect((await world.partition()).entries).toEqual([]);
  expect(await world.logs()).toEqual(before);
  expect(worker.count("getRange") + worker.count("get")).toBe(0);
  expect(worker.count("composeLog")).toBe(1);
});

test("entries that a store of the partition has not are read where they are", async () => {
  const world = new CompactorWorld({ replicationFactor: 2 });
  await world.append([[0, [batchOf(LARGE)]]]);
  world.world.storeServices[1]?.clear();
  const before = await world.fetchAll();
  const worker = world.worker({ composers: [0, 1] });
  expect(await worker.run(true)).toBe(1);
  expect(await world.logs()).toEqual(before);
});

test("damage that a store meets is met again by the compactor, which reads the other copy and tells", async () => {
  const world = new CompactorWorld({ replicationFactor: 2 });
  const key = await world.append([[0, [batchOf(LARGE)]]]);
  await world.append([[0, [batchOf(LARGE)]]]);
  const before = await world.fetchAll();
  world.world.storeServices[0]?.damage(objectKey(key), 5_000);
  const worker = world.worker({ composers: [0, 1] });
  expect(await worker.run(true)).toBe(1);
  expect(worker.warnings.join()).toContain("copy lost");
  expect(await world.logs()).toEqual(before);
});

test("a log that was made though the answer got lost is garbage, and the segment is made all the same", async () => {
  const world = await filled(1);
  const worker = world.worker({
    composers: [0],
    storeFaults: ({ operation }) => (operation === "composeLog" ? { kind: "lost-answer" } : undefined),
  });
  await compacted(world, worker);
  const logs = (await world.unreferenced()).filter((key) => key.endsWith(".log"));
  expect(logs).toHaveLength(2);
});

test("a store that does not come to the end of a log is left in peace for an hour, and entries are read meanwhile", async () => {
  const world = await filled(1);
  const worker = world.worker({
    composers: [0],
    storeFaults: ({ operation }) => (operation === "composeLog" ? { kind: "hang" } : undefined),
  });
  // The two that were begun together.
  await compacted(world, worker);
  expect(worker.count("composeLog")).toBe(2);
  expect(worker.warnings.join()).toContain("does not come to the end of a log");
  await world.append([[0, [batchOf(LARGE)]]]);
  expect(await worker.run(true)).toBeGreaterThan(0);
  expect(worker.count("composeLog")).toBe(2);
});

test("a store that makes a small log together with large ones has the time of the large ones for it", async () => {
  const world = await filled(1);
  const worker = world.worker({
    composers: [0],
    storeFaults: ({ operation }) => (operation === "composeLog" ? { kind: "slow", delayMs: 60_000 } : undefined),
  });
  await compacted(world, worker);
  await world.append([[0, [batchOf(LARGE)]]]);
  expect(await worker.run(true)).toBeGreaterThan(0);
  expect(worker.count("composeLog")).toBe(3);
  expect(worker.warnings).toEqual([]);
});

test("partitions of all journals are left to their stores together, and a few at a time", async () => {
  const world = new CompactorWorld();
  for (let partition = 0; partition < 4; partition++) await world.append([[partition, [batchOf(LARGE)]]]);
  const before = await Promise.all([0, 1, 2, 3].map((partition) => world.fetchAll(partition)));
  const worker = world.worker({
    composers: [0],
    storeFaults: ({ operation }) => (operation === "composeLog" ? { kind: "slow", delayMs: 1_000 } : undefined),
  });
  const beganMs = world.world.clock.monotonicMs();
  expect(await worker.run(true)).toBe(4);
  expect(world.world.clock.monotonicMs() - beganMs).toBeLessThan(2_000);
  const composed = worker.calls.flatMap((call, at) => (call.includes("composeLog") ? [at] : []));
  expect(composed).toHaveLength(4);
  expect((composed[3] ?? 0) - (composed[0] ?? 0)).toBe(3);
  for (const [partition, log] of before.entries()) expect(await world.logs(partition)).toEqual(log);
});
