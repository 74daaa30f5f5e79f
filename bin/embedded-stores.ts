import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { DirectoryObjectStore, type DirectoryStoreOptions } from "#lib/adapters/local/directory-object-store.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import { readMarker } from "#lib/adapters/local/store-root.ts";
import { type BrokerPorts, journalPorts, openCluster } from "#lib/broker/open-journals.ts";
import type { ClusterState, StoreState } from "#lib/cluster/cluster-state.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { rootError } from "#lib/storage/proven-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { identityOf, markerOfIdentity, newStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import { StoreSet, UnknownStoreError } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_FILE, storeFolder, storeIdOf } from "./data-dir.ts";

export interface EmbeddedStoresOptions extends Omit<BrokerPorts, "stores"> {
  readonly dataDir: string;
  /** Whose unfinished files the stores may clean up: nobody else may write under this name at the same time. */
  readonly owner: string;
  /** How many there are to be; more than there are makes new ones. Default: those there are, in a new directory one. */
  readonly storeCount?: number | undefined;
  /** Broker k is at home at store k mod n. Default: 0. */
  readonly brokerId?: number;
  readonly signal: AbortSignal;
}

/** The journal file is not there, though stores are. */
export class JournalMissingError extends LogError {
  override readonly name = "JournalMissingError";
  override readonly kind = "unavailable";
}

/** Fewer stores were asked for than the cluster has. */
export class StoreCountError extends LogError {
  override readonly name = "StoreCountError";
  override readonly kind = "invalid";
}

export interface EmbeddedStores extends AsyncDisposable {
  readonly stores: StoreSet;
}

/**
 * The stores of a data directory, `store-0`, `store-1` and so on. A store is made once, by the first start that wants
 * it; from then on the cluster journal says which one belongs there. One that is missing, emptied or not a directory is
 * an outage that ends when it is back, never made anew. Fails with `StoreCountError`, and with `StoreUnavailableError`
 * (`root`) where another store lies in the place of one: that is a mistake, and nobody waits for its end.
 */
export async function openEmbeddedStores(options: EmbeddedStoresOptions): Promise<EmbeddedStores> {
  const found = await findMarkers(options.dataDir);
  await using reading = await openForReading(options, found);
  const writer = new ReplicatedWriter({ ...options, stores: reading.stores });
  using cluster = await openCluster(journalPorts({ ...options, stores: reading.stores }, writer), options.signal);
  const count = storeCountOf(cluster.state, options.storeCount);
  const opened = new Map<StoreId, DirectoryObjectStore>();
  // One after the other: the ids of a cluster's stores have no gap.
  for (let storeId = 0; storeId < count; storeId++) {
    const known = cluster.state.stores.get(storeId);
    const store =
      known === undefined
        ? await makeStore(storeId, cluster, options)
        : await openKnown(known, found.get(storeId), { ...options, state: cluster.state });
    opened.set(storeId, store);
  }
  return closingAll(opened, (options.brokerId ?? 0) % count);
}

/**
 * Fails with `JournalMissingError` where opening the journal file would make a new one beside stores that have one: a store
 * is only ever made with a journal, and never the other way round.
 */
export async function checkJournalIsThere(dataDir: string): Promise<void> {
  // First the stores: another process may be making both just now.
  const found = await findMarkers(dataDir);
  const path = join(dataDir, JOURNAL_FILE);
  if (found.size === 0 || existsSync(path)) return;
  const stores = [...found.keys()].sort((a, b) => a - b).map(storeFolder);
  throw new JournalMissingError(
    `journal file ${path} is missing, though ${stores.join(", ")} belong to one: put it back, or restore it from a backup`,
  );
}

/**
 * Makes an empty store in the place of one that is lost for good: it bears the lost one's marker, and brokers bring to it
 * what other stores have. Fails with `StoreUnavailableError` (`root`) unless nothing lies there, and with
 * `UnknownStoreError`.
 */
export async function replaceEmbeddedStore(storeId: StoreId, options: EmbeddedStoresOptions): Promise<void> {
  await using reading = await openForReading(options, await findMarkers(options.dataDir));
  const writer = new ReplicatedWriter({ ...options, stores: reading.stores });
  using cluster = await openCluster(journalPorts({ ...options, stores: reading.stores }, writer), options.signal);
  const known = cluster.state.stores.get(storeId);
  if (known === undefined) throw new UnknownStoreError(`this cluster has no store ${storeId}`);
  const root = rootOf(options.dataDir, storeId);
  if ((await findMarker(root)) !== undefined) throw rootError(root, "is not lost: a store lies there");
  const marker = markerOfIdentity(storeId, known.identity);
  await using _made = await DirectoryObjectStore.create(storeOptionsOf(storeId, options), marker);
}

type ClusterJournal = Awaited<ReturnType<typeof openCluster>>;

