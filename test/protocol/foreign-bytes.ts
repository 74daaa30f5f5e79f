import { createRequire } from "node:module";
import { expect } from "vitest";
import { decodeFrom } from "#lib/protocol/codec.ts";
import { ProtocolReader } from "#lib/protocol/protocol-reader.ts";
import type { Fields, Infer, Message } from "#lib/protocol/schema.ts";

const require = createRequire(import.meta.url);

/** A codec of kafkajs: "fetch/v4/request". */
export const kafkajs = (path: string) => require(`kafkajs/src/protocol/requests/${path}`);

/** Decodes and proves that not a byte was left. */
export function decodeAll<F extends Fields>(message: Message<F>, version: number, bytes: Uint8Array): Infer<F> {
  const reader = new ProtocolReader(bytes);
  const decoded = decodeFrom(message, version, reader);
  expect(reader.remaining).toBe(0);
  return decoded;
}

/** The bytes of a request of kafkajs. */
export async function written(request: { encode(): Promise<{ buffer: Buffer }> }): Promise<Uint8Array> {
  return (await request.encode()).buffer;
}
