import { assembleReaders } from "#lib/broker/assemble-readers.ts";
import type { WatchedStores } from "#lib/broker/assemble-replication.ts";
import { journalPorts } from "#lib/broker/open-journals.ts";
import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ClusterView } from "#lib/cluster/cluster-view.ts";
import { ProducerIds } from "#lib/cluster/producer-ids.ts";
import { TopicAdmin } from "#lib/cluster/topic-admin.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { LostRecords } from "#lib/housekeeping/lost-records.ts";
import { CopyTracker } from "#lib/housekeeping/replication/copy-tracker.ts";
import type { WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { Appender, Fetcher, OffsetLister } from "#lib/log/log-api.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { type LogJournal, type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import type { PartitionDirectory } from "#lib/log/partition-directory.ts";
import { describeError, type LogFields, type Logger } from "#lib/runtime/logger.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId, JournalId, StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { Decorations } from "./decorations.ts";
import type { Host } from "./host.ts";
import { takePart } from "./replicas/sim-member.ts";
import { type SimWorkerName, SimWorkers } from "./workers/sim-workers.ts";

export type LogReplica = ReplicatedState<LogState, LogCommand, LogOutcome>;
export type ClusterReplica = ReplicatedState<ClusterState, ClusterCommand, ClusterOutcome>;
export type GroupReplica = ReplicatedState<GroupJournalState, GroupCommand, GroupOutcome>;
type AnyReplica = LogReplica | ClusterReplica | GroupReplica;

const GROUP_JOURNAL_COUNT = 1;
const OWN_MISTAKE = /AssertionError|TypeError|RangeError|Refused|Corrupt|DecodeError|UnknownJournals/;

export interface SimBrokerOptions {
  readonly host: Host;
  readonly brokerId: BrokerId;
  /** The nearest store. */
  readonly homeId: StoreId;
  readonly journal: Journal;
  readonly stores: ReadonlyMap<StoreId, ObjectStore>;
  readonly logMachine: LogStateMachine;
  readonly logJournalCount: number;
  readonly inlineBytesMax: number;
  readonly lingerMs: number;
  readonly snapshotRecordsMin: number;
  readonly tailCacheBytesMax: number;
  readonly blockCacheBytesMax: number;
  /** Of the broker, as given at its start. */
  readonly startConfigs: ReadonlyMap<string, string>;
  /** Left out where processes are no brokers of a cluster. */
  readonly membership?: { readonly replacesDead: boolean };
  readonly decorations: Decorations;
  /** What a process says at level `error`. */
  readonly onError: (message: string, fields: LogFields) => void;
}

/** What one simulated process runs: a broker without a door, as `assembleBroker` wires it, but for its housekeeping. */
export class SimBroker {
  readonly host: Host;
  readonly options: SimBrokerOptions;
  readonly replicas = new Map<JournalId, AnyReplica>();
  readonly logReplicas = new Map<JournalId, LogReplica>();
  readonly cluster: ClusterReplica;
  readonly logJournals: LogJournals;
  readonly #groupJournals: GroupJournals;
  #isStopped = false;
  #view: ClusterView | undefined;
  #directory: PartitionDirectory | undefined;
  #appender: Appender | undefined;
  #fetcher: Fetcher | undefined;
  #offsets: OffsetLister | undefined;
  #topicAdmin: TopicAdmin | undefined;
  #workers: SimWorkers | undefined;
  readonly #producerIds: ProducerIds;
  readonly #stop = new AbortController();
  readonly #ports;
  readonly #watched: WatchedStores;
  readonly #writer: ReplicatedWriter;
  readonly #logger: Logger;

  constructor(options: SimBrokerOptions) {
    const { host, logMachine, snapshotRecordsMin, decorations } = options;
    this.host = host;
    this.options = options;
    const { clock, random } = host;
    const journal = decorations.journal?.(options.journal, host) ?? options.journal;
    this.#logger = errorLogger((message, fields) => {
      if (message === "journal stopped") this.#isStopped = true;
      options.onError(message, fields);
    });
    this.#watched = watchedStores(options);
    const { stores, health, tracker } = this.#watched;
    const writerPorts = { stores, health, clock, random, logger: this.#logger, lateCopies: tracker };
    const writer = new ReplicatedWriter(writerPorts);
    this.#writer = decorations.writer?.(writerPorts) ?? writer;
    const ports = { journal, stores, health, clock, random, logger: this.#logger };
    const opening = journalPorts(ports, writer);
    this.#ports = { ...opening, objects: decorations.objects?.(opening.objects) ?? opening.objects };
    const machine = clusterStateMachine;
    this.cluster = new ReplicatedState({ id: CLUSTER_JOURNAL_ID, machine, snapshotRecordsMin, ...this.#ports });
    this.replicas.set(CLUSTER_JOURNAL_ID, this.cluster);
    this.logJournals = newLogJournals({
      count: options.logJournalCount,
      create: (id) => {
        const replica = new ReplicatedState({ id, machine: logMachine, snapshotRecordsMin, ...this.#ports });
        this.replicas.set(id, replica);
        this.logReplicas.set(id, replica);
        const view: LogJournal = replica;
        return decorations.logJournal?.(view) ?? view;
      },
      signal: this.#stop.signal,
    });
    this.#groupJournals = newGroupJournals({
      count: GROUP_JOURNAL_COUNT,
      create: (id) => {
        const replica = new ReplicatedState({ id, machine: groupStateMachine, snapshotRecordsMin, ...this.#ports });
        this.replicas.set(id, replica);
        return replica;
      },
      signal: this.#stop.signal,
    });
    this.#producerIds = new ProducerIds(this.cluster);
  }

  async open(): Promise<void> {
    const { options } = this;
    const { signal } = this.#stop;
    await this.cluster.open(signal);
    const storeCount = this.#watched.stores.ids.length;
    const { brokerId } = options;
    const view = new ClusterView({ journal: this.cluster, brokerId, startConfigs: options.startConfigs, storeCount });
    const directory: PartitionDirectory = options.decorations.directory?.(view) ?? view;
    const ports = { ...this.#ports, stores: this.#watched.stores, journals: this.logJournals, directory };
    const readers = assembleReaders(
      { ...ports, health: this.health, onCopyLost: (lost) => this.#watched.tracker.noteLost(lost) },
      {
        tailCacheBytesMax: options.tailCacheBytesMax,
        blockCacheBytesMax: options.blockCacheBytesMax,
        journalPollMs: 100,
      },
    );
    await this.logJournals.openAll(signal);
    const appender = new AppendPath(
      {
        ...ports,
        storeIds: this.#watched.stores.ids,
        writer: this.#writer,
        health: this.health,
        recent: readers.recent,
        // Small, so that its memory is used again all the time.
        memory: new SegmentMemory(64 * 1024),
        signal,
      },
      { ...DEFAULT_APPEND_SETTINGS, inlineBytesMax: options.inlineBytesMax, lingerMs: options.lingerMs },
    );
    this.#view = view;
    this.#directory = directory;
    this.#appender = options.decorations.appender?.(appender) ?? appender;
    const { fetcher } = readers.services;
    this.#fetcher = options.decorations.fetcher?.(fetcher, this.host) ?? fetcher;
    this.#workers = new SimWorkers({
      ...ports,
      health: this.health,
      tailCache: readers.recent,
      writer: this.#writer,
      cluster: view,
      journalIds: () => [...this.replicas.keys()],
      journalsOf: (name) => options.decorations.workerJournals?.(name, this.logJournals, this.host) ?? this.logJournals,
      logger: { ...this.#logger, warn: (message, fields) => this.#noteWarning(message, fields) },
    });
    this.#offsets = readers.services.offsets;
    this.#topicAdmin = new TopicAdmin({
      cluster: view,
      journal: this.cluster,
      logJournals: this.logJournals,
      groupJournals: this.#groupJournals,
      storeCount,
      clock: this.host.clock,
      random: this.host.random,
      logger: this.#logger,
      signal,
    });
    void this.#finishInterrupted();
  }

  /** Makes the process a broker of the cluster, where it is to be one. Resolves when it is registered. */
  async takePart(): Promise<void> {
    const { options, cluster, logJournals, view } = this;
    const { host, membership } = options;
    if (membership === undefined) return;
    await takePart({
      ...this.#ports,
      ...membership,
      options,
      watched: this.#watched,
      journals: logJournals,
      groupJournalCount: GROUP_JOURNAL_COUNT,
      cluster: view,
      clusterJournal: cluster,
      onReplaced: () => host.kill(),
      signal: this.#stop.signal,
    });
  }

  /** What the process knows of its stores. */
  get health(): StoreHealth {
    return this.#watched.health;
  }

  /** Goes on with what a process began and did not end, as a broker does when it starts. */
  async #finishInterrupted(): Promise<void> {
    const { signal } = this.#stop;
    try {
      await Promise.all([this.topicAdmin.resumeDeletions(signal), this.topicAdmin.resumeSettings(signal)]);
    } catch (error) {
      if (!(error instanceof LogError)) this.#logger.error("resuming failed", { error: describeError(error) });
    }
  }

  /** What an operator asks for who gives up what no store has any more. */
  get lostRecords(): LostRecords {
    return new LostRecords({ ...this.#ports, journals: this.logJournals, stores: this.#watched.stores });
  }

  get view(): ClusterView {
    return defined(this.#view);
  }

  /** The view, as the append path sees it. */
  get directory(): PartitionDirectory {
    return defined(this.#directory);
  }

  get appender(): Appender {
    return defined(this.#appender);
  }

  get fetcher(): Fetcher {
    return defined(this.#fetcher);
  }

  get offsets(): OffsetLister {
    return defined(this.#offsets);
  }

  get topicAdmin(): TopicAdmin {
    return defined(this.#topicAdmin);
  }

  get producerIds(): ProducerIds {
    return this.#producerIds;
  }

  /** Whether one of its journals has stopped for good, as at a feature level that it does not understand. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** One run of a worker, with what this process remembers of earlier ones or, if `isNew`, without. */
  work(name: SimWorkerName, run: WorkerRun & { readonly isNew: boolean }): Promise<number> {
    return defined(this.#workers).run(name, run);
  }

  noteWorkerError(message: string, error: unknown): void {
    this.#noteWarning(message, { error: describeError(error) });
  }

  /** Workers only warn; what neither a fault of a service nor a race explains is an error all the same. */
  #noteWarning(message: string, fields: LogFields = {}): void {
    if (OWN_MISTAKE.test(String(fields["error"]))) this.options.onError(message, fields);
  }

  /** One round of the housekeeper: a snapshot where one is due, then what it made superfluous is removed. */
  async tend(signal: AbortSignal): Promise<void> {
    for (const replica of this.replicas.values()) {
      await replica.takeSnapshot(signal);
      await replica.trim(signal);
    }
  }
}

function watchedStores({ stores, homeId, host, decorations }: SimBrokerOptions): WatchedStores {
  const { clock } = host;
  const health = decorations.health?.(clock) ?? new StoreHealth(clock);
  const set = watchStores(new StoreSet(stores, homeId), health);
  const options = { storeIds: set.ids, clock, isThorough: true };
  return { stores: set, health, tracker: decorations.tracker?.(options) ?? new CopyTracker(options) };
}

function errorLogger(onError: (message: string, fields: LogFields) => void): Logger {
  return {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields = {}) => onError(message, fields),
  };
}
