import type { PartitionDirectory, TopicPlacement } from "#lib/log/partition-directory.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId, JournalSeq, TimestampMs, TopicId } from "#lib/util/branded.ts";
import type { ApiKeyState } from "./api-key-state.ts";
import type { BrokerConfigDefinition } from "./broker-config-definition.ts";
import { brokerConfigDefinition } from "./broker-configs.ts";
import type { BrokerState } from "./broker-state.ts";
import type { ClusterCommand } from "./cluster-command.ts";
import type { ClusterState, StoreState, TopicState } from "./cluster-state.ts";
import type { ClusterJournal } from "./cluster-state-machine.ts";
import { integerOf } from "./config-definition.ts";
import {
  type BrokerConfigLayers,
  defaultMinInsync,
  type EffectiveConfig,
  effectiveBrokerConfig,
  effectiveGroupConfig,
  effectiveTopicConfig,
} from "./effective-configs.ts";
import { effectiveGroupInteger, type GroupConfigDefinition } from "./group-configs.ts";
import type { TopicConfigDefinition } from "./topic-configs.ts";
import { type TopicSettings, topicSettings } from "./topic-settings.ts";

/** A topic that is not marked for deletion. */
export interface Topic {
  readonly topicId: TopicId;
  readonly name: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** Those set on the topic itself. */
  readonly configs: ReadonlyMap<string, string>;
}

/** A topic with what its write and read paths need, as of one view of the cluster. */
export interface TopicView extends Topic {
  readonly placement: TopicPlacement;
  readonly settings: TopicSettings;
}

export interface ClusterViewOptions {
  readonly journal: ClusterJournal;
  readonly brokerId: BrokerId;
  /** What `parseBrokerConfigs` made of the configs given at start. */
  readonly startConfigs: ReadonlyMap<string, string>;
  /** Stores that replicas can live in. */
  readonly storeCount: number;
}

const REPLICATION_FACTOR_DEFAULT_MAX = 3;
/** The brokers of one state, by id; made anew when a fold concerns them. */
interface KnownBrokers {
  readonly all: readonly Readonly<BrokerState>[];
  readonly running: readonly Readonly<BrokerState>[];
}

const NONE: ReadonlyMap<string, string> = new Map();

/** What this process knows of the cluster: topics, where their partitions are, and the configs that count. */
export class ClusterView implements PartitionDirectory {
  readonly #journal: ClusterJournal;
  readonly #brokerName: string;
  readonly #startConfigs: ReadonlyMap<string, string>;
  readonly #defaults: ReadonlyMap<string, string>;
  readonly #stopListening: () => void;
  /** What is cached belongs to this very state; a reload from a snapshot brings another. */
  #cachedState: ClusterState;
  readonly #cachedTopics = new Map<TopicId, TopicView>();
  readonly #cachedBrokerConfigs = new Map<string, EffectiveConfig>();
  #sortedTopics: readonly Topic[] | undefined;
  #knownBrokers: KnownBrokers | undefined;

