import type { BrokerId, JournalSeq, StoreId, TimestampMs, TopicId, Uuid } from "#lib/util/branded.ts";
import type { ApiKeyState } from "./api-key-state.ts";
import type { BrokerState } from "./broker-state.ts";

// The folded state of the journal `cluster`. Mutable on purpose and by the fold alone. A topic costs the same here
// whatever the number of its partitions: their places follow from the topic's own few numbers.

export interface ClusterState {
  /** Kafka's cluster id, named once by whoever came first; empty until then. */
  clusterId: string;
  /** Insertion order is part of the state. */
  readonly topics: Map<TopicId, TopicState>;
  readonly stores: Map<StoreId, StoreState>;
  /** Dynamic broker configs: the cluster-wide ones under the empty text, as in Kafka, else by broker id in decimal. */
  readonly brokerConfigs: Map<string, ReadonlyMap<string, string>>;
  /** Configs of groups by their ids, those of groups that are not there included. */
  readonly groupConfigs: Map<string, ReadonlyMap<string, string>>;
  /** Keys of the HTTPS door by their ids. */
  readonly apiKeys: Map<string, ApiKeyState>;
  /** Every broker id that was ever registered. */
  readonly brokers: Map<BrokerId, BrokerState>;
  /** Where the next topic's partitions begin, modulo its journal count, so that topics spread. */
  nextBaseJournal: number;
  nextProducerId: number;
  /** Partitions of all topics, those being deleted included. Follows from `topics`. */
  partitionCount: number;
  /** Follows from `topics`. A topic holds its name until it is forgotten. */
  readonly topicIdsByName: Map<string, TopicId>;
  /** Topic names by their metric form, in which `.` and `_` are one; never two of them. Follows from `topics`. */
  readonly topicNamesByMetricName: Map<string, string>;
}

export interface TopicState {
  readonly topicId: TopicId;
  readonly name: string;
  partitionCount: number;
  readonly replicationFactor: number;
  /** Partition i lives in log journal (baseJournal + i) mod journalCount. */
  readonly baseJournal: number;
  /** The number of log journals when the topic was created; more journals later do not move it. */
  readonly journalCount: number;
  readonly createdAtMs: TimestampMs;
  /** Topic configs set on the topic itself, as text. Replaced as a whole, so that readers may keep what they have. */
  configs: ReadonlyMap<string, string>;
  /** The number of the record that marked it for deletion. */
  deletingSince: JournalSeq | undefined;
}

export interface StoreState {
  readonly storeId: StoreId;
  /** What the store's marker object says; a store that comes back under another identity is another store. */
  readonly identity: Uuid;
  url: string;
}

export function initialClusterState(): ClusterState {
  return {
    clusterId: "",
    topics: new Map(),
    stores: new Map(),
    brokerConfigs: new Map(),
    groupConfigs: new Map(),
    apiKeys: new Map(),
    brokers: new Map(),
    nextBaseJournal: 0,
    nextProducerId: 0,
    partitionCount: 0,
    topicIdsByName: new Map(),
    topicNamesByMetricName: new Map(),
  };
}

/** Adds a topic and what follows from it. */
export function addTopic(state: ClusterState, topic: TopicState): void {
  state.topics.set(topic.topicId, topic);
  state.topicIdsByName.set(topic.name, topic.topicId);
  state.partitionCount += topic.partitionCount;
  state.topicNamesByMetricName.set(metricNameOf(topic.name), topic.name);
}

/** Removes a topic and what follows from it. */
export function removeTopic(state: ClusterState, topic: TopicState): void {
  state.topics.delete(topic.topicId);
  state.topicIdsByName.delete(topic.name);
  state.partitionCount -= topic.partitionCount;
  state.topicNamesByMetricName.delete(metricNameOf(topic.name));
}

/** Kafka's metrics write `.` as `_`, so two names that differ only there would share their metrics. */
export function metricNameOf(topicName: string): string {
  return topicName.replaceAll(".", "_");
}
