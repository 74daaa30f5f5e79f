import { defined } from "#lib/util/assert.ts";
import type { TimestampMs, TopicId } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { readBatchSizes, writeBatchSizes } from "./batch-sizes.ts";
import { decodeList } from "./codec-fields.ts";
import { batchesThatCount } from "./fold-producer.ts";
import type {
  CleaningPass,
  EntryPlace,
  PartitionState,
  ProducedBatch,
  ProducerState,
  WriteAheadEntry,
  WriteAheadObject,
} from "./log-state.ts";
import { decodeSegment, encodeSegment } from "./segment-codec.ts";

// One partition in a snapshot of a log journal's state.
//
//   partition   topic uvarint (read and written by the caller), partitionIndex uvarint, replicationFactor uvarint,
//               minInsyncReplicas uvarint, openedSeq uvarint, logStartOffset uvarint, logEndOffset uvarint,
//               maxTimestampMs int64, from version 3 of the state on segments list of segment (segment-codec.ts),
//               in version 4 cleaning, entries list of entry, producers list of producer
//   cleaning    endOffset uvarint, 0 if there is none, otherwise cleanedUntil uvarint
//   entry       gap uvarint           base offset minus the next offset of the entry before, 0 before the first
//               offsetCount uvarint, place, position uvarint, byteLength uvarint, maxTimestampMs int64,
//               appendedAtMs int64, batches byte length as uvarint and bytes (batch-sizes.ts)
//   place       0 uvarint, seq uvarint > 0, indexInRecord uvarint     inlined in that record; or
//               0 uvarint, 0 uvarint                                  lost; from version 2 of the state on; or
//               n uvarint                                             object n - 1 of the state's list
//   producer    producerId uvarint, producerEpoch uvarint, lastSeenMs int64, batches list of produced
//   produced    baseSequence uvarint, lastSequence uvarint, baseOffset uvarint, timestampMs int64

const LOST: EntryPlace = { kind: "lost" };

interface EncodeContext {
  readonly writer: ByteWriter;
  readonly objects: ReadonlyMap<WriteAheadObject, number>;
  readonly nowMs: TimestampMs;
  readonly hasSegments: boolean;
  readonly hasCleaning: boolean;
}

export function encodePartition(partition: PartitionState, context: EncodeContext): void {
  const { writer } = context;
  writer.uvarint(partition.partitionIndex).uvarint(partition.replicationFactor).uvarint(partition.minInsyncReplicas);
  writer.uvarint(partition.openedSeq).uvarint(partition.logStartOffset).uvarint(partition.logEndOffset);
  writer.int64(partition.maxTimestampMs);
  if (context.hasSegments) {
    writer.uvarint(partition.segments.length);
    for (const segment of partition.segments) encodeSegment(segment, writer);
  }
  if (context.hasCleaning) encodeCleaning(partition.cleaning, writer);
  writer.uvarint(partition.entries.length);
  let nextOffset = 0;
  for (const entry of partition.entries) {
    writer.uvarint(entry.baseOffset - nextOffset).uvarint(entry.nextOffset - entry.baseOffset);
    encodeEntry(entry, context);
    nextOffset = entry.nextOffset;
  }
  writer.uvarint(partition.producers.size);
  for (const producer of partition.producers.values()) encodeProducer(producer, context);
}

function encodeCleaning(cleaning: CleaningPass | undefined, writer: ByteWriter): void {
  writer.uvarint(cleaning?.endOffset ?? 0);
  if (cleaning !== undefined) writer.uvarint(cleaning.cleanedUntil);
}

function encodeEntry(entry: WriteAheadEntry, context: EncodeContext): void {
  const { writer, objects } = context;
  const { place } = entry;
  if (place.kind === "inline") writer.uvarint(0).uvarint(place.seq).uvarint(place.indexInRecord);
  else if (place.kind === "lost") writer.uvarint(0).uvarint(0);
  else writer.uvarint(1 + defined(objects.get(place), "place of an object"));
  writer.uvarint(entry.position).uvarint(entry.byteLength);
  writeBatchSizes(entry, writer.int64(entry.maxTimestampMs).int64(entry.appendedAtMs));
}

