import { decodeList } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type {
  ConsumerHeartbeatCommand,
  ConsumerSubscription,
  GroupUpgrade,
  MetadataChangedCommand,
  SetTargetAssignmentCommand,
} from "./consumer-command.ts";
import {
  decodeAssignment,
  decodeOptional,
  decodeOptionalText,
  decodeTexts,
  encodeAssignment,
  encodeList,
  encodeOptional,
  encodeOptionalText,
  encodeTexts,
} from "./group-fields.ts";

// Commands of the consumer protocol, after kind and group id (group-command-codec.ts). Shared fields: group-fields.ts.
//
//   heartbeat      memberId text, memberEpoch int32, instanceId optional text, rackId optional text, clientId text,
//                  clientHost text, rebalanceTimeoutMs int32, subscribedTopicNames optional list of text,
//                  subscribedTopicRegex optional text, serverAssignor optional text, owned optional assignment,
//                  groupSizeMax uvarint, classicSizeMax uvarint, upgrade optional upgrade
//   upgrade        changedSeq uvarint, members list of { memberId text, subscription, assigned assignment }
//   subscription   topicNames list of text, owned optional assignment, rackId optional text
//   set target     createdSeq uvarint, groupEpoch uvarint, target list of { memberId text, partitions assignment }
//   metadata       createdSeq uvarint, groupEpoch uvarint, clusterSeq uvarint, metadataHash text,
//                  resolvedRegexes list of { regex text, topicNames list of text }

export function encodeConsumerHeartbeat(command: ConsumerHeartbeatCommand, writer: ByteWriter): void {
  writer.text(command.memberId).int32(command.memberEpoch);
  encodeOptionalText(command.instanceId, writer);
  encodeOptionalText(command.rackId, writer);
  writer.text(command.clientId).text(command.clientHost).int32(command.rebalanceTimeoutMs);
  encodeOptional(command.subscribedTopicNames, writer, (names) => encodeTexts(names, writer));
  encodeOptionalText(command.subscribedTopicRegex, writer);
  encodeOptionalText(command.serverAssignor, writer);
  encodeOptional(command.owned, writer, (owned) => encodeAssignment(owned, writer));
  writer.uvarint(command.groupSizeMax).uvarint(command.classicSizeMax);
  encodeOptional(command.upgrade, writer, (upgrade) => encodeUpgrade(upgrade, writer));
}

export function decodeConsumerHeartbeat(groupId: string, reader: ByteReader): ConsumerHeartbeatCommand {
  return {
    kind: "consumer-heartbeat",
    groupId,
    memberId: reader.text(),
    memberEpoch: reader.int32(),
    instanceId: decodeOptionalText(reader),
    rackId: decodeOptionalText(reader),
    clientId: reader.text(),
    clientHost: reader.text(),
    rebalanceTimeoutMs: reader.int32(),
    subscribedTopicNames: decodeOptional(reader, () => decodeTexts(reader)),
    subscribedTopicRegex: decodeOptionalText(reader),
    serverAssignor: decodeOptionalText(reader),
    owned: decodeOptional(reader, () => decodeAssignment(reader)),
    groupSizeMax: reader.uvarint(),
    classicSizeMax: reader.uvarint(),
    upgrade: decodeOptional(reader, () => decodeUpgrade(reader)),
  };
}

function encodeUpgrade(upgrade: GroupUpgrade, writer: ByteWriter): void {
  writer.uvarint(upgrade.changedSeq);
  encodeList(upgrade.members, writer, ({ memberId, subscription, assigned }) => {
    encodeSubscription(subscription, writer.text(memberId));
    encodeAssignment(assigned, writer);
  });
}

function decodeUpgrade(reader: ByteReader): GroupUpgrade {
  const changedSeq = reader.uvarint();
  const members = decodeList(reader, () => ({
    memberId: reader.text(),
    subscription: decodeSubscription(reader),
    assigned: decodeAssignment(reader),
  }));
  return { changedSeq, members };
}

export function encodeSubscription(subscription: ConsumerSubscription, writer: ByteWriter): void {
  encodeTexts(subscription.topicNames, writer);
  encodeOptional(subscription.owned, writer, (owned) => encodeAssignment(owned, writer));
  encodeOptionalText(subscription.rackId, writer);
}

export function decodeSubscription(reader: ByteReader): ConsumerSubscription {
  const topicNames = decodeTexts(reader);
  const owned = decodeOptional(reader, () => decodeAssignment(reader));
  return { topicNames, owned, rackId: decodeOptionalText(reader) };
}

export function encodeSetTargetAssignment(command: SetTargetAssignmentCommand, writer: ByteWriter): void {
  writer.uvarint(command.createdSeq).uvarint(command.groupEpoch);
  encodeList(command.target, writer, ({ memberId, partitions }) => encodeAssignment(partitions, writer.text(memberId)));
}

export function decodeSetTargetAssignment(groupId: string, reader: ByteReader): SetTargetAssignmentCommand {
  const createdSeq = reader.uvarint();
  const groupEpoch = reader.uvarint();
  const target = decodeList(reader, () => ({ memberId: reader.text(), partitions: decodeAssignment(reader) }));
  return { kind: "set-target-assignment", groupId, createdSeq, groupEpoch, target };
}

export function encodeMetadataChanged(command: MetadataChangedCommand, writer: ByteWriter): void {
  writer.uvarint(command.createdSeq).uvarint(command.groupEpoch).uvarint(command.clusterSeq);
  writer.text(command.metadataHash);
  encodeList(command.resolvedRegexes, writer, ({ regex, topicNames }) => encodeTexts(topicNames, writer.text(regex)));
}

export function decodeMetadataChanged(groupId: string, reader: ByteReader): MetadataChangedCommand {
  return {
    kind: "metadata-changed",
    groupId,
    createdSeq: reader.uvarint(),
    groupEpoch: reader.uvarint(),
    clusterSeq: reader.uvarint(),
    metadataHash: reader.text(),
    resolvedRegexes: decodeList(reader, () => ({ regex: reader.text(), topicNames: decodeTexts(reader) })),
  };
}
