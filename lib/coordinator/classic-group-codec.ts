import { decodeList } from "#lib/log/codec-fields.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { CLASSIC_STATES, type ClassicGroup, type ClassicMember, type PendingMember } from "./classic-group.ts";
import {
  copyProtocols,
  decodeAssignment,
  decodeFlag,
  decodeOptional,
  decodeOptionalText,
  decodeProtocols,
  encodeAssignment,
  encodeFlag,
  encodeList,
  encodeOptional,
  encodeOptionalText,
  encodeProtocols,
} from "./group-fields.ts";

// A classic group in a snapshot. Shared fields: group-fields.ts.
//
//   classic   state uint8 (0 Empty, 1 PreparingRebalance, 2 CompletingRebalance, 3 Stable), protocolType text,
//             generationId uvarint, protocolName optional text, leaderId optional text, round uvarint,
//             initialDelayMs uvarint, members list of member, pending list of pending
//   member    memberId text, groupInstanceId optional text, clientId text, clientHost text, rebalanceTimeoutMs int32,
//             sessionTimeoutMs int32, protocols list of protocol, assignment bytes, carried optional assignment,
//             joinedRound uvarint, isNew uint8, hasSynced uint8, seenSeq uvarint
//   pending   memberId text, sessionTimeoutMs int32, seenSeq uvarint

export function encodeClassicGroup(group: ClassicGroup, writer: ByteWriter): void {
  writer.uint8(CLASSIC_STATES.indexOf(group.state)).text(group.protocolType).uvarint(group.generationId);
  encodeOptionalText(group.protocolName, writer);
  encodeOptionalText(group.leaderId, writer);
  writer.uvarint(group.round).uvarint(group.initialDelayMs);
  encodeList([...group.members.values()], writer, (member) => encodeMember(member, writer));
  encodeList([...group.pendingMembers.values()], writer, ({ memberId, sessionTimeoutMs, seenSeq }) =>
    writer.text(memberId).int32(sessionTimeoutMs).uvarint(seenSeq),
  );
}

function encodeMember(member: ClassicMember, writer: ByteWriter): void {
  writer.text(member.memberId);
  encodeOptionalText(member.groupInstanceId, writer);
  writer.text(member.clientId).text(member.clientHost);
  writer.int32(member.rebalanceTimeoutMs).int32(member.sessionTimeoutMs);
  encodeProtocols(member.protocols, writer);
  writer.lengthPrefixed(member.assignment);
  encodeOptional(member.carried, writer, (carried) => encodeAssignment(carried, writer));
  writer.uvarint(member.joinedRound);
  encodeFlag(member.isNew, writer);
  encodeFlag(member.hasSynced, writer);
  writer.uvarint(member.seenSeq);
}

export function decodeClassicGroup(reader: ByteReader): ClassicGroup {
  const state = CLASSIC_STATES[reader.uint8()];
  if (state === undefined) throw new DecodeError("unknown state of a classic group");
  const protocolType = reader.text();
  const generationId = reader.uvarint();
  const protocolName = decodeOptionalText(reader);
  const leaderId = decodeOptionalText(reader);
  const round = reader.uvarint();
  const initialDelayMs = reader.uvarint();
  const members = new Map(decodeList(reader, () => decodeMember(reader)).map((one) => [one.memberId, one]));
  const pendingMembers = new Map(decodeList(reader, () => decodePending(reader)).map((one) => [one.memberId, one]));
  const staticMembers = new Map<string, string>();
  for (const { groupInstanceId, memberId } of members.values()) {
    if (groupInstanceId !== undefined) staticMembers.set(groupInstanceId, memberId);
  }
  return {
    type: "classic",
    state,
    protocolType,
    generationId,
    protocolName,
    leaderId,
    round,
    initialDelayMs,
    members,
    pendingMembers,
    staticMembers,
  };
}

function decodeMember(reader: ByteReader): ClassicMember {
  return {
    memberId: reader.text(),
    groupInstanceId: decodeOptionalText(reader),
    clientId: reader.text(),
    clientHost: reader.text(),
    rebalanceTimeoutMs: reader.int32(),
    sessionTimeoutMs: reader.int32(),
    protocols: copyProtocols(decodeProtocols(reader)),
    assignment: Uint8Array.from(reader.lengthPrefixed()),
    carried: decodeOptional(reader, () => decodeAssignment(reader)),
    joinedRound: reader.uvarint(),
    isNew: decodeFlag(reader),
    hasSynced: decodeFlag(reader),
    seenSeq: reader.uvarint(),
  };
}

function decodePending(reader: ByteReader): PendingMember {
  const memberId = reader.text();
  const sessionTimeoutMs = reader.int32();
  return { memberId, sessionTimeoutMs, seenSeq: reader.uvarint() };
}
