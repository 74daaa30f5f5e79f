import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ALL_APIS, type Api } from "#lib/protocol/apis.ts";
import { decode, encode } from "#lib/protocol/codec.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { encodeRequestFrame, parseRequestHeader, type RequestHeaderInput } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, encodeResponseFrame, responseCorrelationId } from "#lib/protocol/response-frame.ts";
import type { FrameKind, KafkaClasses } from "./kafka-classes.ts";
import { oracleInput } from "./values.ts";

// The two ways of one case. Both compare whole frames, so that headers are held against Kafka's too. Written bytes are
// one and the same for one message: tagged fields have an order and their defaults are left out by everybody. Kafka's
// classes keep tagged fields that they do not know and we skip them, hence the plain frame.

/** Everything that it takes to do it again. */
export interface Case extends FrameKind {
  readonly api: Api;
  readonly side: "kafka" | "ours";
  readonly seed: number;
}

export function apiNamed(name: string): Api | undefined {
  return ALL_APIS.find((api) => api.name === name);
}

/** One in eight of the seeds asks Kafka for 64-bit integers beyond 2^53. */
export const isBeyondSafe = (seed: number): boolean => seed % 8 === 7;

/** `skipped`: there were tagged fields to be skipped or integers to be clamped. `refused`: rightly, a `ProtocolError`. */
export type CaseEnd = "same" | "skipped" | "refused";

export function runCase(kafka: KafkaClasses, one: Case): Promise<CaseEnd> {
  return one.side === "kafka" ? fromKafka(kafka, one) : fromOurs(kafka, one);
}

/** Kafka writes a random message; we read it and write the same bytes. */
async function fromKafka(kafka: KafkaClasses, one: Case): Promise<CaseEnd> {
  const beyondSafe = isBeyondSafe(one.seed);
  const { frame, plain } = await kafka.randomFrame(one, one.seed, beyondSafe);
  let rewritten: Uint8Array;
  try {
    rewritten = one.isResponse ? rewrittenResponse(one, frame) : rewrittenRequest(one, frame);
  } catch (error) {
    // Only a value that cannot be a safe integer may be refused, and only where the schema does not clamp it.
    if (beyondSafe && error instanceof ProtocolError && error.message.includes("exceeds 2^53")) return "refused";
    throw error;
  }
  equalBytes(rewritten, plain, "what we write differs from what Kafka wrote");
  return Buffer.compare(frame, plain) === 0 ? "same" : "skipped";
}

function rewrittenRequest({ api, apiKey, version }: Case, frame: Uint8Array): Uint8Array {
  const { header, body } = parseRequestHeader(frame);
  equal(header.apiKey, apiKey);
  equal(header.apiVersion, version);
  return withoutSize(encodeRequestFrame(api, header, decode(api.request, version, body)));
}

function rewrittenResponse({ api, version }: Case, frame: Uint8Array): Uint8Array {
  const header = { apiVersion: version, correlationId: responseCorrelationId(frame) };
  return withoutSize(encodeResponseFrame(api, header, decodeResponseFrame(api, version, frame)));
}

const requestHeader = fc.record({
  correlationId: fc.integer(),
  clientId: fc.option(fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constant("x".repeat(32_767)))),
});

/** We write a random message; Kafka reads it and writes the same bytes, and so do we after reading it. */
async function fromOurs(kafka: KafkaClasses, one: Case): Promise<CaseEnd> {
  const frame = ourFrame(one);
  equalBytes(await kafka.rewritten(one, frame), frame, "what Kafka writes differs from what we wrote");
  const again = one.isResponse ? rewrittenResponse(one, frame) : rewrittenRequest(one, frame);
  equalBytes(again, frame, "what we write after reading differs from what we wrote");
  return "same";
}

function ourFrame({ api, isResponse, version, seed }: Case): Uint8Array {
  const message = isResponse ? api.response : api.request;
  const arbitrary = fc.tuple(requestHeader, oracleInput(message, version));
  const [sample] = fc.sample(arbitrary, { seed, numRuns: 1 });
  ok(sample !== undefined);
  const header: RequestHeaderInput = { apiVersion: version, ...sample[0] };
  const chunks = isResponse ? encodeResponseFrame(api, header, sample[1]) : encodeRequestFrame(api, header, sample[1]);
  const body = Buffer.concat(encode(message, version, sample[1]));
  const frame = withoutSize(chunks);
  equalBytes(frame.subarray(frame.byteLength - body.byteLength), body, "a frame does not end with its message");
  return frame;
}

function withoutSize(chunks: readonly Uint8Array[]): Uint8Array {
  const frame = Buffer.concat(chunks);
  equal(frame.readInt32BE(), frame.byteLength - 4, "the size in front of the frame");
  return frame.subarray(4);
}

function equalBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  let at = 0;
  while (at < actual.byteLength && actual[at] === expected[at]) at++;
  const near = (bytes: Uint8Array) => Buffer.from(bytes.subarray(Math.max(0, at - 12), at + 12)).toString("hex");
  const sizes = `${actual.byteLength} and ${expected.byteLength} bytes, first at ${at}`;
  deepEqual(near(actual), near(expected), `${what} (${sizes}: ${near(actual)} for ${near(expected)})`);
}
