import { defined } from "#lib/util/assert.ts";
import { type TopicId, uuidFromBytes, uuidToBytes } from "#lib/util/branded.ts";
import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";

// Fields that the formats of this folder share.

export function encodeTopicId(topicId: TopicId, writer: ByteWriter): void {
  writer.bytes(defined(uuidToBytes(topicId), "topic id"));
}

export function decodeTopicId(reader: ByteReader): TopicId {
  return uuidFromBytes(reader.bytes(16));
}

export function encodeNumbers(values: readonly number[], writer: ByteWriter): void {
  writer.uvarint(values.length);
  for (const value of values) writer.uvarint(value);
}

export function decodeNumbers(reader: ByteReader): readonly number[] {
  return decodeList(reader, () => reader.uvarint());
}

/** A count and so many items of at least one byte each, so that a wrong count cannot ask for more than is there. */
export function decodeList<T>(reader: ByteReader, decodeItem: () => T): T[] {
  const count = reader.uvarint();
  if (count > reader.remaining) throw new DecodeError(`list of ${count} items in ${reader.remaining} bytes`);
  const items: T[] = [];
  for (let index = 0; index < count; index++) items.push(decodeItem());
  return items;
}
