import { createHash } from "node:crypto";
import type { StoreId } from "#lib/util/branded.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { LogError } from "#lib/util/errors.ts";

/** Where an object lies and how its bytes are known again. */
export interface JournalObjectRef {
  readonly key: string;
  readonly byteLength: number;
  /** SHA-256, 32 bytes. */
  readonly hash: Uint8Array;
  /** The stores that have it. */
  readonly copies: readonly StoreId[];
}

/** Snapshots and commands too large for a record: what a journal keeps outside itself. */
export interface JournalObjects {
  /**
   * Writes a new object whose key contains `name` and is shared with no other call, in at least as many stores as a
   * commit needs. Rejects with an error of kind `unavailable` if they do not answer.
   */
  put(name: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<JournalObjectRef>;
  /**
   * Reads the object from any of its copies, passing over those whose length or hash is wrong. Rejects with
   * `JournalObjectLostError` if no copy is left, with an error of kind `unavailable` if one may still be behind a
   * store that does not answer.
   */
  get(ref: JournalObjectRef, signal: AbortSignal): Promise<Uint8Array>;
}

/** Every copy of an object is missing or damaged. */
export class JournalObjectLostError extends LogError {
  override readonly name = "JournalObjectLostError";
  override readonly kind = "corrupt";
  readonly key: string;

  constructor(key: string, reason: string) {
    super(`object ${key}: ${reason}`);
    this.key = key;
  }
}

const HASH_BYTES = 32;

export function hashOf(chunks: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}

export function hasHash(bytes: Uint8Array, ref: JournalObjectRef): boolean {
  return bytes.byteLength === ref.byteLength && Buffer.compare(hashOf([bytes]), ref.hash) === 0;
}

// text     key
// uvarint  byte length
// 32       SHA-256
// uvarint  number of copies, then each store's id as uvarint
export function encodeObjectRef(ref: JournalObjectRef, writer: ByteWriter): void {
  writer.text(ref.key).uvarint(ref.byteLength).bytes(ref.hash).uvarint(ref.copies.length);
  for (const store of ref.copies) writer.uvarint(store);
}

export function decodeObjectRef(reader: ByteReader): JournalObjectRef {
  const key = reader.text();
  const byteLength = reader.uvarint();
  const hash = reader.bytes(HASH_BYTES);
  const copies: StoreId[] = [];
  for (let left = reader.uvarint(); left > 0; left--) copies.push(reader.uvarint());
  return { key, byteLength, hash, copies };
}
