import { unreachable } from "#lib/util/assert.ts";
import { flushIdFromBytes, flushIdToBytes, objectKey } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeAppendParts, encodeAppendParts } from "./append-parts-codec.ts";
import { decodeNumbers, decodeTopicId, encodeNumbers, encodeTopicId } from "./codec-fields.ts";
import type { AppendCommand, AppendSource, ElectCommand, LogCommand, OpenCommand } from "./log-command.ts";
import { decodeGather, decodeReplace, encodeGather, encodeReplace } from "./segment-command-codec.ts";

// A command of a log journal. `list` is a count as uvarint and so many items; `text` a byte length as uvarint and UTF-8;
// all numbers are big-endian.
//
//   command            kind uint8, then
//   1 place-replicas   replicas list of uvarint
//   2 open             topicId 16 bytes, partitionIndexes list of uvarint, replicationFactor uvarint,
//                      minInsyncReplicas uvarint, clusterSeq uvarint
//   3 drop             topicId 16 bytes, clusterSeq uvarint
//   4 append, object   flushId 16 bytes, key text, byteLength uvarint, copies list of uvarint, parts
//   5 append, inline   flushId 16 bytes, parts, byteLength uvarint, bytes
//   6 advance start    topicId 16 bytes, partitionIndex uvarint, logStartOffset uvarint
//   7 elect            expectedEpoch uvarint, brokerId + 1 uvarint (0: nobody), brokerEpoch uvarint, clusterSeq uvarint
//   8 alter-isr        expectedIsrEpoch uvarint, isr list of uvarint
//   9 declare-lost     topicId 16 bytes, partitionIndex uvarint, key text
//  10 add-replicas     replicas list of uvarint
//  11 replace, 12 gather   drawn in segment-command-codec.ts
//  13 retire           floor uvarint
//  14 expire-producers topicId 16 bytes, partitionIndex uvarint, idleSinceMs int64
//  15 note-cleaning    topicId 16 bytes, partitionIndex uvarint, cleanedUntil uvarint, endOffset uvarint
//
// parts are drawn in append-parts-codec.ts.

const KIND_PLACE_REPLICAS = 1;
const KIND_OPEN = 2;
const KIND_DROP = 3;
const KIND_APPEND_OBJECT = 4;
const KIND_APPEND_INLINE = 5;
const KIND_ADVANCE_LOG_START = 6;
const KIND_ELECT = 7;
const KIND_ALTER_ISR = 8;
const KIND_DECLARE_LOST = 9;
const KIND_ADD_REPLICAS = 10;
const KIND_REPLACE = 11;
const KIND_GATHER = 12;
const KIND_RETIRE = 13;
const KIND_EXPIRE_PRODUCERS = 14;
const KIND_NOTE_CLEANING = 15;

export function encodeLogCommand(command: LogCommand, writer: ByteWriter): void {
  switch (command.kind) {
    case "place-replicas":
      encodeNumbers(command.replicas, writer.uint8(KIND_PLACE_REPLICAS));
      return;
    case "open":
      encodeTopicId(command.topicId, writer.uint8(KIND_OPEN));
      encodeNumbers(command.partitionIndexes, writer);
      writer.uvarint(command.replicationFactor).uvarint(command.minInsyncReplicas).uvarint(command.clusterSeq);
      return;
    case "drop":
      encodeTopicId(command.topicId, writer.uint8(KIND_DROP));
      writer.uvarint(command.clusterSeq);
      return;
    case "append":
      encodeAppend(command, writer);
      return;
    case "advance-log-start":
      encodeTopicId(command.topicId, writer.uint8(KIND_ADVANCE_LOG_START));
      writer.uvarint(command.partitionIndex).uvarint(command.logStartOffset);
      return;
    case "elect":
      writer
        .uint8(KIND_ELECT)
        .uvarint(command.expectedEpoch)
        .uvarint(command.brokerId + 1);
      writer.uvarint(command.brokerEpoch).uvarint(command.clusterSeq);
      return;
    case "alter-isr":
      encodeNumbers(command.isr, writer.uint8(KIND_ALTER_ISR).uvarint(command.expectedIsrEpoch));
      return;
    case "declare-lost":
      encodeTopicId(command.topicId, writer.uint8(KIND_DECLARE_LOST));
      writer.uvarint(command.partitionIndex).text(command.key);
      return;
    case "add-replicas":
      encodeNumbers(command.replicas, writer.uint8(KIND_ADD_REPLICAS));
      return;
    case "replace":
      encodeReplace(command, writer.uint8(KIND_REPLACE));
      return;
    case "gather":
      encodeGather(command, writer.uint8(KIND_GATHER));
      return;
    case "retire":
      writer.uint8(KIND_RETIRE).uvarint(command.floor);
      return;
    case "expire-producers":
      encodeTopicId(command.topicId, writer.uint8(KIND_EXPIRE_PRODUCERS));
      writer.uvarint(command.partitionIndex).int64(command.idleSinceMs);
      return;
    case "note-cleaning": {
      const { cleanedUntil, endOffset } = command.pass;
      encodeTopicId(command.topicId, writer.uint8(KIND_NOTE_CLEANING));
      writer.uvarint(command.partitionIndex).uvarint(cleanedUntil).uvarint(endOffset);
      return;
    }
    default:
      unreachable(command);
  }
}

