import { expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { meterStores } from "#lib/storage/metered-store.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";

const NEVER = new AbortController().signal;

test("reads and their bytes are counted by kind of object, failed reads too", async () => {
  const telemetry = new MetricRegistry();
  const clock = new ManualClock();
  const bare = new MemoryObjectStore(new MemoryObjectService(clock), { clock });
  const store = meterStores(new StoreSet(new Map([[0, bare]])), telemetry).store(0);
  const key = objectKey("segments/0000000001/ab/t-0/00000000000000000000.log");
  await store.putIfAbsent(key, [new Uint8Array(10)], NEVER);
  await store.get(key, NEVER);
  await store.getRange(key, { position: 2, byteLength: 3 }, NEVER);
  await expect(store.get(objectKey("wal/0000000001/ab/cd"), NEVER)).rejects.toThrow();
  const counts = telemetry
    .samples()
    .flatMap((each) => (each.metric.kind === "counter" && "samples" in each ? [[each.metric.name, each.samples]] : []));
  expect(counts).toEqual([
    [
      "millrace_object_reads_total",
      [
        { labels: { kind: "segments" }, value: 2 },
        { labels: { kind: "wal" }, value: 1 },
      ],
    ],
    ["millrace_object_read_bytes_total", [{ labels: { kind: "segments" }, value: 13 }]],
  ]);
});

test("what a store reads to make a log is counted, and a store that makes none is none that does", async () => {
  const telemetry = new MetricRegistry();
  const clock = new ManualClock();
  const service = new MemoryObjectService(clock);
  const wrapped = (composes: boolean) =>
    watchStores(
      meterStores(new StoreSet(new Map([[0, new MemoryObjectStore(service, { clock, composes })]])), telemetry),
      new StoreHealth(clock),
    ).store(0);
  expect(wrapped(false).composeLog).toBeUndefined();
  const batch = buildBatch([{ timestampMs: 1, key: null, value: Buffer.from("x"), headers: [] }], {
    partitionLeaderEpoch: 0,
  });
  const store = wrapped(true);
  const run = { key: objectKey("wal/0000000001/ab/cd"), position: 0, byteLength: batch.byteLength, baseOffset: 9 };
  await store.putIfAbsent(run.key, [batch], NEVER);
  const recipe = { baseOffset: 9, runs: [{ ...run, batches: Uint8Array.of(batch.byteLength, 1) }] };
  const key = objectKey("segments/0000000001/ab/t-0/00000000000000000009.log");
  expect(await store.composeLog?.(key, recipe, NEVER)).toMatchObject({ nextOffset: 10, batchCount: 1 });
  const [reads] = telemetry.samples().flatMap((each) => ("samples" in each ? [each.samples] : []));
  expect(reads).toEqual([{ labels: { kind: "wal" }, value: 1 }]);
});
