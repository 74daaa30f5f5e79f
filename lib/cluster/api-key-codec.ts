import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { type ApiKeyState, KEY_OPERATIONS, type KeyRight } from "./api-key-state.ts";
import { readList } from "./read-list.ts";

// The layout stands in cluster-command-codec.ts, under `key`. An operation is its place in KEY_OPERATIONS.

type KeyFields = Omit<ApiKeyState, "createdAtMs">;

export function writeKey(writer: ByteWriter, key: KeyFields): ByteWriter {
  writer.text(key.keyId).bytes(key.secretHash).text(key.name);
  writer
    .uvarint(key.requestsPerSecond)
    .uvarint(key.expiresAtMs ?? 0)
    .uvarint(key.rights.length);
  for (const { operation, pattern } of key.rights) writer.uint8(KEY_OPERATIONS.indexOf(operation)).text(pattern);
  return writer;
}

export function readKey(reader: ByteReader): KeyFields {
  return {
    keyId: reader.text(),
    secretHash: new Uint8Array(reader.bytes(32)),
    name: reader.text(),
    requestsPerSecond: reader.uvarint(),
    expiresAtMs: reader.uvarint() || undefined,
    rights: readList(reader, () => readRight(reader)),
  };
}

function readRight(reader: ByteReader): KeyRight {
  const number = reader.uint8();
  const operation = KEY_OPERATIONS[number];
  if (operation === undefined) throw new DecodeError(`unknown operation ${number} of a key`);
  return { operation, pattern: reader.text() };
}
