import { decodeList } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { HeartbeatCommand, JoinCommand, LeaveCommand, SyncCommand } from "./classic-command.ts";
import { decodeSubscription, encodeSubscription } from "./consumer-command-codec.ts";
import {
  decodeFlag,
  decodeOptional,
  decodeOptionalText,
  decodeProtocols,
  encodeFlag,
  encodeList,
  encodeOptional,
  encodeOptionalText,
  encodeProtocols,
} from "./group-fields.ts";

// Commands of the classic protocol, after kind and group id (group-command-codec.ts). Shared fields: group-fields.ts.
//
//   join        memberId text, isNewMemberId uint8, mustReserve uint8, groupInstanceId optional text, clientId text,
//               clientHost text, rebalanceTimeoutMs int32, sessionTimeoutMs int32, protocolType text,
//               protocols list of protocol, groupSizeMax uvarint, initialDelayMs uvarint,
//               subscription optional subscription (consumer-command-codec.ts)
//   sync        memberId text, groupInstanceId optional text, generationId int32, protocolType optional text,
//               protocolName optional text, assignments list of { memberId text, assignment bytes }
//   heartbeat   memberId text, groupInstanceId optional text, generationId int32
//   leave       members list of { memberId text, groupInstanceId optional text }

export function encodeJoin(command: JoinCommand, writer: ByteWriter): void {
  writer.text(command.memberId);
  encodeFlag(command.isNewMemberId, writer);
  encodeFlag(command.mustReserve, writer);
  encodeOptionalText(command.groupInstanceId, writer);
  writer.text(command.clientId).text(command.clientHost);
  writer.int32(command.rebalanceTimeoutMs).int32(command.sessionTimeoutMs).text(command.protocolType);
  encodeProtocols(command.protocols, writer);
  writer.uvarint(command.groupSizeMax).uvarint(command.initialDelayMs);
  encodeOptional(command.subscription, writer, (subscription) => encodeSubscription(subscription, writer));
}

export function decodeJoin(groupId: string, reader: ByteReader): JoinCommand {
  return {
    kind: "join",
    groupId,
    memberId: reader.text(),
    isNewMemberId: decodeFlag(reader),
    mustReserve: decodeFlag(reader),
    groupInstanceId: decodeOptionalText(reader),
    clientId: reader.text(),
    clientHost: reader.text(),
    rebalanceTimeoutMs: reader.int32(),
    sessionTimeoutMs: reader.int32(),
    protocolType: reader.text(),
    protocols: decodeProtocols(reader),
    groupSizeMax: reader.uvarint(),
    initialDelayMs: reader.uvarint(),
    subscription: decodeOptional(reader, () => decodeSubscription(reader)),
  };
}

export function encodeSync(command: SyncCommand, writer: ByteWriter): void {
  writer.text(command.memberId);
  encodeOptionalText(command.groupInstanceId, writer);
  writer.int32(command.generationId);
  encodeOptionalText(command.protocolType, writer);
  encodeOptionalText(command.protocolName, writer);
  encodeList(command.assignments, writer, ({ memberId, assignment }) =>
    writer.text(memberId).lengthPrefixed(assignment),
  );
}

export function decodeSync(groupId: string, reader: ByteReader): SyncCommand {
  return {
    kind: "sync",
    groupId,
    memberId: reader.text(),
    groupInstanceId: decodeOptionalText(reader),
    generationId: reader.int32(),
    protocolType: decodeOptionalText(reader),
    protocolName: decodeOptionalText(reader),
    assignments: decodeList(reader, () => ({ memberId: reader.text(), assignment: reader.lengthPrefixed() })),
  };
}

export function encodeHeartbeat(command: HeartbeatCommand, writer: ByteWriter): void {
  writer.text(command.memberId);
  encodeOptionalText(command.groupInstanceId, writer);
  writer.int32(command.generationId);
}

export function decodeHeartbeat(groupId: string, reader: ByteReader): HeartbeatCommand {
  const memberId = reader.text();
  const groupInstanceId = decodeOptionalText(reader);
  return { kind: "heartbeat", groupId, memberId, groupInstanceId, generationId: reader.int32() };
}

export function encodeLeave(command: LeaveCommand, writer: ByteWriter): void {
  encodeList(command.members, writer, ({ memberId, groupInstanceId }) => {
    writer.text(memberId);
    encodeOptionalText(groupInstanceId, writer);
  });
}

export function decodeLeave(groupId: string, reader: ByteReader): LeaveCommand {
  const members = decodeList(reader, () => ({
    memberId: reader.text(),
    groupInstanceId: decodeOptionalText(reader),
  }));
  return { kind: "leave", groupId, members };
}
