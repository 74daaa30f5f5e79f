import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { readKey, writeKey } from "./api-key-codec.ts";
import { readRegistration, readReplaced, writeRegistration, writeReplaced } from "./broker-codec.ts";
import type { ClusterCommand, ClusterOutcome, ConfigAlteration, ConfigOperation } from "./cluster-command.ts";
import { readList } from "./read-list.ts";
import { readUuid, writeUuid } from "./uuid-codec.ts";

// A command: its kind (uint8), then its fields. Numbers are uvarints, texts UTF-8 behind their length, ids 16 bytes.
//
//    1 name-cluster           text cluster id
//    2 create-topic           topic id | text name | partitions | replication factor | journals | count, (key, value)*
//    3 create-partitions      topic id | partitions
//    4 alter-topic-configs    topic id | alteration
//    5 alter-broker-configs   text broker | alteration
//    6 delete-topic           topic id
//    7 forget-topic           topic id
//    8 allocate-producer-ids  count
//    9 register-store         store id | identity | text url
//   10 create-key             key                              from feature level 2 on
//   11 delete-key             text key id                      from feature level 2 on
//   12 alter-group-configs    text group id | alteration       from feature level 3 on
//   13 register-broker        registration | replaces          from feature level 4 on
//   14 broker-heartbeat       broker id | broker epoch         from feature level 4 on
//   15 fence-broker           broker id | broker epoch | seen  from feature level 4 on
//   16 stop-broker            broker id | broker epoch         from feature level 4 on
//
//   alteration  uint8 replaces all (0, 1) | count | (uint8 kind, key, [value, [inherited]])*
//               kinds: 0 set (value), 1 delete, 2 append, 3 subtract (both value and inherited), as in Kafka's protocol
//   key         text key id | secret's SHA-256, 32 bytes | text name | requests a second | expires at, ms (0: never)
//               | count | (uint8 operation: 0 read, 1 write, 2 group, 3 admin; text pattern)*
//   registration  in broker-codec.ts
//   replaces    0: nobody that runs, or broker epoch | seen

const NAME_CLUSTER = 1;
const CREATE_TOPIC = 2;
const CREATE_PARTITIONS = 3;
const ALTER_TOPIC_CONFIGS = 4;
const ALTER_BROKER_CONFIGS = 5;
const DELETE_TOPIC = 6;
const FORGET_TOPIC = 7;
const ALLOCATE_PRODUCER_IDS = 8;
const REGISTER_STORE = 9;
const CREATE_KEY = 10;
const DELETE_KEY = 11;
const ALTER_GROUP_CONFIGS = 12;
const REGISTER_BROKER = 13;
const BROKER_HEARTBEAT = 14;
const FENCE_BROKER = 15;
const STOP_BROKER = 16;

export function encodeClusterCommand(command: ClusterCommand, writer: ByteWriter): void {
  switch (command.kind) {
    case "name-cluster":
      writer.uint8(NAME_CLUSTER).text(command.clusterId);
      return;
    case "create-topic":
      writeUuid(writer.uint8(CREATE_TOPIC), command.topicId).text(command.name);
      writer.uvarint(command.partitionCount).uvarint(command.replicationFactor).uvarint(command.journalCount);
      writer.uvarint(command.configs.length);
      for (const { key, value } of command.configs) writer.text(key).text(value);
      return;
    case "create-partitions":
      writeUuid(writer.uint8(CREATE_PARTITIONS), command.topicId).uvarint(command.partitionCount);
      return;
    case "alter-topic-configs":
      writeAlteration(writeUuid(writer.uint8(ALTER_TOPIC_CONFIGS), command.topicId), command.alteration);
      return;
    case "alter-broker-configs":
      writeAlteration(writer.uint8(ALTER_BROKER_CONFIGS).text(command.brokerName), command.alteration);
      return;
    case "delete-topic":
      writeUuid(writer.uint8(DELETE_TOPIC), command.topicId);
      return;
    case "forget-topic":
      writeUuid(writer.uint8(FORGET_TOPIC), command.topicId);
      return;
    case "allocate-producer-ids":
      writer.uint8(ALLOCATE_PRODUCER_IDS).uvarint(command.count);
      return;
    case "register-store":
      writeUuid(writer.uint8(REGISTER_STORE).uvarint(command.storeId), command.identity).text(command.url);
      return;
    case "create-key":
      writeKey(writer.uint8(CREATE_KEY), command);
      return;
    case "delete-key":
      writer.uint8(DELETE_KEY).text(command.keyId);
      return;
    case "alter-group-configs":
      writeAlteration(writer.uint8(ALTER_GROUP_CONFIGS).text(command.groupId), command.alteration);
      return;
    case "register-broker":
      writeReplaced(writeRegistration(writer.uint8(REGISTER_BROKER), command), command);
      return;
    case "broker-heartbeat":
      writer.uint8(BROKER_HEARTBEAT).uvarint(command.brokerId).uvarint(command.brokerEpoch);
      return;
    case "fence-broker":
      writer.uint8(FENCE_BROKER).uvarint(command.brokerId).uvarint(command.brokerEpoch).uvarint(command.seenSeq);
      return;
    case "stop-broker":
      writer.uint8(STOP_BROKER).uvarint(command.brokerId).uvarint(command.brokerEpoch);
      return;
  }
}