function storeCountOf({ stores }: ClusterState, wanted: number | undefined): number {
  const known = stores.size;
  if (wanted !== undefined && wanted < known) {
    throw new StoreCountError(
      `--stores ${wanted} is fewer than the ${known} stores of this cluster: name ${known} or more, or leave it out`,
    );
  }
  return wanted ?? Math.max(1, known);
}

/** The markers that lie in a data directory, whosever they are; those that cannot be read are left out. */
async function findMarkers(dataDir: string): Promise<ReadonlyMap<StoreId, StoreMarker>> {
  const names = await readdir(dataDir);
  const ids = names.map(storeIdOf).filter((id) => id !== undefined);
  const markers = await Promise.all(ids.map(async (id) => [id, await findMarker(rootOf(dataDir, id))] as const));
  return new Map(markers.flatMap(([id, marker]) => (marker === undefined ? [] : [[id, marker] as const])));
}

/**
 * The stores for reading the cluster journal. Its snapshot may lie in the very stores that it is to tell us of; so it is
 * read with whatever lies there (a snapshot's hash stands in the journal), and what it says is held against that then.
 */
async function openForReading(
  { dataDir, random }: EmbeddedStoresOptions,
  found: ReadonlyMap<StoreId, StoreMarker>,
): Promise<EmbeddedStores> {
  const markers: ReadonlyMap<StoreId, StoreMarker> =
    found.size > 0 ? found : new Map([[0, newStoreMarker(0, random.bytes(16))]]);
  const opened = new Map<StoreId, DirectoryObjectStore>();
  for (const [id, marker] of markers) {
    // Nobody writes under this name, so nothing is there to clean up: the store may be another cluster's.
    const settings = { root: rootOf(dataDir, id), random, logger: SILENT_LOGGER, owner: "reading" };
    opened.set(id, await DirectoryObjectStore.open(settings, marker));
  }
  return closingAll(opened, undefined);
}

/** Makes a store and registers it. Several processes may do so at once: one marker and one registration count. */
async function makeStore(
  storeId: StoreId,
  cluster: ClusterJournal,
  options: EmbeddedStoresOptions,
): Promise<DirectoryObjectStore> {
  const { random, signal } = options;
  const storeOptions = storeOptionsOf(storeId, options);
  try {
    const created = await DirectoryObjectStore.create(storeOptions, newStoreMarker(storeId, random.bytes(16)));
    const identity = identityOf(created.marker);
    const url = pathToFileURL(storeOptions.root).href;
    const command = { kind: "register-store", storeId, identity, url } as const;
    const { outcome } = await cluster.propose(command, { lane: "cluster", signal });
    if (outcome.kind === "refused") throw rootError(storeOptions.root, "is registered with another identity");
    return created;
  } catch (error) {
    // Another process may have made and filled it meanwhile.
    await cluster.readBarrier(signal);
    const known = cluster.state.stores.get(storeId);
    if (known === undefined) throw error;
    const marker = await findMarker(storeOptions.root);
    return openKnown(known, marker, { ...options, state: cluster.state });
  }
}

async function openKnown(
  { storeId, identity }: StoreState,
  found: StoreMarker | undefined,
  options: EmbeddedStoresOptions & { readonly state: ClusterState },
): Promise<DirectoryObjectStore> {
  const expected = markerOfIdentity(storeId, identity);
  const storeOptions = storeOptionsOf(storeId, options);
  if (found !== undefined && found.identity !== expected.identity) {
    const twice = [...options.state.stores.values()].find((each) => each.identity === identityOf(found));
    const what =
      twice === undefined ? "holds a store of another cluster" : `holds store ${twice.storeId} a second time`;
    throw rootError(storeOptions.root, `${what}: put store ${storeId} back there, or take away what is there`);
  }
  return DirectoryObjectStore.open(storeOptions, expected);
}

function closingAll(
  opened: ReadonlyMap<StoreId, DirectoryObjectStore>,
  nearestId: StoreId | undefined,
): EmbeddedStores {
  return {
    stores: new StoreSet(opened, nearestId),
    async [Symbol.asyncDispose]() {
      await Promise.all([...opened.values()].map((store) => store[Symbol.asyncDispose]()));
    },
  };
}

function storeOptionsOf(storeId: StoreId, options: EmbeddedStoresOptions): DirectoryStoreOptions {
  const { dataDir, random, logger, owner } = options;
  return { root: rootOf(dataDir, storeId), random, logger, owner };
}

function rootOf(dataDir: string, storeId: StoreId): string {
  return resolve(join(dataDir, storeFolder(storeId)));
}

/** The marker that lies in a root; undefined if there is none that can be read, which the store itself reports. */
async function findMarker(root: string): Promise<StoreMarker | undefined> {
  try {
    return await readMarker(new NodeFilePort(), join(root, MARKER_KEY));
  } catch {
    return undefined;
  }
}
