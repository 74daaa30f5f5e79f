import { decodeList, decodeTopicId, encodeTopicId } from "#lib/log/codec-fields.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeClassicGroup, encodeClassicGroup } from "./classic-group-codec.ts";
import { decodeConsumerGroup, encodeConsumerGroup } from "./consumer-group-codec.ts";
import { encodeList } from "./group-fields.ts";
import type { CommittedOffset, GroupJournalState, GroupState } from "./group-state.ts";
import { decodeInstances, encodeInstances } from "./instance-codec.ts";

// A group journal's state, as its snapshots carry it. Lists keep the state's order: it is part of the state. Shared
// fields: group-fields.ts.
//
//   state    version uint8 (1 without instances, 2 with them), roundsBegun uvarint, lastDropSeq uvarint,
//            groups list of group, in version 2 instances (instance-codec.ts)
//   group    groupId text, createdSeq uvarint, changedSeq uvarint, stateSinceMs int64,
//            type uint8 (0 classic, 1 consumer), membership (classic-group-codec.ts, consumer-group-codec.ts),
//            topics list of { topicId 16 bytes, offsets list of offset }
//   offset   partitionIndex uvarint, offset int64, leaderEpoch int32, metadata text, committedAtMs int64,
//            expiresAtMs int64, commitSeq uvarint

const VERSION = 1;
const VERSION_WITH_INSTANCES = 2;
const TYPE_CLASSIC = 0;
const TYPE_CONSUMER = 1;

export function encodeGroupJournalState(state: GroupJournalState, writer: ByteWriter): void {
  // Journals at level 1 have no instances, and their snapshots look as they always did.
  const hasInstances = state.instances.size > 0;
  writer
    .uint8(hasInstances ? VERSION_WITH_INSTANCES : VERSION)
    .uvarint(state.roundsBegun)
    .uvarint(state.lastDropSeq);
  encodeList([...state.groups.values()], writer, (group) => encodeGroup(group, writer));
  if (hasInstances) encodeInstances(state.instances, writer);
}

function encodeGroup(group: GroupState, writer: ByteWriter): void {
  const { membership, offsets } = group;
  writer.text(group.groupId).uvarint(group.createdSeq).uvarint(group.changedSeq).int64(group.stateSinceMs);
  if (membership.type === "classic") encodeClassicGroup(membership, writer.uint8(TYPE_CLASSIC));
  else encodeConsumerGroup(membership, writer.uint8(TYPE_CONSUMER));
  writer.uvarint(offsets.size);
  for (const [topicId, partitions] of offsets) {
    encodeTopicId(topicId, writer);
    writer.uvarint(partitions.size);
    for (const [partitionIndex, committed] of partitions) encodeOffset(committed, writer.uvarint(partitionIndex));
  }
}

function encodeOffset(committed: CommittedOffset, writer: ByteWriter): void {
  writer.int64(committed.offset).int32(committed.leaderEpoch).text(committed.metadata);
  writer.int64(committed.committedAtMs).int64(committed.expiresAtMs).uvarint(committed.commitSeq);
}

export function decodeGroupJournalState(reader: ByteReader): GroupJournalState {
  const version = reader.uint8();
  const hasInstances = version === VERSION_WITH_INSTANCES;
  if (version !== VERSION && !hasInstances) {
    throw new DecodeError(`unknown version ${version} of a group journal's state`);
  }
  const roundsBegun = reader.uvarint();
  const lastDropSeq = reader.uvarint();
  const groups = new Map(decodeList(reader, () => decodeGroup(reader)).map((group) => [group.groupId, group]));
  return { groups, roundsBegun, lastDropSeq, instances: hasInstances ? decodeInstances(reader) : new Map() };
}

function decodeGroup(reader: ByteReader): GroupState {
  return {
    groupId: reader.text(),
    createdSeq: reader.uvarint(),
    changedSeq: reader.uvarint(),
    stateSinceMs: reader.int64(),
    membership: decodeMembership(reader),
    offsets: new Map(decodeList(reader, () => decodeTopicOffsets(reader))),
  };
}

function decodeMembership(reader: ByteReader): GroupState["membership"] {
  const type = reader.uint8();
  if (type === TYPE_CLASSIC) return decodeClassicGroup(reader);
  if (type === TYPE_CONSUMER) return decodeConsumerGroup(reader);
  throw new DecodeError(`unknown type ${type} of a group`);
}

function decodeTopicOffsets(reader: ByteReader): readonly [TopicId, Map<number, CommittedOffset>] {
  const topicId = decodeTopicId(reader);
  const offsets = new Map(decodeList(reader, () => [reader.uvarint(), decodeOffset(reader)] as const));
  return [topicId, offsets];
}

function decodeOffset(reader: ByteReader): CommittedOffset {
  return {
    offset: reader.int64(),
    leaderEpoch: reader.int32(),
    metadata: reader.text(),
    committedAtMs: reader.int64(),
    expiresAtMs: reader.int64(),
    commitSeq: reader.uvarint(),
  };
}
