import type { StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { ObjectStore } from "./object-store.ts";

/** A record or a placement names a store that this process was not given. */
export class UnknownStoreError extends LogError {
  override readonly name = "UnknownStoreError";
  override readonly kind = "unavailable";
}

/** The stores of the deployment by id. One of them is the nearest: the store in this process's own zone. */
export class StoreSet {
  /** Ascending. */
  readonly ids: readonly StoreId[];
  readonly nearestId: StoreId;
  readonly #stores: ReadonlyMap<StoreId, ObjectStore>;

  /** `nearestId` defaults to the lowest id. Fails with `UnknownStoreError` if it is not among `stores`. */
  constructor(stores: ReadonlyMap<StoreId, ObjectStore>, nearestId?: StoreId) {
    this.#stores = new Map(stores);
    this.ids = [...stores.keys()].sort((a, b) => a - b);
    const nearest = nearestId ?? this.ids[0];
    if (nearest === undefined || !stores.has(nearest))
      throw new UnknownStoreError(`store ${nearest ?? "?"} is not configured`);
    this.nearestId = nearest;
  }

  has(id: StoreId): boolean {
    return this.#stores.has(id);
  }

  store(id: StoreId): ObjectStore {
    const store = this.#stores.get(id);
    if (store === undefined) throw new UnknownStoreError(`store ${id} is not configured`);
    return store;
  }

  /**
   * In which order to try stores for an object: those that the record says have it, the nearest first, then the other
   * stores of the placement (all stores, if it is not given). Leaves out what is not configured.
   */
  readOrder(copies: readonly StoreId[], placement: readonly StoreId[] = this.ids): readonly StoreId[] {
    const order = new Set<StoreId>();
    if (copies.includes(this.nearestId)) order.add(this.nearestId);
    for (const id of copies) order.add(id);
    if (placement.includes(this.nearestId)) order.add(this.nearestId);
    for (const id of placement) order.add(id);
    return [...order].filter((id) => this.#stores.has(id));
  }
}
