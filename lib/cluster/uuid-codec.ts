import { defined } from "#lib/util/assert.ts";
import { type Uuid, uuidFromBytes, uuidToBytes } from "#lib/util/branded.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";

export function writeUuid(writer: ByteWriter, uuid: Uuid): ByteWriter {
  return writer.bytes(defined(uuidToBytes(uuid), "uuid"));
}

export function readUuid(reader: ByteReader): Uuid {
  return uuidFromBytes(reader.bytes(16));
}
