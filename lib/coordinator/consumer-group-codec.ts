import { decodeList, decodeNumbers, encodeNumbers } from "#lib/log/codec-fields.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import {
  type ClassicMemberFacts,
  CONSUMER_MEMBER_STATES,
  type ConsumerGroup,
  type ConsumerMember,
} from "./consumer-group.ts";
import { addToIndexes, heldEpochs } from "./consumer-group-index.ts";
import {
  copyProtocols,
  decodeAssignment,
  decodeOptional,
  decodeOptionalText,
  decodeProtocols,
  decodeTexts,
  encodeAssignment,
  encodeList,
  encodeOptional,
  encodeOptionalText,
  encodeProtocols,
  encodeTexts,
} from "./group-fields.ts";

// A consumer group in a snapshot. Shared fields: group-fields.ts.
//
//   consumer  groupEpoch uvarint, assignmentEpoch uvarint, metadataHash text, metadataSeq uvarint,
//             classicSizeMax uvarint, members list of member, targets list of { memberId text, partitions assignment },
//             regexes list of { regex text, topicNames list of text }
//   member    memberId text, instanceId optional text, rackId optional text, clientId text, clientHost text,
//             rebalanceTimeoutMs int32, subscribedTopicNames list of text, subscribedTopicRegex optional text,
//             serverAssignor optional text, memberEpoch int32, previousMemberEpoch int32, subscriptionEpoch uvarint,
//             state uint8 (0 Stable, 1 UnrevokedPartitions, 2 UnreleasedPartitions), assigned assignment,
//             pendingRevocation assignment, epochs list of uvarint (those at which each partition of these two was given
//             to it), classic optional { sessionTimeoutMs int32, protocols list of protocol }, seenSeq uvarint

export function encodeConsumerGroup(group: ConsumerGroup, writer: ByteWriter): void {
  writer.uvarint(group.groupEpoch).uvarint(group.assignmentEpoch);
  writer.text(group.metadataHash).uvarint(group.metadataSeq).uvarint(group.classicSizeMax);
  encodeList([...group.members.values()], writer, (member) => encodeMember(member, heldEpochs(group, member), writer));
  encodeList([...group.targetAssignment], writer, ([memberId, partitions]) =>
    encodeAssignment(partitions, writer.text(memberId)),
  );
  encodeList([...group.resolvedRegexes], writer, ([regex, topicNames]) => encodeTexts(topicNames, writer.text(regex)));
}

function encodeMember(member: ConsumerMember, epochs: readonly number[], writer: ByteWriter): void {
  writer.text(member.memberId);
  encodeOptionalText(member.instanceId, writer);
  encodeOptionalText(member.rackId, writer);
  writer.text(member.clientId).text(member.clientHost).int32(member.rebalanceTimeoutMs);
  encodeTexts(member.subscribedTopicNames, writer);
  encodeOptionalText(member.subscribedTopicRegex, writer);
  encodeOptionalText(member.serverAssignor, writer);
  writer.int32(member.memberEpoch).int32(member.previousMemberEpoch).uvarint(member.subscriptionEpoch);
  writer.uint8(CONSUMER_MEMBER_STATES.indexOf(member.state));
  encodeAssignment(member.assigned, writer);
  encodeAssignment(member.pendingRevocation, writer);
  encodeNumbers(epochs, writer);
  encodeOptional(member.classic, writer, ({ sessionTimeoutMs, protocols }) =>
    encodeProtocols(protocols, writer.int32(sessionTimeoutMs)),
  );
  writer.uvarint(member.seenSeq);
}

export function decodeConsumerGroup(reader: ByteReader): ConsumerGroup {
  const [groupEpoch, assignmentEpoch] = [reader.uvarint(), reader.uvarint()];
  const [metadataHash, metadataSeq] = [reader.text(), reader.uvarint()];
  const classicSizeMax = reader.uvarint();
  const members = decodeList(reader, () => decodeMember(reader));
  const group: ConsumerGroup = {
    type: "consumer",
    groupEpoch,
    assignmentEpoch,
    metadataHash,
    metadataSeq,
    classicSizeMax,
    members: new Map(members.map(({ member }) => [member.memberId, member])),
    targetAssignment: new Map(decodeList(reader, () => [reader.text(), decodeAssignment(reader)] as const)),
    resolvedRegexes: new Map(decodeList(reader, () => [reader.text(), decodeTexts(reader)] as const)),
    staticMembers: new Map(),
    holders: new Map(),
  };
  for (const { member, epochs } of members) addToIndexes(group, member, epochs);
  return group;
}

interface DecodedMember {
  readonly member: ConsumerMember;
  readonly epochs: readonly number[];
}

function decodeMember(reader: ByteReader): DecodedMember {
  const fields = {
    memberId: reader.text(),
    instanceId: decodeOptionalText(reader),
    rackId: decodeOptionalText(reader),
    clientId: reader.text(),
    clientHost: reader.text(),
    rebalanceTimeoutMs: reader.int32(),
    subscribedTopicNames: decodeTexts(reader),
    subscribedTopicRegex: decodeOptionalText(reader),
    serverAssignor: decodeOptionalText(reader),
    memberEpoch: reader.int32(),
    previousMemberEpoch: reader.int32(),
    subscriptionEpoch: reader.uvarint(),
    state: decodeMemberState(reader),
    assigned: decodeAssignment(reader),
    pendingRevocation: decodeAssignment(reader),
  };
  const epochs = decodeNumbers(reader);
  const classic = decodeOptional(reader, () => decodeClassicFacts(reader));
  return { member: { ...fields, classic, seenSeq: reader.uvarint() }, epochs };
}

function decodeMemberState(reader: ByteReader): ConsumerMember["state"] {
  const state = CONSUMER_MEMBER_STATES[reader.uint8()];
  if (state === undefined) throw new DecodeError("unknown state of a member of a consumer group");
  return state;
}

function decodeClassicFacts(reader: ByteReader): ClassicMemberFacts {
  const sessionTimeoutMs = reader.int32();
  return { sessionTimeoutMs, protocols: copyProtocols(decodeProtocols(reader)) };
}
