import { decodeTopicId, encodeTopicId } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import {
  decodeHeartbeat,
  decodeJoin,
  decodeLeave,
  decodeSync,
  encodeHeartbeat,
  encodeJoin,
  encodeLeave,
  encodeSync,
} from "./classic-command-codec.ts";
import {
  decodeConsumerHeartbeat,
  decodeMetadataChanged,
  decodeSetTargetAssignment,
  encodeConsumerHeartbeat,
  encodeMetadataChanged,
  encodeSetTargetAssignment,
} from "./consumer-command-codec.ts";
import type { GroupCommand } from "./group-command.ts";
import { decodeInstanceCommand, encodeInstanceCommand, INSTANCE_KINDS } from "./instance-command-codec.ts";
import {
  decodeCommitOffsets,
  decodeDeleteOffsets,
  decodeExpireOffsets,
  encodeCommitOffsets,
  encodeDeleteOffsets,
  encodeExpireOffsets,
} from "./offset-command-codec.ts";

// A command of a group journal. Fields that commands share are drawn in group-fields.ts.
//
//   command                     kind uint8, groupId text (but not in a 16), then
//    1 join                     classic-command-codec.ts
//    2 complete join            round uvarint
//    3 sync                     classic-command-codec.ts
//    4 expire sync              generationId uvarint, round uvarint
//    5 heartbeat                classic-command-codec.ts
//    6 leave                    classic-command-codec.ts
//    7 expire member            memberId text, seenSeq uvarint
//    8 consumer heartbeat       consumer-command-codec.ts
//    9 set target assignment    consumer-command-codec.ts
//   10 metadata changed         consumer-command-codec.ts
//   11 expire rebalance         memberId text, memberEpoch int32
//   12 commit offsets           offset-command-codec.ts
//   13 delete offsets           offset-command-codec.ts
//   14 expire offsets           offset-command-codec.ts
//   15 delete group             nothing
//   16 drop topic               topicId 16 bytes, clusterSeq uvarint
//   17 to 23                    instance-command-codec.ts

const KINDS = {
  join: 1,
  "complete-join": 2,
  sync: 3,
  "expire-sync": 4,
  heartbeat: 5,
  leave: 6,
  "expire-member": 7,
  "consumer-heartbeat": 8,
  "set-target-assignment": 9,
  "metadata-changed": 10,
  "expire-rebalance": 11,
  "commit-offsets": 12,
  "delete-offsets": 13,
  "expire-offsets": 14,
  "delete-group": 15,
  "drop-topic": 16,
  ...INSTANCE_KINDS,
} as const satisfies Record<GroupCommand["kind"], number>;

export function encodeGroupCommand(command: GroupCommand, writer: ByteWriter): void {
  writer.uint8(KINDS[command.kind]);
  if (command.kind === "drop-topic") {
    encodeTopicId(command.topicId, writer);
    writer.uvarint(command.clusterSeq);
    return;
  }
  encodeBody(command, writer.text(command.groupId));
}

type CommandOfGroup = Exclude<GroupCommand, { readonly kind: "drop-topic" }>;

function encodeBody(command: CommandOfGroup, writer: ByteWriter): void {
  switch (command.kind) {
    case "join":
      encodeJoin(command, writer);
      return;
    case "complete-join":
      writer.uvarint(command.round);
      return;
    case "sync":
      encodeSync(command, writer);
      return;
    case "expire-sync":
      writer.uvarint(command.generationId).uvarint(command.round);
      return;
    case "heartbeat":
      encodeHeartbeat(command, writer);
      return;
    case "leave":
      encodeLeave(command, writer);
      return;
    case "expire-member":
      writer.text(command.memberId).uvarint(command.seenSeq);
      return;
    case "consumer-heartbeat":
      encodeConsumerHeartbeat(command, writer);
      return;
    case "set-target-assignment":
      encodeSetTargetAssignment(command, writer);
      return;
    case "metadata-changed":
      encodeMetadataChanged(command, writer);
      return;
    case "expire-rebalance":
      writer.text(command.memberId).int32(command.memberEpoch);
      return;
    case "commit-offsets":
      encodeCommitOffsets(command, writer);
      return;
    case "delete-offsets":
      encodeDeleteOffsets(command, writer);
      return;
    case "expire-offsets":
      encodeExpireOffsets(command, writer);
      return;
    case "delete-group":
      return;
    default:
      encodeInstanceCommand(command, writer);
  }
}

/** Byte arrays of the command are views into what is read. */
export function decodeGroupCommand(reader: ByteReader): GroupCommand {
  const kind = reader.uint8();
  if (kind === KINDS["drop-topic"]) {
    return { kind: "drop-topic", topicId: decodeTopicId(reader), clusterSeq: reader.uvarint() };
  }
  return decodeBody(kind, reader.text(), reader);
}

function decodeBody(kind: number, groupId: string, reader: ByteReader): GroupCommand {
  switch (kind) {
    case KINDS.join:
      return decodeJoin(groupId, reader);
    case KINDS["complete-join"]:
      return { kind: "complete-join", groupId, round: reader.uvarint() };
    case KINDS.sync:
      return decodeSync(groupId, reader);
    case KINDS["expire-sync"]:
      return { kind: "expire-sync", groupId, generationId: reader.uvarint(), round: reader.uvarint() };
    case KINDS.heartbeat:
      return decodeHeartbeat(groupId, reader);
    case KINDS.leave:
      return decodeLeave(groupId, reader);
    case KINDS["expire-member"]:
      return { kind: "expire-member", groupId, memberId: reader.text(), seenSeq: reader.uvarint() };
    case KINDS["consumer-heartbeat"]:
      return decodeConsumerHeartbeat(groupId, reader);
    case KINDS["set-target-assignment"]:
      return decodeSetTargetAssignment(groupId, reader);
    case KINDS["metadata-changed"]:
      return decodeMetadataChanged(groupId, reader);
    case KINDS["expire-rebalance"]:
      return { kind: "expire-rebalance", groupId, memberId: reader.text(), memberEpoch: reader.int32() };
    case KINDS["commit-offsets"]:
      return decodeCommitOffsets(groupId, reader);
    case KINDS["delete-offsets"]:
      return decodeDeleteOffsets(groupId, reader);
    case KINDS["expire-offsets"]:
      return decodeExpireOffsets(groupId, reader);
    case KINDS["delete-group"]:
      return { kind: "delete-group", groupId };
    default:
      return decodeInstanceCommand(kind, groupId, reader);
  }
}
