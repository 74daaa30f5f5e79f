import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes, flushIdToBytes, objectKey, type TopicId } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeList, decodeNumbers, decodeTopicId, encodeNumbers, encodeTopicId } from "./codec-fields.ts";
import { NO_LEADER } from "./fold-leader.ts";
import {
  type LeaderState,
  type LogState,
  type PartitionState,
  partitionKey,
  type WriteAheadObject,
} from "./log-state.ts";
import { decodePartition, encodePartition } from "./partition-state-codec.ts";

// A log journal's state, as its snapshots carry it. `list` is a count as uvarint and so many items; `text` a byte length
// as uvarint and UTF-8; all numbers are big-endian. Lists keep the state's order: it is part of the state.
//
//   state       version uint8 (1; 2 once there was an election, a change of the ISR or a lost entry; 3 once there was a
//               segment or a retire floor; 4 while the cleaner is in the middle of a log), replicas list of uvarint, isr list of uvarint, from version 2 on leadership,
//               from version 3 on retireFloor + 1 uvarint, lastDropSeq uvarint, latestProposedAtMs int64,
//               topicIds list of 16 bytes, objects list of object, partitions list of partition
//   leadership  isrEpoch uvarint, epoch uvarint, brokerId + 1 uvarint (0: nobody), brokerEpoch uvarint,
//               clusterSeq uvarint
//   object      key text, flushId 16 bytes, byteLength uvarint, copies list of uvarint
//   partition   drawn in partition-state-codec.ts
//
// Topics and write-ahead objects stand once, in the order in which partitions name them first; partitions refer to them
// by their place in these lists.

const VERSION = 1;
const VERSION_WITH_LEADER = 2;
const VERSION_WITH_SEGMENTS = 3;
const VERSION_WITH_CLEANING = 4;

export function encodeLogState(state: LogState, writer: ByteWriter): void {
  const topics = new Map<TopicId, number>();
  const objects = new Map<WriteAheadObject, number>();
  let hasLost = false;
  let hasSegments = state.retireFloor >= 0;
  let hasCleaning = false;
  for (const partition of state.partitions.values()) {
    collectReferences(partition, topics, objects);
    hasLost ||= partition.entries.some((entry) => entry.place.kind === "lost");
    hasSegments ||= partition.segments.length > 0;
    hasCleaning ||= partition.cleaning !== undefined;
  }
  hasSegments ||= hasCleaning;
  // Journals at a lower level have none of what is newer, and their snapshots look as they always did.
  const hasLeadership = hasSegments || state.leader.epoch > 0 || state.isrEpoch > 0 || hasLost;
  const version = hasLeadership ? VERSION_WITH_LEADER : VERSION;
  const segmentsVersion = hasCleaning ? VERSION_WITH_CLEANING : VERSION_WITH_SEGMENTS;
  encodeNumbers(state.replicas, writer.uint8(hasSegments ? segmentsVersion : version));
  encodeNumbers(state.isr, writer);
  if (hasLeadership) encodeLeadership(state, writer);
  if (hasSegments) writer.uvarint(state.retireFloor + 1);
  writer.uvarint(state.lastDropSeq).int64(state.latestProposedAtMs);
  writer.uvarint(topics.size);
  for (const topicId of topics.keys()) encodeTopicId(topicId, writer);
  writer.uvarint(objects.size);
  for (const object of objects.keys()) encodeObject(object, writer);
  writer.uvarint(state.partitions.size);
  for (const partition of state.partitions.values()) {
    writer.uvarint(defined(topics.get(partition.topicId), "place of a topic"));
    encodePartition(partition, { writer, objects, nowMs: state.latestProposedAtMs, hasSegments, hasCleaning });
  }
}

function collectReferences(
  partition: PartitionState,
  topics: Map<TopicId, number>,
  objects: Map<WriteAheadObject, number>,
): void {
  if (!topics.has(partition.topicId)) topics.set(partition.topicId, topics.size);
  for (const { place } of partition.entries) {
    // By identity: the fold makes one object a flush, and decoding keeps it so.
    if (place.kind === "object" && !objects.has(place)) objects.set(place, objects.size);
  }
}

function encodeLeadership({ isrEpoch, leader }: LogState, writer: ByteWriter): void {
  writer.uvarint(isrEpoch).uvarint(leader.epoch);
  writer
    .uvarint(leader.brokerId + 1)
    .uvarint(leader.brokerEpoch)
    .uvarint(leader.clusterSeq);
}

function encodeObject(object: WriteAheadObject, writer: ByteWriter): void {
  writer.text(object.key).bytes(flushIdToBytes(object.flushId)).uvarint(object.byteLength);
  encodeNumbers(object.copies, writer);
}

export function decodeLogState(reader: ByteReader): LogState {
  const version = reader.uint8();
  const hasCleaning = version === VERSION_WITH_CLEANING;
  const hasSegments = version === VERSION_WITH_SEGMENTS || hasCleaning;
  const hasLeadership = version === VERSION_WITH_LEADER || hasSegments;
  if (version !== VERSION && !hasLeadership)
    throw new DecodeError(`unknown version ${version} of a log journal's state`);
  const replicas = decodeNumbers(reader);
  const isr = decodeNumbers(reader);
  const isrEpoch = hasLeadership ? reader.uvarint() : 0;
  const leader = hasLeadership ? decodeLeader(reader) : NO_LEADER;
  const retireFloor = hasSegments ? reader.uvarint() - 1 : -1;
  const lastDropSeq = reader.uvarint();
  const latestProposedAtMs = reader.int64();
  const topics = decodeList(reader, () => decodeTopicId(reader));
  const objects = decodeList(reader, () => decodeObject(reader));
  const partitions = new Map<string, PartitionState>();
  decodeList(reader, () => {
    const topicId = topics[reader.uvarint()];
    if (topicId === undefined) throw new DecodeError("partition of a topic that is not in the list");
    const partition = decodePartition(reader, topicId, { objects, hasSegments, hasCleaning });
    partitions.set(partitionKey(topicId, partition.partitionIndex), partition);
  });
  return { replicas, isr, isrEpoch, leader, lastDropSeq, latestProposedAtMs, retireFloor, partitions };
}

function decodeLeader(reader: ByteReader): LeaderState {
  const epoch = reader.uvarint();
  const brokerId = reader.uvarint() - 1;
  const brokerEpoch = reader.uvarint();
  return { brokerId, brokerEpoch, epoch, clusterSeq: reader.uvarint() };
}

function decodeObject(reader: ByteReader): WriteAheadObject {
  const key = objectKey(reader.text());
  const flushId = flushIdFromBytes(reader.bytes(16));
  const byteLength = reader.uvarint();
  return { kind: "object", key, flushId, byteLength, copies: decodeNumbers(reader) };
}
