import type { TimestampMs } from "#lib/util/branded.ts";

/** What a right allows: to read or write topics, to act as a consumer group, or everything (`admin`, pattern "*"). */
export const KEY_OPERATIONS = ["read", "write", "group", "admin"] as const;
export type KeyOperation = (typeof KEY_OPERATIONS)[number];

export interface KeyRight {
  readonly operation: KeyOperation;
  /** A name; or the beginning of names and an asterisk; or the asterisk alone for every name. */
  readonly pattern: string;
}

/** A key that opens the HTTPS door. The cluster knows its secret only as a hash. */
export interface ApiKeyState {
  readonly keyId: string;
  /** SHA-256 of the secret, 32 bytes: the secret is 32 random bytes, so nothing slower than a plain hash is needed. */
  readonly secretHash: Uint8Array;
  /** For people. */
  readonly name: string;
  readonly rights: readonly KeyRight[];
  /** 0: without a limit. */
  readonly requestsPerSecond: number;
  readonly createdAtMs: TimestampMs;
  /** Undefined: it stays until it is deleted. */
  readonly expiresAtMs: TimestampMs | undefined;
}
