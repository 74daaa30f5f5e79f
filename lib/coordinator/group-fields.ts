import { decodeList, decodeNumbers, decodeTopicId, encodeNumbers, encodeTopicId } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { Assignment, MemberProtocol } from "./member-types.ts";

// Fields that the formats of this folder share. `list` is a count as uvarint and so many items; `text` a byte length as
// uvarint and UTF-8; `bytes` a byte length as uvarint and the bytes; all numbers are big-endian.
//
//   optional x   uint8 0, or uint8 1 and x
//   assignment   list of { topicId 16 bytes, partitions list of uvarint }
//   protocol     name text, metadata bytes

export function encodeOptional<T>(value: T | undefined, writer: ByteWriter, encodeValue: (value: T) => void): void {
  writer.uint8(value === undefined ? 0 : 1);
  if (value !== undefined) encodeValue(value);
}

export function decodeOptional<T>(reader: ByteReader, decodeValue: () => T): T | undefined {
  return decodeFlag(reader) ? decodeValue() : undefined;
}

export function encodeOptionalText(value: string | undefined, writer: ByteWriter): void {
  encodeOptional(value, writer, (text) => writer.text(text));
}

export function decodeOptionalText(reader: ByteReader): string | undefined {
  return decodeOptional(reader, () => reader.text());
}

export function encodeFlag(value: boolean, writer: ByteWriter): void {
  writer.uint8(value ? 1 : 0);
}

export function decodeFlag(reader: ByteReader): boolean {
  return reader.uint8() !== 0;
}

export function encodeList<T>(items: readonly T[], writer: ByteWriter, encodeItem: (item: T) => void): void {
  writer.uvarint(items.length);
  for (const item of items) encodeItem(item);
}

export function encodeTexts(texts: readonly string[], writer: ByteWriter): void {
  encodeList(texts, writer, (text) => writer.text(text));
}

export function decodeTexts(reader: ByteReader): readonly string[] {
  return decodeList(reader, () => reader.text());
}

export function encodeAssignment(assignment: Assignment, writer: ByteWriter): void {
  writer.uvarint(assignment.size);
  for (const [topicId, partitions] of assignment) {
    encodeTopicId(topicId, writer);
    encodeNumbers(partitions, writer);
  }
}

export function decodeAssignment(reader: ByteReader): Assignment {
  return new Map(
    decodeList(reader, () => {
      const topicId = decodeTopicId(reader);
      return [topicId, decodeNumbers(reader)] as const;
    }),
  );
}

export function encodeProtocols(protocols: readonly MemberProtocol[], writer: ByteWriter): void {
  encodeList(protocols, writer, ({ name, metadata }) => writer.text(name).lengthPrefixed(metadata));
}

/** The metadata are views into what is read. */
export function decodeProtocols(reader: ByteReader): readonly MemberProtocol[] {
  return decodeList(reader, () => {
    const name = reader.text();
    return { name, metadata: reader.lengthPrefixed() };
  });
}

/** Protocols with bytes of their own: views would keep the whole record or snapshot that they came with in memory. */
export function copyProtocols(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Uint8Array.from(metadata) }));
}
