import { abortable } from "#lib/runtime/deadline.ts";
import { SingleFlight } from "#lib/runtime/single-flight.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { MARKER_KEY } from "./object-keys.ts";
import {
  type ByteRange,
  type ObjectListing,
  ObjectNotFoundError,
  type ObjectStore,
  type PutResult,
  StoreUnavailableError,
} from "./object-store.ts";
import { parseStoreMarker, type StoreMarker } from "./store-marker.ts";

/**
 * A store somewhere else that is used only once it has shown the marker expected of it, and again after it was missing:
 * an empty or foreign bucket that takes a store's place is an outage, not a store without objects.
 */
export class ProvenStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #expected: StoreMarker;
  /** The store in texts. */
  readonly #url: string;
  readonly #proofs = new SingleFlight<"proof", void>();
  #isProven = false;

  constructor(store: ObjectStore, expected: StoreMarker, url: string) {
    this.#store = store;
    this.#expected = expected;
    this.#url = url;
  }

  putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    return this.#use(signal, () => this.#store.putIfAbsent(key, chunks, signal));
  }

  get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    return this.#use(signal, () => this.#store.get(key, signal));
  }

  getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    return this.#use(signal, () => this.#store.getRange(key, range, signal, target));
  }

  list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    return this.#use(signal, () => this.#store.list(options, signal));
  }

  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    return this.#use(signal, () => this.#store.deleteAll(keys, signal));
  }

  /** Fails with `StoreUnavailableError` unless the store bears the marker. */
  async prove(signal: AbortSignal): Promise<void> {
    if (this.#isProven) return;
    // Shared by all who wait, so nobody's signal ends it; the store's own time limit does.
    await abortable(
      this.#proofs.run("proof", () => this.#prove()),
      signal,
    );
  }

  async #use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (!this.#isProven) await this.prove(signal);
    try {
      return await work();
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.reason === "root") this.#isProven = false;
      throw error;
    }
  }

  async #prove(): Promise<void> {
    const { storeId, identity } = this.#expected;
    const found = await readStoreMarker(this.#store, this.#url, new AbortController().signal);
    if (found === undefined) throw rootError(this.#url, `has no marker: it is not store ${storeId}, or was emptied`);
    if (found.storeId !== storeId || found.identity !== identity) {
      const isOrder = found.storeId !== storeId;
      const hint = isOrder ? "; stores must be given in the order in which they were first given" : "";
      throw rootError(
        this.#url,
        `is store ${found.storeId} with identity ${found.identity}, not store ${storeId} with ${identity}${hint}`,
      );
    }
    this.#isProven = true;
  }
}

/** The marker that lies in a store; undefined if there is none. Fails with `StoreUnavailableError`. */
export async function readStoreMarker(
  store: ObjectStore,
  url: string,
  signal: AbortSignal,
): Promise<StoreMarker | undefined> {
  try {
    return parseStoreMarker(await store.get(MARKER_KEY, signal));
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return undefined;
    if (error instanceof DecodeError) throw rootError(url, `has a damaged marker: ${error.message}`);
    throw error;
  }
}

export function rootError(url: string, problem: string): StoreUnavailableError {
  return new StoreUnavailableError(`store ${url} ${problem}`, { reason: "root" });
}
