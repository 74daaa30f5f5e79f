import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { newStoreMarker } from "#lib/storage/store-marker.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const signal = new AbortController().signal;
const random = new SeededRandom(1);
const marker = newStoreMarker(0, random.bytes(16));

let directory: string;
let root: string;
let opened: AsyncDisposableStack;
let health: StoreHealth;
let store: ObjectStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-replaced-"));
  root = join(directory, "store-0");
  opened = new AsyncDisposableStack();
  opened.defer(() => rm(directory, { recursive: true }));
  health = new StoreHealth(new ManualClock());
  const bare = opened.use(await DirectoryObjectStore.create(optionsFor("broker-0"), marker));
  store = watchStores(new StoreSet(new Map([[0, bare]])), health).store(0);
  await put("a");
});

afterEach(() => opened.disposeAsync());

function optionsFor(owner: string) {
  return { root, random, logger: SILENT_LOGGER, owner };
}

function put(name: string) {
  return store.putIfAbsent(objectKey(`wal/0000000001/ab/${name}`), [Buffer.from(name)], signal);
}

/** As `millrace stores replace` does, between two calls of the broker. */
async function replaceByEmptyStore(): Promise<void> {
  await rename(root, join(directory, "lost"));
  await using _made = await DirectoryObjectStore.create(optionsFor("replace"), marker);
}

test("a store in whose place an empty one was put between two writes counts as one that was away", async () => {
  expect(health.outages(0)).toBe(0);
  await replaceByEmptyStore();
  expect(await put("b")).toEqual({ kind: "written" });
  expect(health.outages(0)).toBe(1);
  await put("c");
  expect(health.outages(0)).toBe(1);
});

test("a read that finds nothing in the other store tells of it too", async () => {
  await replaceByEmptyStore();
  await expect(store.get(objectKey("wal/0000000001/ab/a"), signal)).rejects.toThrow("does not exist");
  expect(health.outages(0)).toBe(1);
});
