import { describe, expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { JournalObjectLostError } from "#lib/journal/journal-objects.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoredJournalObjects } from "#lib/storage/journal-objects.ts";
import { InvalidObjectKeyError } from "#lib/storage/object-keys.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { objectKey } from "#lib/util/branded.ts";
import { STORE_SILENCE_MS } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const never = new AbortController().signal;
const text = "a folded state";

function newObjects() {
  const clock = new ManualClock();
  const random = new SeededRandom(5);
  /** Stores that give no answer. */
  const silent = new Set<number>();
  const services = [0, 1, 2].map(() => new MemoryObjectService(clock));
  const handles = services.map((service, id) => {
    const faults = () => (silent.has(id) ? ({ kind: "hang" } as const) : undefined);
    return [id, new MemoryObjectStore(service, { clock, faults })] as const;
  });
  const stores = new StoreSet(new Map(handles));
  const writer = new ReplicatedWriter({ stores, clock, random, logger: SILENT_LOGGER });
  const objects = new StoredJournalObjects({
    stores,
    writer,
    clock,
    random,
    logger: SILENT_LOGGER,
    placement: () => ({ stores: [0, 1], needed: 2 }),
    uploadEpoch: () => 42,
  });
  const put = () => objects.put("log-3/snapshot-7", [Buffer.from(text.slice(0, 3)), Buffer.from(text.slice(3))], never);
  return { clock, silent, services, objects, put };
}

describe("StoredJournalObjects", () => {
  test("an object reads back by its reference; its key bears epoch and name", async () => {
    const { objects, put } = newObjects();
    const ref = await put();
    expect(ref).toMatchObject({ byteLength: text.length, copies: [0, 1] });
    expect(ref.key).toMatch(/^journals\/0000000042\/log-3\/snapshot-7\/[0-9a-f]{16}$/);
    expect(Buffer.from(await objects.get(ref, never)).toString()).toBe(text);
  });

  test("two objects of one name have different keys", async () => {
    const { put } = newObjects();
    expect((await put()).key).not.toBe((await put()).key);
  });

  test("a store that gives no answer is passed over", async () => {
    const { clock, silent, objects, put } = newObjects();
    const ref = await put();
    silent.add(0);
    expect(Buffer.from(await clock.run(objects.get(ref, never))).toString()).toBe(text);
    silent.add(1).add(2);
    await expect(clock.run(objects.get(ref, never))).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("a store that is silent for a second is not waited for any more", async () => {
    const { clock, silent, objects, put } = newObjects();
    const ref = await put();
    silent.add(0);
    const beganAtMs = clock.monotonicMs();
    expect(Buffer.from(await clock.run(objects.get(ref, never))).toString()).toBe(text);
    expect(clock.monotonicMs() - beganAtMs).toBe(STORE_SILENCE_MS);
    expect(clock.timerCount).toBe(0);
  });

  test("a caller that gives up while stores are silent is told its own reason", async () => {
    const { clock, silent, objects, put } = newObjects();
    const ref = await put();
    silent.add(0).add(1).add(2);
    const controller = new AbortController();
    const reading = objects.get(ref, controller.signal);
    const reason = new Error("enough");
    clock.schedule(1.5 * STORE_SILENCE_MS, () => controller.abort(reason));
    await expect(clock.run(reading)).rejects.toBe(reason);
    expect(clock.timerCount).toBe(0);
  });

  test("an upload to stores that give no answer is given up", async () => {
    const { clock, silent, put } = newObjects();
    silent.add(1);
    await expect(clock.run(put())).rejects.toMatchObject({ kind: "unavailable" });
    expect(clock.timerCount).toBe(0);
  });

  test("a missing, short or damaged copy is passed over", async () => {
    const { services, objects, put } = newObjects();
    const damages = [
      (service: MemoryObjectService) => service.clear(),
      (service: MemoryObjectService, key: string) => service.truncate(objectKey(key), 2),
      (service: MemoryObjectService, key: string) => service.damage(objectKey(key), 2),
    ];
    for (const damage of damages) {
      const ref = await put();
      const [first] = services;
      if (first !== undefined) damage(first, ref.key);
      expect(Buffer.from(await objects.get(ref, never)).toString()).toBe(text);
    }
  });

  test("a copy that is at another store of the deployment is found there", async () => {
    const { services, objects, put } = newObjects();
    const ref = await put();
    services[2]?.put(objectKey(ref.key), Buffer.from(text));
    services[0]?.clear();
    services[1]?.clear();
    expect(Buffer.from(await objects.get(ref, never)).toString()).toBe(text);
  });

  test("without any good copy it is lost; behind a store that does not answer it may still be", async () => {
    const { services, objects, put } = newObjects();
    const ref = await put();
    services[0]?.clear();
    services[1]?.damage(objectKey(ref.key), 0);
    await expect(objects.get(ref, never)).rejects.toBeInstanceOf(JournalObjectLostError);
    await expect(objects.get({ ...ref, copies: [0, 1, 9] }, never)).rejects.toMatchObject({ kind: "unavailable" });
    for (const service of services) service.isDown = true;
    await expect(objects.get(ref, never)).rejects.toMatchObject({ kind: "unavailable" });
    await expect(put()).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("a name or a reference that is no key is refused", async () => {
    const { objects, put } = newObjects();
    await expect(objects.put("../up", [], never)).rejects.toBeInstanceOf(InvalidObjectKeyError);
    const ref = await put();
    await expect(objects.get({ ...ref, key: "../up" }, never)).rejects.toBeInstanceOf(InvalidObjectKeyError);
  });
});
