import { ClusterView } from "#lib/cluster/cluster-view.ts";
import { Elector } from "#lib/cluster/elector.ts";
import { KeyAdmin } from "#lib/cluster/key-admin.ts";
import { ProducerIds } from "#lib/cluster/producer-ids.ts";
import { TopicAdmin, type TopicAdminOptions } from "#lib/cluster/topic-admin.ts";
import { JournalHousekeeper } from "#lib/housekeeping/journal-housekeeper.ts";
import { LostRecords } from "#lib/housekeeping/lost-records.ts";
import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, type AppendPathPorts, type AppendSettings } from "#lib/log/append-path.ts";
import { type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { meteredAppender, meteredFetcher } from "#lib/log/metered-log.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { type StoreId, uuidFromBytes } from "#lib/util/branded.ts";
import { LOG_JOURNALS_DEFAULT, SEGMENT_MEMORY_BYTES_MIN } from "#lib/util/limits.ts";
import { assembleGroups } from "./assemble-groups.ts";
import { assembleReaders } from "./assemble-readers.ts";
import { assembleReplication, watchReplicas } from "./assemble-replication.ts";
import { assembleWorkers, runWorkers } from "./assemble-workers.ts";
import { type BrokerChores, finishInterrupted, newBrokerChores } from "./broker-chores.ts";
import { BrokerPresence, type PresenceParts } from "./broker-presence.ts";
import type { BrokerIdentity, BrokerServices } from "./broker-services.ts";
import { FetchSessions } from "./fetch-sessions.ts";
import { type BrokerPorts, type JournalPorts, journalPorts, openCluster } from "./open-journals.ts";
import { ReplicaNodes } from "./replica-nodes.ts";

export interface BrokerSettings {
  readonly identity: Pick<BrokerIdentity, "brokerId" | "rack">;
  /** Broker configs given at start, checked by `parseBrokerConfigs`. */
  readonly startConfigs: ReadonlyMap<string, string>;
  readonly append: AppendSettings;
  readonly tailCacheBytesMax: number;
  readonly blockCacheBytesMax: number;
  /** Spacing of the polls for what other processes commit, in milliseconds. */
  readonly journalPollMs: number;
  /**
   * For a process that is frozen between its calls: a journal is opened when something touches it, and nothing runs
   * unless it is called; `Broker.chores` are then for a schedule to call.
   */
  readonly isOnDemand?: boolean;
  /** For work by hand: the chores are done for every journal, whoever leads it. */
  readonly looksAfterAll?: boolean;
  /** The workers that run by themselves; none where left out, and none on demand. Beside them all can be asked to run. */
  readonly workers?: readonly WorkerName[];
  /** See `PresenceOptions`; not where left out. */
  readonly replacesDead?: boolean;
}

/** A broker without a door: everything that handlers need. */
export interface Broker {
  readonly services: BrokerServices;
  readonly chores: BrokerChores;
  /** Begins when somebody joins it: doors come first. */
  readonly presence: BrokerPresence;
  /** Answers what is under way (until `signal` aborts), then stops everything. Doors are closed before. */
  stop(signal: AbortSignal): Promise<void>;
}

/** Opens the journals and wires the parts together. Rejects if the journals cannot be read. */
export async function assembleBroker(given: BrokerPorts, settings: BrokerSettings): Promise<Broker> {
  const { startConfigs, isOnDemand = false, looksAfterAll = false } = settings;
  const watched = watchReplicas(given, { isOnDemand });
  const { stores, health, tracker } = watched;
  const ports = { ...given, stores, health };
  const { clock, random, logger, telemetry } = ports;
  const stopping = sharedAbortController();
  const { signal } = stopping;
  const housekeeper = new JournalHousekeeper({ clock, logger });
  const writer = new ReplicatedWriter({ stores, clock, random, logger, health, lateCopies: tracker });
  const opening = journalPorts(ports, writer);
  const cluster = await openNamedCluster(opening, signal);
  housekeeper.add(cluster);
  const journals = newTendedJournals(opening, housekeeper, signal);
  const storeCount = stores.ids.length;
  const view = new ClusterView({ journal: cluster, ...settings.identity, startConfigs, storeCount });
  const groups = assembleGroups(
    { ...opening, housekeeper, cluster: view, clusterJournal: cluster },
    { ...settings, signal },
  );
  // Readers listen to the folds, so they come before the journals are opened.
  const onCopyLost = (lost: LostCopy): void => tracker.noteLost(lost);
  const readers = assembleReaders({ ...ports, journals, directory: view, onCopyLost }, settings);
  if (!isOnDemand) await journals.openAll(signal);
  const appendPorts = { ...ports, journals, directory: view, writer, recent: readers.recent, signal };
  const members = { ...ports, cluster: view, clusterJournal: cluster, journals, storeIds: stores.ids };
  const groupJournalCount = groups.journals.count;
  const tended = { ...members, ...settings.identity, isOnDemand, looksAfterAll, groupJournalCount };
  const replication = assembleReplication({ ...tended, watched });
  const workers = assembleWorkers({ ...tended, writer, tailCache: readers.recent, onCopyLost, signal });
  const isStoreSuspect = (id: StoreId): boolean => health.isSuspect(id);
  const elector = new Elector({ ...members, ...settings.identity, isStoreSuspect });
  const services: BrokerServices = {
    identity: { ...settings.identity, clusterId: cluster.state.clusterId },
    storeIds: stores.ids,
    cluster: view,
    journals,
    elector,
    replication,
    lostRecords: new LostRecords({ journals, stores, clock, logger }),
    nodes: new ReplicaNodes({ identity: settings.identity, storeIds: stores.ids, cluster: view, journals }),
    ...adminServices({
      ...{ cluster: view, journal: cluster, logJournals: journals, groupJournals: groups.journals },
      ...{ storeCount, clock, random, logger, signal },
    }),
    ...readers.services,
    appender: meteredAppender(newAppendPath(appendPorts, settings), telemetry),
    fetcher: meteredFetcher(readers.services.fetcher, telemetry),
    groups: groups.coordinator,
    fetchSessions: newFetchSessions(view, ports),
    clock,
    random,
    logger,
  };
  const always = () => [housekeeper.run(random, signal), groups.run(), replication.run(signal)];
  const background = isOnDemand
    ? []
    : [...always(), runWorkers(workers, settings, signal), finishInterrupted(services, signal)];
  return {
    services,
    chores: newBrokerChores({ cluster, groups, housekeeper, services, writer, replication, elector, workers }),
    presence: newPresence(settings, { ...members, elector }),
    async stop(giveUp) {
      await Promise.race([services.appender.drain(), aborted(giveUp)]);
      stopping.abort(new Error("the broker stops"));
      // A journal that does not answer must not hold up the end; its state is closed below.
      await Promise.race([Promise.all(background), aborted(giveUp)]);
      readers.dispose();
      groups.coordinator[Symbol.dispose]();
      view.close();
      housekeeper.closeAll();
    },
  };
}

function newPresence({ identity, replacesDead = false }: BrokerSettings, parts: PresenceParts): BrokerPresence {
  return new BrokerPresence({ ...identity, replacesDead }, parts);
}

function newAppendPath(
  ports: BrokerPorts & Omit<AppendPathPorts, "storeIds" | "memory">,
  { append, tailCacheBytesMax }: BrokerSettings,
): AppendPath {
  const memory = new SegmentMemory(Math.max(tailCacheBytesMax, SEGMENT_MEMORY_BYTES_MIN));
  return new AppendPath({ ...ports, storeIds: ports.stores.ids, memory }, append);
}

function newFetchSessions(cluster: ClusterView, { clock, random }: BrokerPorts): FetchSessions {
  const sessionsMax = cluster.brokerInteger("max.incremental.fetch.session.cache.slots");
  return new FetchSessions({ sessionsMax, clock, random });
}

function adminServices(ports: TopicAdminOptions): Pick<BrokerServices, "topicAdmin" | "keyAdmin" | "producerIds"> {
  const { journal } = ports;
  return {
    topicAdmin: new TopicAdmin(ports),
    keyAdmin: new KeyAdmin(journal),
    producerIds: new ProducerIds(journal),
  };
}

/** The log journals, not opened yet. */
function newTendedJournals(ports: JournalPorts, housekeeper: JournalHousekeeper, signal: AbortSignal): LogJournals {
  return newLogJournals({
    count: LOG_JOURNALS_DEFAULT,
    create: (id) => {
      const state = new ReplicatedState({ id, machine: logStateMachine, ...ports });
      housekeeper.add(state);
      return state;
    },
    signal,
  });
}

async function openNamedCluster(ports: JournalPorts, signal: AbortSignal): ReturnType<typeof openCluster> {
  const cluster = await openCluster(ports, signal);
  if (cluster.state.clusterId !== "") return cluster;
  // Two brokers may do so at once: the fold keeps the first name.
  const clusterId = uuidFromBytes(ports.random.bytes(16));
  await cluster.propose({ kind: "name-cluster", clusterId }, { lane: "cluster", signal });
  return cluster;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
