// Identities are branded, so that a topic's id cannot be taken for a flush's. Quantities are plain aliases: arithmetic
// would drop a brand at every step, and the casts to put it back would hide more mistakes than the brand finds.

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Position of a record in its partition. A safe integer: 2^53 offsets last 285 years at a million records a second. */
export type Offset = number;
/** Milliseconds since the Unix epoch; -1 means none, as in Kafka. */
export type TimestampMs = number;
/** Position of a record in a journal; the first one is 1. */
export type JournalSeq = number;
/** Id 0..n-1 of a store. */
export type StoreId = number;
/** Id of a running gateway process, as Kafka clients see it. */
export type BrokerId = number;

/** 128 bits in Kafka's text form: base64url without padding, 22 characters. */
export type Uuid = Branded<string, "Uuid">;
export type TopicId = Uuid;
/** 128 random bits that name one flush, in 32 lower-case hexadecimal digits. */
export type FlushId = Branded<string, "FlushId">;
/** Name of a journal, such as `cluster`, `log-3` or `log-3/snapshots`. */
export type JournalId = Branded<string, "JournalId">;
/** Name of an object in a store: segments of `[A-Za-z0-9._=-]+` joined by `/`. */
export type ObjectKey = Branded<string, "ObjectKey">;

export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA" as Uuid;

export function uuidFromBytes(bytes: Uint8Array): Uuid {
  return Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("base64url") as Uuid;
}

/** The 16 bytes of `uuid`; undefined if the text is not a UUID in Kafka's form. */
export function uuidToBytes(uuid: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{22}$/.test(uuid)) return undefined;
  return Buffer.from(uuid, "base64url");
}

export function flushIdFromBytes(bytes: Uint8Array): FlushId {
  return Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString("hex") as FlushId;
}

export function flushIdToBytes(id: FlushId): Uint8Array {
  return Buffer.from(id, "hex");
}

export function journalId(name: string): JournalId {
  return name as JournalId;
}

export function objectKey(name: string): ObjectKey {
  return name as ObjectKey;
}