function encodeProducer(producer: ProducerState, context: EncodeContext): void {
  const { writer, nowMs } = context;
  const batches = batchesThatCount(producer, nowMs);
  writer.uvarint(producer.producerId).uvarint(producer.producerEpoch).int64(producer.lastSeenMs);
  writer.uvarint(batches.length);
  for (const batch of batches) {
    writer.uvarint(batch.baseSequence).uvarint(batch.lastSequence).uvarint(batch.baseOffset).int64(batch.timestampMs);
  }
}

interface DecodeContext extends Pick<EncodeContext, "hasSegments" | "hasCleaning"> {
  readonly objects: readonly WriteAheadObject[];
}

export function decodePartition(
  reader: ByteReader,
  topicId: TopicId,
  { objects, hasSegments, hasCleaning }: DecodeContext,
): PartitionState {
  const partitionIndex = reader.uvarint();
  const replicationFactor = reader.uvarint();
  const minInsyncReplicas = reader.uvarint();
  const openedSeq = reader.uvarint();
  const logStartOffset = reader.uvarint();
  const logEndOffset = reader.uvarint();
  const maxTimestampMs = reader.int64();
  const segments = hasSegments ? decodeList(reader, () => decodeSegment(reader)) : [];
  const cleaning = hasCleaning ? decodeCleaning(reader) : undefined;
  let nextOffset = 0;
  const entries = decodeList(reader, () => {
    const entry = decodeEntry(reader, nextOffset, objects);
    nextOffset = entry.nextOffset;
    return entry;
  });
  const producers = new Map(decodeList(reader, () => decodeProducer(reader)).map((one) => [one.producerId, one]));
  return {
    topicId,
    partitionIndex,
    replicationFactor,
    minInsyncReplicas,
    openedSeq,
    logStartOffset,
    logEndOffset,
    maxTimestampMs,
    segments,
    entries,
    producers,
    ...(cleaning && { cleaning }),
  };
}

function decodeCleaning(reader: ByteReader): CleaningPass | undefined {
  const endOffset = reader.uvarint();
  return endOffset === 0 ? undefined : { cleanedUntil: reader.uvarint(), endOffset };
}

function decodeEntry(reader: ByteReader, from: number, objects: readonly WriteAheadObject[]): WriteAheadEntry {
  const baseOffset = from + reader.uvarint();
  const nextOffset = baseOffset + reader.uvarint();
  const place = decodePlace(reader, objects);
  const position = reader.uvarint();
  const byteLength = reader.uvarint();
  const maxTimestampMs = reader.int64();
  const appendedAtMs = reader.int64();
  const batches = readBatchSizes({ byteLength, offsetCount: nextOffset - baseOffset }, reader);
  return { baseOffset, nextOffset, place, position, byteLength, maxTimestampMs, appendedAtMs, batches };
}

function decodePlace(reader: ByteReader, objects: readonly WriteAheadObject[]): EntryPlace {
  const number = reader.uvarint();
  if (number === 0) {
    const seq = reader.uvarint();
    if (seq === 0) return LOST;
    return { kind: "inline", seq, indexInRecord: reader.uvarint() };
  }
  const object = objects[number - 1];
  if (object === undefined) throw new DecodeError("entry of an object that is not in the list");
  return object;
}

function decodeProducer(reader: ByteReader): ProducerState {
  const producerId = reader.uvarint();
  const producerEpoch = reader.uvarint();
  const lastSeenMs = reader.int64();
  const batches = decodeList(reader, () => decodeProduced(reader));
  return { producerId, producerEpoch, batches, lastSeenMs };
}

function decodeProduced(reader: ByteReader): ProducedBatch {
  const baseSequence = reader.uvarint();
  const lastSequence = reader.uvarint();
  const baseOffset = reader.uvarint();
  return { baseSequence, lastSequence, baseOffset, timestampMs: reader.int64() };
}
