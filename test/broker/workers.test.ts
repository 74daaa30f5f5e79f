import { expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { batchOf, createTopic, produce, readAll } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";

const never = new AbortController().signal;
/** Too large to be inlined. */
const LARGE = 20_000;

test("workers by hand make segments of entries, delete what is left of them, and find nothing a second time", async () => {
  const clock = new SystemClock();
  const objects = new MemoryObjectService(clock);
  await using memory = await startMemoryBroker({ store: new MemoryObjectStore(objects, { clock }) });
  const connection = await memory.connect();
  const { chores } = memory.broker;
  const work = async (name: WorkerName): Promise<number> => {
    for (let total = 0; ; ) {
      const count = await chores.work(name, { isForced: true, signal: never });
      if (count === 0) return total;
      total += count;
    }
  };
  const keys = (prefix: string) => objects.sortedKeys().filter((key) => key.startsWith(prefix));
  await createTopic(connection, "t");
  const values = ["inlined", "a".repeat(LARGE), "b".repeat(LARGE), "inlined too"];
  for (const value of values) await produce(connection, { topic: "t" }, batchOf([value]));
  expect(keys("wal/").length).toBe(2);
  expect(keys("segments/")).toEqual([]);

  expect(await work("compactor")).toBe(1);
  expect(keys("segments/").map((key) => key.replace(/.*\//, ""))).toEqual([
    "00000000000000000000.index",
    "00000000000000000000.log",
    "00000000000000000000.timeindex",
  ]);
  expect(await readAll(connection, "t")).toEqual(values);
  expect(await work("garbage")).toBe(2);
  expect(keys("wal/")).toEqual([]);
  expect(await readAll(connection, "t")).toEqual(values);
  for (const name of ["compactor", "cleaner", "garbage", "retention", "replicator", "expirer"] as const) {
    expect([name, await work(name)]).toEqual([name, 0]);
  }
  // A record that comes behind the floor that the garbage collector has set is written above it.
  await produce(connection, { topic: "t" }, batchOf(["c".repeat(LARGE)]));
  expect(await readAll(connection, "t")).toEqual([...values, "c".repeat(LARGE)]);
});
