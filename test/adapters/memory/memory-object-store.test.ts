import { describe, expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { composeLogContract } from "../../contract/compose-log.ts";
import { objectStoreContract } from "../../contract/object-store.ts";
import { ManualClock } from "../../support/manual-clock.ts";

async function underContract(composes: boolean) {
  const clock = new ManualClock();
  const service = new MemoryObjectService(clock);
  return {
    store: new MemoryObjectStore(service, { clock, composes }),
    other: new MemoryObjectStore(service, { clock }),
    async [Symbol.asyncDispose]() {},
  };
}

objectStoreContract("MemoryObjectStore", () => underContract(false));
composeLogContract("MemoryObjectStore", () => underContract(true));

describe("the faults of MemoryObjectStore", () => {
  const never = new AbortController().signal;
  const key = objectKey("a/b");
  const range = { position: 0, byteLength: 3 };

  function storeWith(fault: StoreFault | undefined) {
    const clock = new ManualClock();
    const service = new MemoryObjectService(clock);
    const store = new MemoryObjectStore(service, { clock, faults: () => fault });
    const good = new MemoryObjectStore(service, { clock });
    const put = (to = store) => to.putIfAbsent(key, [Buffer.from("abc")], never);
    return { clock, service, store, good, put };
  }

  test("a lost answer leaves the object, a 503 and a full store do not", async () => {
    for (const [kind, reason, exists] of [
      ["lost-answer", "io", true],
      ["unavailable", "io", false],
      ["full", "full", false],
      ["root", "root", false],
    ] as const) {
      const { put, service } = storeWith({ kind });
      await expect(put()).rejects.toMatchObject({ name: "StoreUnavailableError", reason });
      expect(service.objects.has(key)).toBe(exists);
    }
  });

  test("a late effect comes after its error, with the bytes as they were", async () => {
    const { clock, store, good } = storeWith({ kind: "late-effect", delayMs: 50 });
    const chunk = Buffer.from("abc");
    await expect(store.putIfAbsent(key, [chunk], never)).rejects.toBeInstanceOf(StoreUnavailableError);
    chunk.fill(0);
    await expect(good.get(key, never)).rejects.toBeInstanceOf(ObjectNotFoundError);
    await clock.advance(50);
    expect(Buffer.from(await good.get(key, never)).toString()).toBe("abc");
  });

  test("a slow call takes its time by the clock, and a hanging one ends with its signal", async () => {
    const slow = storeWith({ kind: "slow", delayMs: 700 });
    expect(await slow.clock.run(slow.put())).toEqual({ kind: "written" });
    expect(slow.clock.monotonicMs()).toBe(700);
    const { store } = storeWith({ kind: "hang" });
    const controller = new AbortController();
    const pending = store.get(key, controller.signal);
    controller.abort(new Error("enough"));
    await expect(pending).rejects.toThrow("enough");
  });

  test("reads can miss the object or find it short", async () => {
    const missing = storeWith({ kind: "missing" });
    await missing.put(missing.good);
    await expect(missing.store.get(key, never)).rejects.toBeInstanceOf(ObjectNotFoundError);
    const short = storeWith({ kind: "short", byteLength: 2 });
    await short.put(short.good);
    await expect(short.store.getRange(key, range, never)).rejects.toBeInstanceOf(CorruptObjectError);
    expect(await short.store.get(key, never)).toHaveLength(2);
  });

  test("a listing can come back empty, and so can the store", async () => {
    const { put, good, store, service } = storeWith({ kind: "empty" });
    await put(good);
    const everything = { prefix: "", startAfter: "", limit: 9 };
    expect((await store.list(everything, never)).objects).toEqual([]);
    expect((await good.list(everything, never)).objects).toHaveLength(1);
    service.clear();
    expect((await good.list(everything, never)).objects).toEqual([]);
  });

  test("a store that is down fails every call of every handle until it is back", async () => {
    const { put, good, service } = storeWith(undefined);
    await put();
    service.isDown = true;
    await expect(good.get(key, never)).rejects.toMatchObject({ reason: "root" });
    await expect(put()).rejects.toMatchObject({ reason: "root" });
    service.isDown = false;
    expect(await good.getRange(key, range, never)).toHaveLength(3);
  });

  test("damage and truncation show in what is read", async () => {
    const { put, good, service } = storeWith(undefined);
    await put();
    service.damage(key, 1);
    expect(Buffer.from(await good.get(key, never)).toString()).toBe("acc");
    service.truncate(key, 1);
    expect(await good.get(key, never)).toHaveLength(1);
  });
});