function encodeAppend(command: AppendCommand, writer: ByteWriter): void {
  const { source } = command;
  writer.uint8(source.kind === "object" ? KIND_APPEND_OBJECT : KIND_APPEND_INLINE);
  writer.bytes(flushIdToBytes(command.flushId));
  if (source.kind === "object") encodeNumbers(source.copies, writer.text(source.key).uvarint(source.byteLength));
  encodeAppendParts(command.parts, writer);
  if (source.kind === "inline") writer.lengthPrefixed(source.bytes);
}

export function decodeLogCommand(reader: ByteReader): LogCommand {
  const kind = reader.uint8();
  switch (kind) {
    case KIND_PLACE_REPLICAS:
      return { kind: "place-replicas", replicas: decodeNumbers(reader) };
    case KIND_OPEN:
      return decodeOpen(reader);
    case KIND_DROP:
      return { kind: "drop", topicId: decodeTopicId(reader), clusterSeq: reader.uvarint() };
    case KIND_APPEND_OBJECT:
    case KIND_APPEND_INLINE:
      return decodeAppend(kind, reader);
    case KIND_ADVANCE_LOG_START: {
      const topicId = decodeTopicId(reader);
      const partitionIndex = reader.uvarint();
      return { kind: "advance-log-start", topicId, partitionIndex, logStartOffset: reader.uvarint() };
    }
    case KIND_ELECT:
      return decodeElect(reader);
    case KIND_ALTER_ISR:
      return { kind: "alter-isr", expectedIsrEpoch: reader.uvarint(), isr: decodeNumbers(reader) };
    case KIND_DECLARE_LOST: {
      const topicId = decodeTopicId(reader);
      return { kind: "declare-lost", topicId, partitionIndex: reader.uvarint(), key: objectKey(reader.text()) };
    }
    case KIND_ADD_REPLICAS:
      return { kind: "add-replicas", replicas: decodeNumbers(reader) };
    case KIND_REPLACE:
      return decodeReplace(reader);
    case KIND_GATHER:
      return decodeGather(reader);
    case KIND_RETIRE:
      return { kind: "retire", floor: reader.uvarint() };
    case KIND_EXPIRE_PRODUCERS: {
      const topicId = decodeTopicId(reader);
      const partitionIndex = reader.uvarint();
      return { kind: "expire-producers", topicId, partitionIndex, idleSinceMs: reader.int64() };
    }
    case KIND_NOTE_CLEANING: {
      const topicId = decodeTopicId(reader);
      const partitionIndex = reader.uvarint();
      const pass = { cleanedUntil: reader.uvarint(), endOffset: reader.uvarint() };
      return { kind: "note-cleaning", topicId, partitionIndex, pass };
    }
    default:
      throw new DecodeError(`unknown kind of log command ${kind}`);
  }
}

function decodeOpen(reader: ByteReader): OpenCommand {
  const topicId = decodeTopicId(reader);
  const partitionIndexes = decodeNumbers(reader);
  const replicationFactor = reader.uvarint();
  const minInsyncReplicas = reader.uvarint();
  const clusterSeq = reader.uvarint();
  return { kind: "open", topicId, partitionIndexes, replicationFactor, minInsyncReplicas, clusterSeq };
}

function decodeElect(reader: ByteReader): ElectCommand {
  const expectedEpoch = reader.uvarint();
  const brokerId = reader.uvarint() - 1;
  const brokerEpoch = reader.uvarint();
  return { kind: "elect", expectedEpoch, brokerId, brokerEpoch, clusterSeq: reader.uvarint() };
}

function decodeAppend(kind: number, reader: ByteReader): AppendCommand {
  const flushId = flushIdFromBytes(reader.bytes(16));
  if (kind === KIND_APPEND_INLINE) {
    const parts = decodeAppendParts(reader);
    const source: AppendSource = { kind: "inline", bytes: reader.lengthPrefixed() };
    return { kind: "append", flushId, source, parts };
  }
  const key = objectKey(reader.text());
  const byteLength = reader.uvarint();
  const source: AppendSource = { kind: "object", key, byteLength, copies: decodeNumbers(reader) };
  return { kind: "append", flushId, source, parts: decodeAppendParts(reader) };
}
