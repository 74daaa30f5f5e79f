import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeList, decodeTopicId, encodeTopicId } from "./codec-fields.ts";
import type { AppendBatch, AppendPart } from "./log-command.ts";

// The parts of an append command: below 64 bytes a batch whatever clients send, about 20 as a rule, so that a whole
// flush fits in one journal record.
//
//   parts   baseTimestamp int64, list of topics        the first batch's maxTimestampMs
//   topic   topicId 16 bytes, list of part             consecutive parts of one topic
//   part    partitionIndex uvarint, gap varint         gap: position minus the end of the part before, as a rule 0
//           list of batch
//   batch   flags uint8, byteLength uvarint, offsetCount uvarint,
//           maxTimestampMs                             varint relative to baseTimestamp, or int64 if bit 3 says so
//           producerId uvarint, producerEpoch uvarint, baseSequence uvarint      only with bit 0
//
//   flags   bit 0 idempotent, 1 transactional, 2 requires min.insync.replicas, 3 timestamp in full

const IDEMPOTENT_BIT = 0x01;
const TRANSACTIONAL_BIT = 0x02;
const REQUIRE_MIN_INSYNC_BIT = 0x04;
const FULL_TIMESTAMP_BIT = 0x08;

/** Twelve days. Larger distances would take a varint as long as the full timestamp, or leave the safe integers. */
const TIMESTAMP_DELTA_MAX = 0x3fff_ffff;

export function encodeAppendParts(parts: readonly AppendPart[], writer: ByteWriter): void {
  const baseTimestampMs = parts[0]?.batches[0]?.maxTimestampMs ?? 0;
  const topics = runsOfTopics(parts);
  writer.int64(baseTimestampMs).uvarint(topics.length);
  let end = 0;
  for (const topic of topics) {
    encodeTopicId(topic.topicId, writer);
    writer.uvarint(topic.parts.length);
    for (const part of topic.parts) {
      writer
        .uvarint(part.partitionIndex)
        .varint(part.position - end)
        .uvarint(part.batches.length);
      end = part.position;
      for (const batch of part.batches) {
        encodeBatch(batch, baseTimestampMs, writer);
        end += batch.byteLength;
      }
    }
  }
}

interface TopicRun {
  readonly topicId: AppendPart["topicId"];
  readonly parts: AppendPart[];
}

function runsOfTopics(parts: readonly AppendPart[]): readonly TopicRun[] {
  const runs: TopicRun[] = [];
  for (const part of parts) {
    const last = runs.at(-1);
    if (last?.topicId === part.topicId) last.parts.push(part);
    else runs.push({ topicId: part.topicId, parts: [part] });
  }
  return runs;
}

function encodeBatch(batch: AppendBatch, baseTimestampMs: number, writer: ByteWriter): void {
  const delta = batch.maxTimestampMs - baseTimestampMs;
  const isNear = Math.abs(delta) <= TIMESTAMP_DELTA_MAX;
  const isIdempotent = batch.producerId >= 0;
  let flags = isIdempotent ? IDEMPOTENT_BIT : 0;
  if (batch.isTransactional) flags |= TRANSACTIONAL_BIT;
  if (batch.requireMinInsync) flags |= REQUIRE_MIN_INSYNC_BIT;
  if (!isNear) flags |= FULL_TIMESTAMP_BIT;
  writer.uint8(flags).uvarint(batch.byteLength).uvarint(batch.offsetCount);
  if (isNear) writer.varint(delta);
  else writer.int64(batch.maxTimestampMs);
  if (isIdempotent) writer.uvarint(batch.producerId).uvarint(batch.producerEpoch).uvarint(batch.baseSequence);
}

export function decodeAppendParts(reader: ByteReader): readonly AppendPart[] {
  const baseTimestampMs = reader.int64();
  const parts: AppendPart[] = [];
  let end = 0;
  decodeList(reader, () => {
    const topicId = decodeTopicId(reader);
    decodeList(reader, () => {
      const partitionIndex = reader.uvarint();
      const position = end + reader.varint();
      const batches = decodeList(reader, () => decodeBatch(reader, baseTimestampMs));
      end = position;
      for (const batch of batches) end += batch.byteLength;
      parts.push({ topicId, partitionIndex, position, batches });
    });
  });
  return parts;
}

function decodeBatch(reader: ByteReader, baseTimestampMs: number): AppendBatch {
  const flags = reader.uint8();
  const isIdempotent = (flags & IDEMPOTENT_BIT) !== 0;
  // In the order of the bytes: the fields of an object literal are evaluated from the first to the last.
  return {
    byteLength: reader.uvarint(),
    offsetCount: reader.uvarint(),
    maxTimestampMs: (flags & FULL_TIMESTAMP_BIT) === 0 ? baseTimestampMs + reader.varint() : reader.int64(),
    producerId: isIdempotent ? reader.uvarint() : -1,
    producerEpoch: isIdempotent ? reader.uvarint() : -1,
    baseSequence: isIdempotent ? reader.uvarint() : -1,
    isTransactional: (flags & TRANSACTIONAL_BIT) !== 0,
    requireMinInsync: (flags & REQUIRE_MIN_INSYNC_BIT) !== 0,
  };
}
