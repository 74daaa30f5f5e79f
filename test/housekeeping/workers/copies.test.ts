import { expect, test } from "vitest";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreCall,
  type StoreFault,
} from "#lib/adapters/memory/memory-object-store.ts";
import { putEverywhere } from "#lib/housekeeping/workers/copies.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { STORE_PUT_MS_MAX, STORE_SUSPECT_MS, WORKER_LATE_COPY_MS_MAX } from "#lib/util/limits.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const OBJECTS = ["segments/a.log", "segments/a.index"].map((name) => ({
  key: objectKey(name),
  chunks: [Buffer.from(name), Buffer.from("!")],
}));

type Fault = (call: StoreCall & { readonly store: number }) => StoreFault | undefined;

/** Three stores; `put` writes both objects to all of them. */
class Stores {
  readonly clock = new ManualClock();
  readonly services = [0, 1, 2].map(() => new MemoryObjectService(this.clock));
  readonly puts: number[] = [];
  readonly #ports;

  constructor(fault: Fault = () => undefined) {
    const { clock } = this;
    const random = new SeededRandom(3);
    const health = new StoreHealth(clock);
    const all = this.services.map((service, store) => {
      const faults = (call: StoreCall): StoreFault | undefined => {
        this.puts.push(store);
        return fault({ ...call, store });
      };
      return [store, new MemoryObjectStore(service, { clock, faults })] as const;
    });
    const stores = watchStores(new StoreSet(new Map(all)), health);
    const ports = { clock, random, logger: SILENT_LOGGER, health };
    this.#ports = { ...ports, writer: new ReplicatedWriter({ ...ports, stores }) };
  }

  put(needed: number, signal = new AbortController().signal): Promise<readonly number[]> {
    return this.clock.run(putEverywhere({ objects: OBJECTS, placement: [2, 0, 1], needed }, this.#ports, signal));
  }

  /** How many objects each store has. */
  get counts(): readonly number[] {
    return this.services.map(({ objects }) => objects.size);
  }
}

test("every store gets every object, and is named in ascending order", async () => {
  const stores = new Stores();
  expect(await stores.put(2)).toEqual([0, 1, 2]);
  expect(stores.counts).toEqual([2, 2, 2]);
  for (const { objects } of stores.services) {
    expect([...objects.values()].map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
      "segments/a.log!",
      "segments/a.index!",
    ]);
  }
});

test("a store without the last object is not named, whatever else it has", async () => {
  const stores = new Stores(({ store, key }) => (store === 1 && key.endsWith("index") ? { kind: "full" } : undefined));
  expect(await stores.put(2)).toEqual([0, 2]);
  expect(stores.counts).toEqual([2, 1, 2]);
});

test("it fails as soon as too few stores are left, and gives the other uploads up", async () => {
  const stores = new Stores(({ store, key }) => {
    if (store === 0) return { kind: "hang" };
    return store === 1 && key.endsWith("index") ? { kind: "full" } : undefined;
  });
  await expect(stores.put(3)).rejects.toThrow(StoreUnavailableError);
  expect(stores.clock.monotonicMs()).toBeLessThan(WORKER_LATE_COPY_MS_MAX);
});

test("a store that hangs is waited for until the others have had it for a while", async () => {
  const stores = new Stores(({ store }) => (store === 2 ? { kind: "hang" } : undefined));
  expect(await stores.put(2)).toEqual([0, 1]);
  expect(stores.clock.monotonicMs()).toBe(WORKER_LATE_COPY_MS_MAX);
  expect(stores.clock.timerCount).toBe(0);
});

test("a store that hangs and is needed is given up, and so is the whole", async () => {
  const stores = new Stores(({ store }) => (store === 2 ? { kind: "hang" } : undefined));
  await expect(stores.put(3)).rejects.toThrow(StoreUnavailableError);
  expect(stores.clock.monotonicMs()).toBeLessThan(2 * STORE_PUT_MS_MAX);
  expect(stores.clock.timerCount).toBe(0);
});

test("a suspect store is left out while the others are enough, and asked when they are not", async () => {
  let isAway = true;
  const stores = new Stores(({ store }) => (store === 2 && isAway ? { kind: "hang" } : undefined));
  await stores.put(2);
  await stores.clock.advance(STORE_SUSPECT_MS);
  stores.puts.length = 0;
  expect(await stores.put(2)).toEqual([0, 1]);
  expect(stores.puts).not.toContain(2);
  isAway = false;
  expect(await stores.put(3)).toEqual([0, 1, 2]);
});

test("an abort ends it with its reason", async () => {
  const stores = new Stores(() => ({ kind: "hang" }));
  const stop = new AbortController();
  stores.clock.schedule(50, () => stop.abort(new Error("stopped")));
  await expect(stores.put(1, stop.signal)).rejects.toThrow("stopped");
  expect(stores.counts).toEqual([0, 0, 0]);
});
