import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { readKey, writeKey } from "./api-key-codec.ts";
import { readBroker, writeBroker } from "./broker-codec.ts";
import { addTopic, type ClusterState, initialClusterState, type TopicState } from "./cluster-state.ts";
import { readList } from "./read-list.ts";
import { readUuid, writeUuid } from "./uuid-codec.ts";

// A snapshot of the cluster's state. Numbers are uvarints, texts UTF-8 behind their length, ids 16 bytes; every list is
// a count and its elements, in the order of the state's maps.
//
//   text cluster id | next base journal | next producer id
//   topics   id | text name | partitions | replication factor | base journal | journals | varint created at, ms
//            | deleting since (0: not) | configs
//   stores   id | identity | text url
//   broker configs   text broker | configs
//   keys     key | varint created at, ms
//   group configs    text group id | configs
//   brokers  as in broker-codec.ts
//
// Each of the last three lists ends the snapshot if it and all after it are empty: as before feature level 2, 3 or 4.
//
//   configs  (text key, text value)
//   key      as in the command create-key

export function encodeClusterState(state: ClusterState, writer: ByteWriter): void {
  writer.text(state.clusterId).uvarint(state.nextBaseJournal).uvarint(state.nextProducerId);
  writer.uvarint(state.topics.size);
  for (const topic of state.topics.values()) writeTopic(writer, topic);
  writer.uvarint(state.stores.size);
  for (const { storeId, identity, url } of state.stores.values()) {
    writeUuid(writer.uvarint(storeId), identity).text(url);
  }
  writer.uvarint(state.brokerConfigs.size);
  for (const [brokerName, configs] of state.brokerConfigs) writeConfigs(writer.text(brokerName), configs);
  const hasGroupConfigs = state.groupConfigs.size > 0 || state.brokers.size > 0;
  if (state.apiKeys.size === 0 && !hasGroupConfigs) return;
  writer.uvarint(state.apiKeys.size);
  for (const key of state.apiKeys.values()) writeKey(writer, key).varint(key.createdAtMs);
  if (!hasGroupConfigs) return;
  writer.uvarint(state.groupConfigs.size);
  for (const [groupId, configs] of state.groupConfigs) writeConfigs(writer.text(groupId), configs);
  if (state.brokers.size === 0) return;
  writer.uvarint(state.brokers.size);
  for (const broker of state.brokers.values()) writeBroker(writer, broker);
}

export function decodeClusterState(reader: ByteReader): ClusterState {
  const state = initialClusterState();
  state.clusterId = reader.text();
  state.nextBaseJournal = reader.uvarint();
  state.nextProducerId = reader.uvarint();
  for (const topic of readList(reader, () => readTopic(reader))) addTopic(state, topic);
  for (const store of readList(reader, () => readStore(reader))) state.stores.set(store.storeId, store);
  for (const [brokerName, configs] of readList(reader, () => readNamedConfigs(reader))) {
    state.brokerConfigs.set(brokerName, configs);
  }
  if (reader.remaining === 0) return state;
  const keys = readList(reader, () => ({ ...readKey(reader), createdAtMs: reader.varint() }));
  for (const key of keys) state.apiKeys.set(key.keyId, key);
  if (reader.remaining === 0) return state;
  for (const [groupId, configs] of readList(reader, () => readNamedConfigs(reader))) {
    state.groupConfigs.set(groupId, configs);
  }
  if (reader.remaining === 0) return state;
  for (const broker of readList(reader, () => readBroker(reader))) state.brokers.set(broker.brokerId, broker);
  return state;
}

function writeTopic(writer: ByteWriter, topic: TopicState): void {
  writeUuid(writer, topic.topicId).text(topic.name);
  writer.uvarint(topic.partitionCount).uvarint(topic.replicationFactor);
  writer.uvarint(topic.baseJournal).uvarint(topic.journalCount);
  writer.varint(topic.createdAtMs).uvarint(topic.deletingSince ?? 0);
  writeConfigs(writer, topic.configs);
}

function readTopic(reader: ByteReader): TopicState {
  return {
    topicId: readUuid(reader),
    name: reader.text(),
    partitionCount: reader.uvarint(),
    replicationFactor: reader.uvarint(),
    baseJournal: reader.uvarint(),
    journalCount: reader.uvarint(),
    createdAtMs: reader.varint(),
    deletingSince: reader.uvarint() || undefined,
    configs: readConfigs(reader),
  };
}

function readStore(reader: ByteReader) {
  return { storeId: reader.uvarint(), identity: readUuid(reader), url: reader.text() };
}

function readNamedConfigs(reader: ByteReader): readonly [string, Map<string, string>] {
  return [reader.text(), readConfigs(reader)];
}

function writeConfigs(writer: ByteWriter, configs: ReadonlyMap<string, string>): void {
  writer.uvarint(configs.size);
  for (const [key, value] of configs) writer.text(key).text(value);
}

function readConfigs(reader: ByteReader): Map<string, string> {
  return new Map(readList(reader, () => [reader.text(), reader.text()] as const));
}
