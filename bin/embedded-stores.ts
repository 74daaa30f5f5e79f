import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DirectoryObjectStore, type DirectoryStoreOptions } from "#lib/adapters/local/directory-object-store.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import { readMarker } from "#lib/adapters/local/store-root.ts";
import { type BrokerPorts, journalPorts, openCluster } from "#lib/broker/open-journals.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { newStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { type StoreId, uuidFromBytes, uuidToBytes } from "#lib/util/branded.ts";

export interface EmbeddedStoreOptions extends Omit<BrokerPorts, "stores"> {
  readonly dataDir: string;
  /** Whose unfinished files the store may clean up: nobody else may write under this name at the same time. */
  readonly owner: string;
  readonly signal: AbortSignal;
}

export const EMBEDDED_STORE_ID: StoreId = 0;

/**
 * The store of a data directory, `store-0`. Only the first start makes it; from then on the cluster journal says which
 * store belongs here, and a directory that is missing or another one is an outage, never made anew.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<DirectoryObjectStore> {
  const { random, logger, signal } = options;
  const root = resolve(join(options.dataDir, `store-${EMBEDDED_STORE_ID}`));
  const storeOptions: DirectoryStoreOptions = { root, random, logger, owner: options.owner };
  // The cluster journal's snapshot may lie in the very store that it is to tell us of; so it is read with whatever store
  // lies there (a snapshot's hash stands in the journal), and what it says is held against that store then.
  const found = await findMarker(root);
  const provisional = await DirectoryObjectStore.open(
    { ...storeOptions, logger: SILENT_LOGGER },
    found ?? newStoreMarker(EMBEDDED_STORE_ID, random.bytes(16)),
  );
  const stores = new StoreSet(new Map([[EMBEDDED_STORE_ID, provisional]]));
  const writer = new ReplicatedWriter({ ...options, stores });
  using cluster = await openCluster(journalPorts({ ...options, stores }, writer), signal);
  const registered = cluster.state.stores.get(EMBEDDED_STORE_ID);
  if (registered !== undefined) {
    const expected: StoreMarker = { storeId: EMBEDDED_STORE_ID, identity: hexOf(registered.identity) };
    return DirectoryObjectStore.open(storeOptions, expected);
  }
  const created = await DirectoryObjectStore.create(storeOptions, newStoreMarker(EMBEDDED_STORE_ID, random.bytes(16)));
  const identity = uuidFromBytes(Buffer.from(created.marker.identity, "hex"));
  const { outcome } = await cluster.propose(
    { kind: "register-store", storeId: EMBEDDED_STORE_ID, identity, url: pathToFileURL(root).href },
    { lane: "cluster", signal },
  );
  if (outcome.kind === "refused") {
    throw new StoreUnavailableError(`store ${EMBEDDED_STORE_ID} is registered with another identity`, {
      reason: "root",
    });
  }
  return created;
}

/** The marker that lies in the root; undefined if there is none that can be read, which the store itself reports. */
async function findMarker(root: string): Promise<StoreMarker | undefined> {
  try {
    return await readMarker(new NodeFilePort(), join(root, MARKER_KEY));
  } catch {
    return undefined;
  }
}

function hexOf(identity: string): string {
  return Buffer.from(uuidToBytes(identity) ?? []).toString("hex");
}