export function decodeClusterCommand(reader: ByteReader): ClusterCommand {
  const kind = reader.uint8();
  switch (kind) {
    case NAME_CLUSTER:
      return { kind: "name-cluster", clusterId: reader.text() };
    case CREATE_TOPIC:
      return {
        kind: "create-topic",
        topicId: readUuid(reader),
        name: reader.text(),
        partitionCount: reader.uvarint(),
        replicationFactor: reader.uvarint(),
        journalCount: reader.uvarint(),
        configs: readList(reader, () => ({ key: reader.text(), value: reader.text() })),
      };
    case CREATE_PARTITIONS:
      return { kind: "create-partitions", topicId: readUuid(reader), partitionCount: reader.uvarint() };
    case ALTER_TOPIC_CONFIGS:
      return { kind: "alter-topic-configs", topicId: readUuid(reader), alteration: readAlteration(reader) };
    case ALTER_BROKER_CONFIGS:
      return { kind: "alter-broker-configs", brokerName: reader.text(), alteration: readAlteration(reader) };
    case DELETE_TOPIC:
      return { kind: "delete-topic", topicId: readUuid(reader) };
    case FORGET_TOPIC:
      return { kind: "forget-topic", topicId: readUuid(reader) };
    case ALLOCATE_PRODUCER_IDS:
      return { kind: "allocate-producer-ids", count: reader.uvarint() };
    case REGISTER_STORE:
      return { kind: "register-store", storeId: reader.uvarint(), identity: readUuid(reader), url: reader.text() };
    case CREATE_KEY:
      return { kind: "create-key", ...readKey(reader) };
    case DELETE_KEY:
      return { kind: "delete-key", keyId: reader.text() };
    case ALTER_GROUP_CONFIGS:
      return { kind: "alter-group-configs", groupId: reader.text(), alteration: readAlteration(reader) };
    case REGISTER_BROKER:
      return { kind: "register-broker", ...readRegistration(reader), replaces: readReplaced(reader) };
    case BROKER_HEARTBEAT:
      return { kind: "broker-heartbeat", brokerId: reader.uvarint(), brokerEpoch: reader.uvarint() };
    case FENCE_BROKER:
      return {
        kind: "fence-broker",
        brokerId: reader.uvarint(),
        brokerEpoch: reader.uvarint(),
        seenSeq: reader.uvarint(),
      };
    case STOP_BROKER:
      return { kind: "stop-broker", brokerId: reader.uvarint(), brokerEpoch: reader.uvarint() };
    default:
      throw new DecodeError(`unknown cluster command ${kind}`);
  }
}

/** For the checksum of outcomes alone: nobody reads it back. */
export function encodeClusterOutcome(outcome: ClusterOutcome, writer: ByteWriter): void {
  switch (outcome.kind) {
    case "done":
      writer.uint8(0);
      return;
    case "refused":
      writer.uint8(1).int16(outcome.error).text(outcome.detail);
      return;
    case "named":
      writer.uint8(2).text(outcome.clusterId);
      return;
    case "created":
      writer.uint8(3).uvarint(outcome.baseJournal);
      return;
    case "deleting":
      writer.uint8(4).uvarint(outcome.deletingSince);
      return;
    case "producer-ids":
      writer.uint8(5).uvarint(outcome.first);
      return;
    case "registered":
      writer.uint8(6).uvarint(outcome.brokerEpoch);
      return;
  }
}

function writeAlteration(writer: ByteWriter, alteration: ConfigAlteration): void {
  writer.uint8(alteration.replacesAll ? 1 : 0).uvarint(alteration.operations.length);
  for (const operation of alteration.operations) writeOperation(writer, operation);
}

function writeOperation(writer: ByteWriter, operation: ConfigOperation): void {
  switch (operation.kind) {
    case "set":
      writer.uint8(0).text(operation.key).text(operation.value);
      return;
    case "delete":
      writer.uint8(1).text(operation.key);
      return;
    case "append":
    case "subtract":
      writer.uint8(operation.kind === "append" ? 2 : 3).text(operation.key);
      writer.text(operation.value).text(operation.inherited);
      return;
  }
}

function readAlteration(reader: ByteReader): ConfigAlteration {
  return { replacesAll: reader.uint8() !== 0, operations: readList(reader, () => readOperation(reader)) };
}

function readOperation(reader: ByteReader): ConfigOperation {
  const kind = reader.uint8();
  const key = reader.text();
  switch (kind) {
    case 0:
      return { kind: "set", key, value: reader.text() };
    case 1:
      return { kind: "delete", key };
    case 2:
      return { kind: "append", key, value: reader.text(), inherited: reader.text() };
    case 3:
      return { kind: "subtract", key, value: reader.text(), inherited: reader.text() };
    default:
      throw new DecodeError(`unknown config operation ${kind}`);
  }
}
