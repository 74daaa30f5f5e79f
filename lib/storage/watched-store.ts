import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { STORE_READ_MS_MAX, STORE_SUSPECT_MS } from "#lib/util/limits.ts";
import {
  type ByteRange,
  CorruptObjectError,
  type ObjectListing,
  ObjectNotFoundError,
  type ObjectStore,
  type PutResult,
  StoreUnavailableError,
} from "./object-store.ts";
import type { ComposedLog } from "./segments/compose-log.ts";
import type { StoreCallKind, StoreHealth } from "./store-health.ts";
import { StoreSet } from "./store-set.ts";
import { transferMs } from "./transfer-time.ts";

/** The same stores; `health` hears of what each call to them comes to. */
export function watchStores(stores: StoreSet, health: StoreHealth): StoreSet {
  const watched = stores.ids.map((id) => [id, new WatchedStore(id, stores.store(id), health)] as const);
  return new StoreSet(new Map(watched), stores.nearestId);
}

interface WatchedCall {
  readonly kind: StoreCallKind;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

class WatchedStore implements ObjectStore {
  readonly composeLog: ObjectStore["composeLog"];
  readonly #id: StoreId;
  readonly #store: ObjectStore;
  readonly #health: StoreHealth;
  #replacedCount: number;

  constructor(id: StoreId, store: ObjectStore, health: StoreHealth) {
    this.#id = id;
    this.#store = store;
    this.#health = health;
    this.#replacedCount = store.replacedCount ?? 0;
    const compose = store.composeLog?.bind(store);
    this.composeLog = compose && ((...call) => this.#compose(() => compose(...call)));
  }

  putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const call = { kind: "write", patienceMs: STORE_SUSPECT_MS + transferMs(byteLength), signal } as const;
    return this.#watch(call, () => this.#store.putIfAbsent(key, chunks, signal));
  }

  get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    // Nobody says how much it will be.
    const call = { kind: "read", patienceMs: STORE_READ_MS_MAX, signal } as const;
    return this.#watch(call, () => this.#store.get(key, signal));
  }

  getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    const call = { kind: "read", patienceMs: STORE_SUSPECT_MS + transferMs(range.byteLength), signal } as const;
    return this.#watch(call, () => this.#store.getRange(key, range, signal, target));
  }

  list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    const call = { kind: "read", patienceMs: STORE_READ_MS_MAX, signal } as const;
    return this.#watch(call, () => this.#store.list(options, signal));
  }

  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    const call = { kind: "write", patienceMs: STORE_READ_MS_MAX, signal } as const;
    return this.#watch(call, () => this.#store.deleteAll(keys, signal));
  }

  /**
   * How long a log takes and what becomes of it says nothing of other calls: it is made by something of its own, reads and
   * writes, and whoever has failed with it does both again by calls that count. Only a root that is gone is gone for all.
   */
  async #compose(work: () => Promise<ComposedLog>): Promise<ComposedLog> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.reason === "root") {
        this.#health.noteFailure(this.#id, this.#health.begin(this.#id, "write", 0), { isRootGone: true });
      }
      throw error;
    } finally {
      this.#lookIfReplaced();
    }
  }

  async #watch<T>({ kind, patienceMs, signal }: WatchedCall, work: () => Promise<T>): Promise<T> {
    const call = this.#health.begin(this.#id, kind, patienceMs);
    try {
      const result = await work();
      this.#health.noteSuccess(this.#id, call);
      return result;
    } catch (error) {
      const isAnswer = error instanceof ObjectNotFoundError || error instanceof CorruptObjectError;
      const isRootGone = error instanceof StoreUnavailableError && error.reason === "root";
      if (isAnswer) this.#health.noteSuccess(this.#id, call);
      else if (error instanceof StoreUnavailableError && !signal.aborted)
        this.#health.noteFailure(this.#id, call, { isRootGone });
      else this.#health.noteAbandoned(this.#id, call);
      throw error;
    } finally {
      this.#lookIfReplaced();
    }
  }

  /** Between two calls an empty store may have come into the place of one, and no call has failed. */
  #lookIfReplaced(): void {
    const { replacedCount = 0 } = this.#store;
    if (replacedCount === this.#replacedCount) return;
    this.#replacedCount = replacedCount;
    this.#health.noteReplaced(this.#id);
  }
}
