import { assert, defined } from "#lib/util/assert.ts";
import { type StoreId, type Uuid, uuidFromBytes, uuidToBytes } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";

// A store's marker, the object `marker.json`: written once, when the store is made, and never changed. UTF-8 JSON on one
// line with a line feed at its end, so that an operator may read it:
//
//   {"format":"millrace-store","version":1,"storeId":0,"identity":"<32 lower-case hexadecimal digits>"}
//
// The identity is random. The cluster journal remembers it, so that an empty disk, a forgotten mount or another
// deployment's bucket is never taken for the store that should be there.

const FORMAT = "millrace-store";
const VERSION = 1;
/** More than any marker has: what is longer is not one and need not be parsed. */
export const STORE_MARKER_BYTES_MAX = 1_024;

export interface StoreMarker {
  readonly storeId: StoreId;
  /** 128 random bits in 32 lower-case hexadecimal digits. */
  readonly identity: string;
}

/** `random`: 16 random bytes. */
export function newStoreMarker(storeId: StoreId, random: Uint8Array): StoreMarker {
  assert(random.byteLength === 16, "an identity has 16 bytes");
  return { storeId, identity: Buffer.from(random).toString("hex") };
}

/** The marker of a store whose identity is remembered as the cluster journal has it. */
export function markerOfIdentity(storeId: StoreId, identity: Uuid): StoreMarker {
  return { storeId, identity: Buffer.from(defined(uuidToBytes(identity), "an identity")).toString("hex") };
}

/** A marker's identity as the cluster journal remembers it. */
export function identityOf(marker: StoreMarker): Uuid {
  return uuidFromBytes(Buffer.from(marker.identity, "hex"));
}

export function encodeStoreMarker(marker: StoreMarker): Uint8Array {
  const { storeId, identity } = marker;
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, storeId, identity })}\n`);
}

/** Fails with `DecodeError` if the bytes are not a marker of a version that this code knows. */
export function parseStoreMarker(bytes: Uint8Array): StoreMarker {
  if (bytes.byteLength > STORE_MARKER_BYTES_MAX) throw new DecodeError("store marker: too long");
  const fields = parseObject(Buffer.from(bytes).toString("utf8"));
  if (fields.get("format") !== FORMAT) throw new DecodeError("store marker: not a Millrace store");
  const version = fields.get("version");
  if (version !== VERSION) throw new DecodeError(`store marker: version ${String(version)} is unknown`);
  const storeId = fields.get("storeId");
  const identity = fields.get("identity");
  if (typeof storeId !== "number" || !Number.isInteger(storeId) || storeId < 0) {
    throw new DecodeError("store marker: storeId is not a store's id");
  }
  if (typeof identity !== "string" || !/^[0-9a-f]{32}$/.test(identity)) {
    throw new DecodeError("store marker: identity is not 32 hexadecimal digits");
  }
  return { storeId, identity };
}

function parseObject(text: string): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
  } catch {
    throw new DecodeError("store marker: not JSON");
  }
}