  constructor(options: ClusterViewOptions) {
    this.#journal = options.journal;
    this.#brokerName = String(options.brokerId);
    this.#startConfigs = options.startConfigs;
    const replicationFactor = Math.max(1, Math.min(REPLICATION_FACTOR_DEFAULT_MAX, options.storeCount));
    this.#defaults = new Map([
      ["default.replication.factor", String(replicationFactor)],
      ["min.insync.replicas", String(defaultMinInsync(replicationFactor))],
      ["node.id", this.#brokerName],
    ]);
    this.#cachedState = options.journal.state;
    this.#stopListening = options.journal.onFold((command) => this.#forgetWhatChanged(command));
  }

  find(topicId: TopicId): TopicPlacement | undefined {
    return this.topic(topicId)?.placement;
  }

  refresh(signal: AbortSignal): Promise<void> {
    return this.#journal.readBarrier(signal);
  }

  /** By the monotonic clock; see `ReplicatedStateView`. */
  get asOfMs(): number {
    return this.#journal.asOfMs;
  }

  /** Folds what an eventually consistent read shows. */
  catchUp(signal: AbortSignal): Promise<void> {
    return this.#journal.catchUp(signal);
  }

  /** Cheap: made once and kept until the topic or a config changes. */
  topic(topicId: TopicId): TopicView | undefined {
    this.#dropForeignCaches();
    const clusterSeq = this.#journal.seq;
    const cached = this.#cachedTopics.get(topicId);
    if (cached?.placement.clusterSeq === clusterSeq) return cached;
    const topic = this.#journal.state.topics.get(topicId);
    if (topic === undefined || topic.deletingSince !== undefined) return undefined;
    // A placement says as of when it holds, so it is made anew whenever the view has moved on; the settings stay.
    const settings = cached?.settings ?? topicSettings(this.configLayers(), topic);
    const view = viewOf(topic, settings, clusterSeq);
    this.#cachedTopics.set(topicId, view);
    return view;
  }

  topicByName(name: string): TopicView | undefined {
    const topicId = this.#journal.state.topicIdsByName.get(name);
    return topicId === undefined ? undefined : this.topic(topicId);
  }

  /** Every topic, by name in the order of its UTF-16 units, as Kafka sorts them. */
  topics(): readonly Topic[] {
    this.#dropForeignCaches();
    this.#sortedTopics ??= [...this.#journal.state.topics.values()]
      .filter(({ deletingSince }) => deletingSince === undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sortedTopics;
  }

  get topicCount(): number {
    return this.topics().length;
  }

  /** The effective configs of a topic, parsed. */
  settings(topicId: TopicId): TopicSettings | undefined {
    return this.topic(topicId)?.settings;
  }

  topicConfig(topic: Pick<Topic, "configs" | "replicationFactor">, definition: TopicConfigDefinition): EffectiveConfig {
    return effectiveTopicConfig(this.configLayers(), topic, definition);
  }

  brokerConfig(definition: BrokerConfigDefinition): EffectiveConfig {
    this.#dropForeignCaches();
    const cached = this.#cachedBrokerConfigs.get(definition.name);
    if (cached !== undefined) return cached;
    const effective = effectiveBrokerConfig(this.configLayers(), definition);
    this.#cachedBrokerConfigs.set(definition.name, effective);
    return effective;
  }

  /** A broker config of type boolean, such as `auto.create.topics.enable`. */
  brokerFlag(name: string): boolean {
    return this.#brokerValue(name) === "true";
  }

  /** A broker config of an integer type, capped at 2^53 - 1. */
  brokerInteger(name: string): number {
    return integerOf(this.#brokerValue(name));
  }

  /** The dynamic configs set on a broker, or on all of them under the empty name. */
  dynamicBrokerConfigs(brokerName: string): ReadonlyMap<string, string> {
    return this.#journal.state.brokerConfigs.get(brokerName) ?? NONE;
  }

  groupConfig(groupId: string, definition: GroupConfigDefinition): EffectiveConfig {
    return effectiveGroupConfig(this.configLayers(), this.groupConfigs(groupId), definition);
  }

  /** A config of an integer type as it counts for a group, such as `consumer.session.timeout.ms`. */
  groupInteger(groupId: string, name: string): number {
    return effectiveGroupInteger(name, this.groupConfigs(groupId), (each) => this.brokerInteger(each));
  }

  /** Those set on the group itself. */
  groupConfigs(groupId: string): ReadonlyMap<string, string> {
    return this.#journal.state.groupConfigs.get(groupId) ?? NONE;
  }

  configLayers(): BrokerConfigLayers {
    return {
      broker: this.dynamicBrokerConfigs(this.#brokerName),
      allBrokers: this.dynamicBrokerConfigs(""),
      start: this.#startConfigs,
      defaults: this.#defaults,
    };
  }

  stores(): readonly Readonly<StoreState>[] {
    return [...this.#journal.state.stores.values()].sort((a, b) => a.storeId - b.storeId);
  }

  /** Every broker id that was ever registered, ascending. Cheap: kept until a fold concerns them. */
  brokers(): readonly Readonly<BrokerState>[] {
    return this.#brokers().all;
  }

  /** Those that run as far as this process knows, ascending. As cheap. */
  runningBrokers(): readonly Readonly<BrokerState>[] {
    return this.#brokers().running;
  }

  runningBroker(brokerId: BrokerId): Readonly<BrokerState> | undefined {
    const broker = this.#journal.state.brokers.get(brokerId);
    return broker?.status === "running" ? broker : undefined;
  }

  apiKey(keyId: string): ApiKeyState | undefined {
    return this.#journal.state.apiKeys.get(keyId);
  }

  /** In the order of their creation. */
  apiKeys(): readonly ApiKeyState[] {
    return [...this.#journal.state.apiKeys.values()];
  }

  /** By the journal service's clock. */
  nowMs(): TimestampMs {
    return this.#journal.nowMs();
  }

  /** Empty until somebody has named the cluster. */
  get clusterId(): string {
    return this.#journal.state.clusterId;
  }

  /** Stops following the journal. */
  close(): void {
    this.#stopListening();
  }

  #brokers(): KnownBrokers {
    this.#dropForeignCaches();
    if (this.#knownBrokers !== undefined) return this.#knownBrokers;
    const all = [...this.#journal.state.brokers.values()].sort((a, b) => a.brokerId - b.brokerId);
    this.#knownBrokers = { all, running: all.filter(({ status }) => status === "running") };
    return this.#knownBrokers;
  }

  #brokerValue(name: string): string {
    return defined(this.brokerConfig(defined(brokerConfigDefinition(name), name)).value, name);
  }

  #forgetWhatChanged(command: ClusterCommand): void {
    switch (command.kind) {
      case "create-topic":
        this.#sortedTopics = undefined;
        return;
      case "create-partitions":
      case "alter-topic-configs":
        this.#cachedTopics.delete(command.topicId);
        return;
      case "delete-topic":
      case "forget-topic":
        this.#cachedTopics.delete(command.topicId);
        this.#sortedTopics = undefined;
        return;
      case "alter-broker-configs":
        this.#cachedTopics.clear();
        this.#cachedBrokerConfigs.clear();
        return;
      case "register-broker":
      case "broker-heartbeat":
      case "fence-broker":
      case "stop-broker":
        this.#knownBrokers = undefined;
        return;
      case "name-cluster":
      case "allocate-producer-ids":
      case "register-store":
      case "create-key":
      case "delete-key":
      case "alter-group-configs":
        return;
    }
  }

  #dropForeignCaches(): void {
    if (this.#cachedState === this.#journal.state) return;
    this.#cachedState = this.#journal.state;
    this.#cachedTopics.clear();
    this.#cachedBrokerConfigs.clear();
    this.#sortedTopics = undefined;
    this.#knownBrokers = undefined;
  }
}

function viewOf(topic: TopicState, settings: TopicSettings, clusterSeq: JournalSeq): TopicView {
  const { topicId, name, partitionCount, replicationFactor, baseJournal, journalCount, configs } = topic;
  // As in Kafka, a topic never needs more in-sync replicas than it has: a broker's default may be meant for larger ones.
  const minInsyncReplicas = Math.min(settings.minInsyncReplicas, replicationFactor);
  return {
    topicId,
    name,
    partitionCount,
    replicationFactor,
    configs,
    placement: {
      topicId,
      partitionCount,
      replicationFactor,
      minInsyncReplicas,
      baseJournal,
      journalCount,
      clusterSeq,
    },
    settings,
  };
}
