import { assembleReaders } from "#lib/broker/assemble-readers.ts";
import { journalPorts } from "#lib/broker/open-journals.ts";
import { BrokerMembership } from "#lib/cluster/broker-membership.ts";
import { BrokerIdInUseError } from "#lib/cluster/broker-registration.ts";
import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ClusterView } from "#lib/cluster/cluster-view.ts";
import { Elector } from "#lib/cluster/elector.ts";
import { ProducerIds } from "#lib/cluster/producer-ids.ts";
import { TopicAdmin } from "#lib/cluster/topic-admin.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { LostRecords } from "#lib/housekeeping/lost-records.ts";
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
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId, JournalId, StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { MIB } from "#lib/util/limits.ts";
import type { Decorations } from "./decorations.ts";
import type { Host } from "./host.ts";

export type LogReplica = ReplicatedState<LogState, LogCommand, LogOutcome>;
export type ClusterReplica = ReplicatedState<ClusterState, ClusterCommand, ClusterOutcome>;
export type GroupReplica = ReplicatedState<GroupJournalState, GroupCommand, GroupOutcome>;
type AnyReplica = LogReplica | ClusterReplica | GroupReplica;

const GROUP_JOURNAL_COUNT = 1;

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
  readonly #producerIds: ProducerIds;
  readonly #stop = new AbortController();
  readonly #ports;
  readonly #stores: StoreSet;
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
    this.#stores = new StoreSet(options.stores, options.homeId);
    const writerPorts = { stores: this.#stores, clock, random, logger: this.#logger };
    const writer = new ReplicatedWriter(writerPorts);
    this.#writer = decorations.writer?.(writerPorts) ?? writer;
    const ports = { journal, stores: this.#stores, clock, random, logger: this.#logger };
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
    const storeCount = this.#stores.ids.length;
    const { brokerId } = options;
    const view = new ClusterView({ journal: this.cluster, brokerId, startConfigs: options.startConfigs, storeCount });
    const directory: PartitionDirectory = options.decorations.directory?.(view) ?? view;
    const ports = { ...this.#ports, stores: this.#stores, journals: this.logJournals, directory };
    const readers = assembleReaders(
      { ...ports, onCopyLost: () => undefined },
      {
        tailCacheBytesMax: options.tailCacheBytesMax,
        blockCacheBytesMax: MIB,
        journalPollMs: 100,
      },
    );
    await this.logJournals.openAll(signal);
    const appender = new AppendPath(
      {
        ...ports,
        storeIds: this.#stores.ids,
        writer: this.#writer,
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
    this.#fetcher = readers.services.fetcher;
    this.#offsets = readers.services.offsets;
    this.#topicAdmin = new TopicAdmin({
      cluster: view,
      journal: this.cluster,
      logJournals: this.logJournals,
      groupJournals: this.#groupJournals,
      storeCount,
      random: this.host.random,
      logger: this.#logger,
      signal,
    });
    void this.#finishInterrupted();
  }

  /** Registers the process as a broker and resolves; it takes part in the cluster from then on. */
  async register(): Promise<void> {
    const { options, cluster, logJournals, view } = this;
    const { host, brokerId, homeId, membership, decorations } = options;
    if (membership === undefined) return;
    const { signal } = this.#stop;
    const { clock, random } = host;
    const shared = { cluster: view, clock, logger: this.#logger };
    const member = new BrokerMembership(
      { brokerId, rack: null, storeId: homeId, ...membership },
      { ...shared, journal: decorations.clusterJournal?.(cluster, host) ?? cluster, random },
    );
    const storeIds = this.#stores.ids;
    const elector = new Elector({ ...shared, brokerId, clusterJournal: cluster, journals: logJournals, storeIds });
    try {
      await member.register([{ name: "PLAINTEXT", host: host.name, port: 9092 }], signal);
    } catch (error) {
      this.#noteEnd(error);
      return;
    }
    elector.follow(signal);
    member.run(signal, () => void elector.tick(signal)).catch((error) => this.#noteEnd(error));
  }

  /** Another process has this broker's id: this one ends. */
  #noteEnd(error: unknown): void {
    if (error instanceof BrokerIdInUseError) this.host.kill();
    else this.#logger.error("membership failed", { error: describeError(error) });
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
    return new LostRecords({ journals: this.logJournals, stores: this.#stores, logger: this.#logger });
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

  /** One round of the housekeeper: a snapshot where one is due, then what it made superfluous is removed. */
  async tend(signal: AbortSignal): Promise<void> {
    for (const replica of this.replicas.values()) {
      await replica.takeSnapshot(signal);
      await replica.trim(signal);
    }
  }
}

function errorLogger(onError: (message: string, fields: LogFields) => void): Logger {
  return {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields = {}) => onError(message, fields),
  };
}
