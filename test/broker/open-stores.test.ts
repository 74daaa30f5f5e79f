import { describe, expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { type OpenStoresOptions, openStores, type RemoteStore } from "#lib/broker/open-stores.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { encodeStoreMarker, newStoreMarker, parseStoreMarker } from "#lib/storage/store-marker.ts";
import { defined } from "#lib/util/assert.ts";
import { objectKey } from "#lib/util/branded.ts";
import { STORE_PROOF_MS_MAX } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const signal = new AbortController().signal;

class Deployment {
  readonly clock = new ManualClock();
  readonly journals = new MemoryJournalService(this.clock);
  readonly buckets: readonly MemoryObjectService[];

  constructor(count: number) {
    this.buckets = Array.from({ length: count }, () => new MemoryObjectService(this.clock));
  }

  remote(index: number): RemoteStore {
    const store = new MemoryObjectStore(defined(this.buckets[index]), { clock: this.clock });
    return { store, url: `s3://bucket-${index}` };
  }

  open(remotes: readonly RemoteStore[], own: Partial<OpenStoresOptions> = {}) {
    const options = { clock: this.clock, random: new SeededRandom(remotes.length), logger: SILENT_LOGGER, signal };
    return this.clock.run(openStores({ ...options, journal: this.journals.connect(), remotes, ...own }));
  }
}

describe("the stores of a deployment", () => {
  test("are given markers by the first start, and are known by them from then on", async () => {
    const deployment = new Deployment(2);
    const remotes = [deployment.remote(0), deployment.remote(1)];
    const first = await deployment.open(remotes, { nearestId: 1 });
    expect(first.ids).toEqual([0, 1]);
    expect(first.nearestId).toBe(1);
    const markers = deployment.buckets.map(({ objects }) => defined(objects.get(MARKER_KEY)).bytes);
    expect(markers.map((bytes) => parseStoreMarker(bytes).storeId)).toEqual([0, 1]);
    const again = await deployment.open(remotes);
    expect(await again.store(1).putIfAbsent(objectKey("k"), [], signal)).toEqual({ kind: "written" });
    expect(deployment.buckets.map(({ objects }) => defined(objects.get(MARKER_KEY)).bytes)).toEqual(markers);
  });

  test("are refused in another order, one too few, and emptied", async () => {
    const deployment = new Deployment(2);
    const remotes = [deployment.remote(0), deployment.remote(1)];
    await deployment.open(remotes);
    await expect(deployment.open(remotes.toReversed())).rejects.toThrow(/is store 1 .*order/);
    await expect(deployment.open(remotes.slice(0, 1))).rejects.toThrow("s3://bucket-1 is store 1 of this deployment");
    defined(deployment.buckets[1]).clear();
    await expect(deployment.open(remotes)).rejects.toThrow("s3://bucket-1 has no marker");
  });

  test("that another process has made and written to meanwhile are known when one looks again", async () => {
    const deployment = new Deployment(1);
    const { store, url } = deployment.remote(0);
    let isFirst = true;
    const slow: ObjectStore = {
      putIfAbsent: (...given) => store.putIfAbsent(...given),
      get: (...given) => store.get(...given),
      getRange: (...given) => store.getRange(...given),
      deleteAll: (...given) => store.deleteAll(...given),
      async list(...given) {
        if (isFirst) {
          isFirst = false;
          const options = { clock: deployment.clock, random: new SeededRandom(9), logger: SILENT_LOGGER, signal };
          const remotes = [deployment.remote(0)];
          const other = await openStores({ ...options, journal: deployment.journals.connect(), remotes });
          await other.store(0).putIfAbsent(objectKey("theirs"), [], signal);
        }
        return store.list(...given);
      },
    };
    const stores = await deployment.open([{ store: slow, url }]);
    expect(await stores.store(0).putIfAbsent(objectKey("ours"), [], signal)).toEqual({ kind: "written" });
  });

  test("may grow by an empty one, never by one that holds something", async () => {
    const deployment = new Deployment(3);
    const remotes = [deployment.remote(0), deployment.remote(1), deployment.remote(2)];
    await deployment.open(remotes.slice(0, 1));
    await deployment.open(remotes.slice(0, 2));
    defined(deployment.buckets[2]).put(objectKey("others/data"), Buffer.from("x"));
    await expect(deployment.open(remotes)).rejects.toThrow("s3://bucket-2 is not empty (others/data)");
    expect(defined(deployment.buckets[2]).objects.size).toBe(1);
  });

  test("are not those of another deployment", async () => {
    const one = new Deployment(1);
    const stores = await one.open([one.remote(0)]);
    await stores.store(0).putIfAbsent(objectKey("wal/x"), [], signal);
    const other = new Deployment(1);
    await expect(other.open([one.remote(0)])).rejects.toThrow("s3://bucket-0 is not empty (wal/x)");
  });

  test("keep the marker of a first start that was interrupted, if it is theirs", async () => {
    const deployment = new Deployment(1);
    const marker = newStoreMarker(0, Buffer.alloc(16, 9));
    defined(deployment.buckets[0]).put(MARKER_KEY, encodeStoreMarker(marker));
    await deployment.open([deployment.remote(0)]);
    await deployment.open([deployment.remote(0)]);
    const foreign = new Deployment(1);
    defined(foreign.buckets[0]).put(MARKER_KEY, encodeStoreMarker(newStoreMarker(3, Buffer.alloc(16, 9))));
    await expect(foreign.open([foreign.remote(0)])).rejects.toThrow("was begun as store 3 and is given as store 0");
  });
});

test("a known store that does not answer for now is no hindrance, a new one is", async () => {
  const deployment = new Deployment(2);
  const silent = new MemoryObjectStore(defined(deployment.buckets[1]), {
    clock: deployment.clock,
    faults: () => ({ kind: "unavailable" }),
  });
  const remotes = [deployment.remote(0), { store: silent, url: "s3://bucket-1" }];
  await expect(deployment.open(remotes)).rejects.toMatchObject({ name: "StoreUnavailableError" });
  await deployment.open([deployment.remote(0), deployment.remote(1)]);
  const stores = await deployment.open(remotes);
  await expect(stores.store(1).get(objectKey("k"), signal)).rejects.toMatchObject({ name: "StoreUnavailableError" });
});

test("a known store that is silent is not waited for", async () => {
  const deployment = new Deployment(2);
  await deployment.open([deployment.remote(0), deployment.remote(1)]);
  const { clock, buckets } = deployment;
  const store = new MemoryObjectStore(defined(buckets[1]), { clock, faults: () => ({ kind: "hang" }) });
  const beganAtMs = clock.monotonicMs();
  const stores = await deployment.open([deployment.remote(0), { store, url: "s3://bucket-1" }]);
  expect(clock.monotonicMs() - beganAtMs).toBe(STORE_PROOF_MS_MAX);
  expect(stores.ids).toEqual([0, 1]);
});

test("a service that overwrites what is there is refused: commits would not be safe", async () => {
  const deployment = new Deployment(1);
  const { store, url } = deployment.remote(0);
  const careless: ObjectStore = {
    putIfAbsent: async (key, chunks, own) => {
      await store.deleteAll([key], own);
      return store.putIfAbsent(key, chunks, own);
    },
    get: (key, own) => store.get(key, own),
    getRange: (key, range, own) => store.getRange(key, range, own),
    list: (options, own) => store.list(options, own),
    deleteAll: (keys, own) => store.deleteAll(keys, own),
  };
  await expect(deployment.open([{ store: careless, url }])).rejects.toThrow(/overwrites objects.*If-None-Match/);
});
