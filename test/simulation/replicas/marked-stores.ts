import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { ProvenStore } from "#lib/storage/proven-store.ts";
import { encodeStoreMarker, newStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import type { StoreId } from "#lib/util/branded.ts";
import type { StoreWorld } from "../sim-object-store.ts";

// Stores with the marker that they are known by, so that processes prove them as they do at home.

export function markStore({ id, service }: StoreWorld): void {
  service.put(MARKER_KEY, encodeStoreMarker(markerOf(id)));
}

/** What a store shows that is not the one it was. */
export function unmarkStore({ service }: StoreWorld): void {
  service.delete(MARKER_KEY);
}

export function provenStore(store: ObjectStore, id: StoreId): ObjectStore {
  return new ProvenStore(store, markerOf(id), `store-${id}`);
}

export function markerOf(id: StoreId): StoreMarker {
  return newStoreMarker(id, new Uint8Array(16).fill(id + 1));
}
