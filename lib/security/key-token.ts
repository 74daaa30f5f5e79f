import { createHash } from "node:crypto";
import type { Random } from "#lib/runtime/random.ts";

// The text of a key, as people and programs carry it:
//
//   mr_ | id, 16 random characters of a-z and 2-7 | _ | secret, 43 base64url characters (32 random bytes)
//
// The id is no secret: it stands in listings and log lines. Of the secret the cluster keeps only the SHA-256.

const PREFIX = "mr_";
const ID_LENGTH = 16;
const SECRET_LENGTH = 43;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const TOKEN = new RegExp(`^${PREFIX}([a-z2-7]{${ID_LENGTH}})_([A-Za-z0-9_-]{${SECRET_LENGTH}})$`);

export interface KeyToken {
  readonly keyId: string;
  readonly secret: string;
}

export function newKeyToken(random: Random): KeyToken {
  // 256 is a multiple of 32, so each character is equally likely.
  const keyId = Array.from(random.bytes(ID_LENGTH), (byte) => BASE32.charAt(byte % BASE32.length)).join("");
  return { keyId, secret: Buffer.from(random.bytes(32)).toString("base64url") };
}

export function formatKeyToken({ keyId, secret }: KeyToken): string {
  return `${PREFIX}${keyId}_${secret}`;
}

/** Undefined: no text of a key. */
export function parseKeyToken(text: string): KeyToken | undefined {
  const match = TOKEN.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { keyId: match[1], secret: match[2] };
}

/** SHA-256 over the secret's characters, 32 bytes. */
export function hashSecret(secret: string): Uint8Array {
  return createHash("sha256").update(secret).digest();
}
