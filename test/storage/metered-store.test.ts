import { expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { meterStores } from "#lib/storage/metered-store.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
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
