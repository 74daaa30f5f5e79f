import { TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { type ObjectStore, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { ProvenStore, readStoreMarker, rootError } from "#lib/storage/proven-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import {
  encodeStoreMarker,
  identityOf,
  markerOfIdentity,
  newStoreMarker,
  type StoreMarker,
} from "#lib/storage/store-marker.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { STORE_PROOF_MS_MAX } from "#lib/util/limits.ts";
import { type BrokerPorts, journalPorts, openCluster } from "./open-journals.ts";

/** A store that is not on this machine, such as a bucket. */
export interface RemoteStore {
  readonly store: ObjectStore;
  readonly url: string;
}

export interface OpenStoresOptions extends Omit<BrokerPorts, "stores"> {
  /** By store id from 0. */
  readonly remotes: readonly RemoteStore[];
  /** Default: 0. */
  readonly nearestId?: StoreId;
  readonly signal: AbortSignal;
}

/**
 * The stores of a deployment, each one only used once it has proved its identity. A store that the cluster journal does
 * not know yet is made one, if it is empty. A known one that gives no answer for now is no hindrance; fails with
 * `StoreUnavailableError` (`root`) if one is missing, forbidden, another one, or cannot keep the store's promises.
 */
export async function openStores(options: OpenStoresOptions): Promise<StoreSet> {
  const { remotes, nearestId, signal } = options;
  // The cluster journal's snapshot may lie in the very stores that it is to tell us of; so it is read from whatever lies
  // there (a snapshot's hash stands in the journal), and what it says is held against those stores then.
  const provisional = new StoreSet(new Map(remotes.map(({ store }, id) => [id, store])), nearestId);
  const writer = new ReplicatedWriter({ ...options, stores: provisional });
  using cluster = await openCluster(journalPorts({ ...options, stores: provisional }, writer), signal);
  for (const { storeId, url } of cluster.state.stores.values()) {
    if (storeId >= remotes.length) throw rootError(url, `is store ${storeId} of this deployment and was not given`);
  }
  const opened = await Promise.all(
    remotes.map(async (remote, storeId) => {
      const findMarker = (): StoreMarker | undefined => {
        const registered = cluster.state.stores.get(storeId);
        return registered && markerOfIdentity(storeId, registered.identity);
      };
      const isNew = findMarker() === undefined;
      // Several processes may begin at once, and another one may have made the store and written to it meanwhile.
      const refresh = async () => {
        await cluster.readBarrier(signal);
        return findMarker();
      };
      const marker = findMarker() ?? (await makeStore(remote, storeId, { ...options, refresh }));
      const store = new ProvenStore(remote.store, marker, remote.url);
      // A new one is looked at for as long as it takes; a known one is not waited for.
      using limit = timeLimit(options.clock, STORE_PROOF_MS_MAX, signal);
      await proveOrWarn(store, remote, marker, isNew ? options : { ...options, signal: limit.signal });
      return { storeId, store, marker, url: remote.url, isNew };
    }),
  );
  for (const { storeId, marker, url, isNew } of opened) {
    if (!isNew) continue;
    const identity = identityOf(marker);
    const command = { kind: "register-store", storeId, identity, url } as const;
    const { outcome } = await cluster.propose(command, { lane: "cluster", signal });
    if (outcome.kind === "refused") throw rootError(url, "is registered with another identity");
  }
  return new StoreSet(new Map(opened.map(({ storeId, store }) => [storeId, store])), nearestId);
}

/**
 * Puts a marker into an empty store. Of several processes that do so at once, one puts the marker that counts. `refresh`
 * answers the marker of the store if the journal knows it by now.
 */
async function makeStore(
  { store, url }: RemoteStore,
  storeId: StoreId,
  { random, signal, refresh }: OpenStoresOptions & { readonly refresh: () => Promise<StoreMarker | undefined> },
): Promise<StoreMarker> {
  const { objects } = await store.list({ prefix: "", startAfter: "", limit: 2 }, signal);
  const other = objects.find(({ key }) => key !== MARKER_KEY);
  if (other !== undefined) {
    const known = await refresh();
    if (known !== undefined) return known;
    throw rootError(url, `is not empty (${other.key}) and unknown to the journal: name an empty bucket or prefix`);
  }
  const made = newStoreMarker(storeId, random.bytes(16));
  const result = await store.putIfAbsent(MARKER_KEY, [encodeStoreMarker(made)], signal);
  // Left by a first start that was interrupted, or put by another process just now.
  const standing = result.kind === "written" ? made : await readStoreMarker(store, url, signal);
  if (standing !== undefined && standing.storeId !== storeId) {
    throw rootError(url, `was begun as store ${standing.storeId} and is given as store ${storeId}: keep the order`);
  }
  return standing ?? made;
}

async function proveOrWarn(
  store: ProvenStore,
  { url, store: bare }: RemoteStore,
  marker: StoreMarker,
  { logger, signal }: Pick<OpenStoresOptions, "logger" | "signal">,
): Promise<void> {
  try {
    await store.prove(signal);
    const again = await bare.putIfAbsent(MARKER_KEY, [encodeStoreMarker(marker)], signal);
    if (again.kind === "written") {
      throw rootError(url, "overwrites objects: its service does not keep conditional puts (If-None-Match: *)");
    }
  } catch (error) {
    const isSilent = error instanceof TimeLimitError;
    if (!isSilent && (!(error instanceof StoreUnavailableError) || error.reason === "root")) throw error;
    logger.warn("store does not answer yet", { store: marker.storeId, url, error: describeError(error) });
  }
}
