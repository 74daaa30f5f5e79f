import { OBJECT_READ_BYTES, OBJECT_READS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import type { ByteRange, ObjectListing, ObjectStore, PutResult } from "./object-store.ts";
import { type ComposedLog, type LogRecipe, storedRuns } from "./segments/compose-log.ts";
import { StoreSet } from "./store-set.ts";

/** The same stores; `telemetry` counts what is read from them. */
export function meterStores(stores: StoreSet, telemetry: Telemetry): StoreSet {
  const metered = stores.ids.map((id) => [id, new MeteredStore(stores.store(id), telemetry)] as const);
  return new StoreSet(new Map(metered), stores.nearestId);
}

/** Counts the reads of another store; changes nothing. */
class MeteredStore implements ObjectStore {
  readonly composeLog: ObjectStore["composeLog"];
  readonly #store: ObjectStore;
  readonly #telemetry: Telemetry;

  constructor(store: ObjectStore, telemetry: Telemetry) {
    this.#store = store;
    this.#telemetry = telemetry;
    const compose = store.composeLog?.bind(store);
    this.composeLog = compose && ((key, recipe, signal) => this.#countedLog(recipe, compose(key, recipe, signal)));
  }

  get replacedCount(): number {
    return this.#store.replacedCount ?? 0;
  }

  putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    return this.#store.putIfAbsent(key, chunks, signal);
  }

  get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    return this.#counted(key, this.#store.get(key, signal));
  }

  getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    return this.#counted(key, this.#store.getRange(key, range, signal, target));
  }

  list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    return this.#store.list(options, signal);
  }

  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    return this.#store.deleteAll(keys, signal);
  }

  async #counted(key: ObjectKey, reading: Promise<Uint8Array>): Promise<Uint8Array> {
    const kind = kindOf(key);
    this.#telemetry.count(OBJECT_READS, 1, { kind });
    const bytes = await reading;
    this.#telemetry.count(OBJECT_READ_BYTES, bytes.byteLength, { kind });
    return bytes;
  }

  async #countedLog(recipe: LogRecipe, composing: Promise<ComposedLog>): Promise<ComposedLog> {
    const composed = await composing;
    for (const { key, byteLength } of storedRuns(recipe)) {
      const kind = kindOf(key);
      this.#telemetry.count(OBJECT_READS, 1, { kind });
      this.#telemetry.count(OBJECT_READ_BYTES, byteLength, { kind });
    }
    return composed;
  }
}

function kindOf(key: ObjectKey): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
