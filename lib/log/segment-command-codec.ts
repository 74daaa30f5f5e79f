import { unreachable } from "#lib/util/assert.ts";
import { flushIdFromBytes, flushIdToBytes, objectKey } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeList, decodeNumbers, decodeTopicId, encodeNumbers, encodeTopicId } from "./codec-fields.ts";
import type { EntryInput, GatherCommand, ReplaceCommand, ReplaceInput } from "./log-command.ts";
import { decodeSegment, encodeSegment } from "./segment-codec.ts";

// The commands that name their inputs, behind their kind (log-command-codec.ts).
//
//   replace   topicId 16 bytes, partitionIndex uvarint, inputs list of input, segments list of segment (segment-codec.ts)
//   gather    flushId 16 bytes, key text, byteLength uvarint, copies list of uvarint, parts list of part
//   part      topicId 16 bytes, partitionIndex uvarint, position uvarint, inputs list of input
//   input     kind uint8, baseOffset uvarint, offsetCount uvarint, then
//             0 segment: directory text                  1 entry of an object: flushId 16 bytes
//             2 inlined: seq uvarint, indexInRecord uvarint     3 lost

const SEGMENT = 0;
const OBJECT = 1;
const INLINE = 2;
const LOST = 3;

export function encodeReplace(command: ReplaceCommand, writer: ByteWriter): void {
  encodeTopicId(command.topicId, writer);
  writer.uvarint(command.partitionIndex).uvarint(command.inputs.length);
  for (const input of command.inputs) encodeInput(input, writer);
  writer.uvarint(command.segments.length);
  for (const segment of command.segments) encodeSegment(segment, writer);
}

export function decodeReplace(reader: ByteReader): ReplaceCommand {
  const topicId = decodeTopicId(reader);
  const partitionIndex = reader.uvarint();
  const inputs = decodeList(reader, () => decodeInput(reader));
  return {
    kind: "replace",
    topicId,
    partitionIndex,
    inputs,
    segments: decodeList(reader, () => decodeSegment(reader)),
  };
}

export function encodeGather(command: GatherCommand, writer: ByteWriter): void {
  writer.bytes(flushIdToBytes(command.flushId)).text(command.key).uvarint(command.byteLength);
  encodeNumbers(command.copies, writer);
  writer.uvarint(command.parts.length);
  for (const part of command.parts) {
    encodeTopicId(part.topicId, writer);
    writer.uvarint(part.partitionIndex).uvarint(part.position).uvarint(part.inputs.length);
    for (const input of part.inputs) encodeInput(input, writer);
  }
}

export function decodeGather(reader: ByteReader): GatherCommand {
  const flushId = flushIdFromBytes(reader.bytes(16));
  const key = objectKey(reader.text());
  const byteLength = reader.uvarint();
  const copies = decodeNumbers(reader);
  const parts = decodeList(reader, () => {
    const topicId = decodeTopicId(reader);
    const partitionIndex = reader.uvarint();
    const position = reader.uvarint();
    return { topicId, partitionIndex, position, inputs: decodeList(reader, () => decodeEntryInput(reader)) };
  });
  return { kind: "gather", flushId, key, byteLength, copies, parts };
}

function encodeInput(input: ReplaceInput, writer: ByteWriter): void {
  writer
    .uint8(kindOf(input))
    .uvarint(input.baseOffset)
    .uvarint(input.nextOffset - input.baseOffset);
  if (input.kind === "segment") {
    writer.text(input.directory);
    return;
  }
  const { place } = input;
  if (place.kind === "object") writer.bytes(flushIdToBytes(place.flushId));
  else if (place.kind === "inline") writer.uvarint(place.seq).uvarint(place.indexInRecord);
}

function kindOf(input: ReplaceInput): number {
  if (input.kind === "segment") return SEGMENT;
  switch (input.place.kind) {
    case "object":
      return OBJECT;
    case "inline":
      return INLINE;
    case "lost":
      return LOST;
    default:
      return unreachable(input.place);
  }
}

function decodeInput(reader: ByteReader): ReplaceInput {
  const kind = reader.uint8();
  const baseOffset = reader.uvarint();
  const offsets = { baseOffset, nextOffset: baseOffset + reader.uvarint() };
  switch (kind) {
    case SEGMENT:
      return { kind: "segment", ...offsets, directory: reader.text() };
    case OBJECT:
      return { kind: "entry", ...offsets, place: { kind: "object", flushId: flushIdFromBytes(reader.bytes(16)) } };
    case INLINE: {
      const seq = reader.uvarint();
      return { kind: "entry", ...offsets, place: { kind: "inline", seq, indexInRecord: reader.uvarint() } };
    }
    case LOST:
      return { kind: "entry", ...offsets, place: { kind: "lost" } };
    default:
      throw new DecodeError(`unknown kind of input ${kind}`);
  }
}

function decodeEntryInput(reader: ByteReader): EntryInput {
  const input = decodeInput(reader);
  if (input.kind === "segment") throw new DecodeError("a segment among the entries of a gather command");
  return input;
}
