import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes, flushIdToBytes, objectKey, type TopicId } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeList, decodeNumbers, decodeTopicId, encodeNumbers, encodeTopicId } from "./codec-fields.ts";
import { type LogState, type PartitionState, partitionKey, type WriteAheadObject } from "./log-state.ts";
import { decodePartition, encodePartition } from "./partition-state-codec.ts";

// A log journal's state, as its snapshots carry it. `list` is a count as uvarint and so many items; `text` a byte length
// as uvarint and UTF-8; all numbers are big-endian. Lists keep the state's order: it is part of the state.
//
//   state       version uint8 (1), replicas list of uvarint, isr list of uvarint, lastDropSeq uvarint,
//               latestProposedAtMs int64, topicIds list of 16 bytes, objects list of object, partitions list of partition
//   object      key text, flushId 16 bytes, byteLength uvarint, copies list of uvarint
//   partition   drawn in partition-state-codec.ts
//
// Topics and write-ahead objects stand once, in the order in which partitions name them first; partitions refer to them
// by their place in these lists.

const VERSION = 1;

export function encodeLogState(state: LogState, writer: ByteWriter): void {
  const topics = new Map<TopicId, number>();
  const objects = new Map<WriteAheadObject, number>();
  for (const partition of state.partitions.values()) collectReferences(partition, topics, objects);
  encodeNumbers(state.replicas, writer.uint8(VERSION));
  encodeNumbers(state.isr, writer);
  writer.uvarint(state.lastDropSeq).int64(state.latestProposedAtMs);
  writer.uvarint(topics.size);
  for (const topicId of topics.keys()) encodeTopicId(topicId, writer);
  writer.uvarint(objects.size);
  for (const object of objects.keys()) encodeObject(object, writer);
  writer.uvarint(state.partitions.size);
  for (const partition of state.partitions.values()) {
    writer.uvarint(defined(topics.get(partition.topicId), "place of a topic"));
    encodePartition(partition, { writer, objects, nowMs: state.latestProposedAtMs });
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

function encodeObject(object: WriteAheadObject, writer: ByteWriter): void {
  writer.text(object.key).bytes(flushIdToBytes(object.flushId)).uvarint(object.byteLength);
  encodeNumbers(object.copies, writer);
}

export function decodeLogState(reader: ByteReader): LogState {
  const version = reader.uint8();
  if (version !== VERSION) throw new DecodeError(`unknown version ${version} of a log journal's state`);
  const replicas = decodeNumbers(reader);
  const isr = decodeNumbers(reader);
  const lastDropSeq = reader.uvarint();
  const latestProposedAtMs = reader.int64();
  const topics = decodeList(reader, () => decodeTopicId(reader));
  const objects = decodeList(reader, () => decodeObject(reader));
  const partitions = new Map<string, PartitionState>();
  decodeList(reader, () => {
    const topicId = topics[reader.uvarint()];
    if (topicId === undefined) throw new DecodeError("partition of a topic that is not in the list");
    const partition = decodePartition(reader, topicId, objects);
    partitions.set(partitionKey(topicId, partition.partitionIndex), partition);
  });
  return { replicas, isr, lastDropSeq, latestProposedAtMs, partitions };
}

function decodeObject(reader: ByteReader): WriteAheadObject {
  const key = objectKey(reader.text());
  const flushId = flushIdFromBytes(reader.bytes(16));
  const byteLength = reader.uvarint();
  return { kind: "object", key, flushId, byteLength, copies: decodeNumbers(reader) };
}
