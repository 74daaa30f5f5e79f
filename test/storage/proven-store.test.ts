import { expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { ProvenStore } from "#lib/storage/proven-store.ts";
import { encodeStoreMarker, newStoreMarker } from "#lib/storage/store-marker.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";

const never = new AbortController().signal;
const marker = newStoreMarker(1, Buffer.alloc(16, 7));
const key = objectKey("a/b");

function provenStore() {
  const clock = new ManualClock();
  const service = new MemoryObjectService(clock);
  let fault: StoreFault | undefined;
  const bare = new MemoryObjectStore(service, { clock, faults: () => fault });
  return {
    service,
    store: new ProvenStore(bare, marker, "s3://b"),
    setFault: (next: StoreFault | undefined) => {
      fault = next;
    },
  };
}

test("a store without its marker or with another one does nothing", async () => {
  const { service, store } = provenStore();
  const put = () => store.putIfAbsent(key, [Buffer.from("x")], never);
  await expect(put()).rejects.toMatchObject({ reason: "root", message: expect.stringMatching(/has no marker/) });
  service.put(MARKER_KEY, encodeStoreMarker(newStoreMarker(2, Buffer.alloc(16, 7))));
  await expect(put()).rejects.toMatchObject({ message: expect.stringMatching(/is store 2 .* not store 1 .* order/) });
  service.delete(MARKER_KEY);
  service.put(MARKER_KEY, encodeStoreMarker(newStoreMarker(1, Buffer.alloc(16, 8))));
  await expect(put()).rejects.toMatchObject({ reason: "root" });
  service.delete(MARKER_KEY);
  service.put(MARKER_KEY, Buffer.from("{}"));
  await expect(put()).rejects.toMatchObject({ message: expect.stringMatching(/damaged marker/) });
  expect(service.objects.has(key)).toBe(false);
});

test("a store that is found right is used, and asked once", async () => {
  const { service, store } = provenStore();
  service.put(MARKER_KEY, encodeStoreMarker(marker));
  await Promise.all([store.putIfAbsent(key, [Buffer.from("x")], never), store.deleteAll([objectKey("c")], never)]);
  service.delete(MARKER_KEY);
  expect(Buffer.from(await store.get(key, never)).toString()).toBe("x");
  expect((await store.list({ prefix: "", startAfter: "", limit: 9 }, never)).objects).toHaveLength(1);
  expect(await store.getRange(key, { position: 0, byteLength: 1 }, never)).toHaveLength(1);
});

test("a store that was missing must prove itself again: one that comes back empty is not used", async () => {
  const { service, store, setFault } = provenStore();
  service.put(MARKER_KEY, encodeStoreMarker(marker));
  await store.putIfAbsent(key, [Buffer.from("x")], never);
  setFault({ kind: "root" });
  await expect(store.get(key, never)).rejects.toMatchObject({ reason: "root" });
  setFault(undefined);
  service.clear();
  await expect(store.get(key, never)).rejects.toMatchObject({ message: expect.stringMatching(/has no marker/) });
  service.put(MARKER_KEY, encodeStoreMarker(marker));
  expect(await store.putIfAbsent(key, [Buffer.from("x")], never)).toEqual({ kind: "written" });
});
