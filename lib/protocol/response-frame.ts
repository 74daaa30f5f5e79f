import type { Api } from "./apis.ts";
import { decodeFrom, encodeTo } from "./codec.ts";
import { ProtocolReader } from "./protocol-reader.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import { responseHeaderVersionOf, skipTaggedFields } from "./request-header.ts";
import type { Fields, Infer, InferInput } from "./schema.ts";

export interface ResponseHeaderInput {
  readonly apiVersion: number;
  readonly correlationId: number;
}

/** A whole response with its size in front, as chunks; see `encode` for what they share with `response`. */
export function encodeResponseFrame<Req extends Fields, Res extends Fields>(
  api: Api<Req, Res>,
  header: ResponseHeaderInput,
  response: InferInput<Res>,
): readonly Uint8Array[] {
  const writer = new ProtocolWriter();
  const setSize = writer.reserveInt32();
  writer.int32(header.correlationId);
  if (responseHeaderVersionOf(api, header.apiVersion) === 1) writer.uvarint(0);
  encodeTo(api.response, header.apiVersion, response, writer);
  setSize(writer.length - 4);
  return writer.finish();
}

/** The correlation id of a response frame, which tells the request and thereby how to read the rest. */
export function responseCorrelationId(frame: Uint8Array): number {
  return new ProtocolReader(frame).int32();
}

/** Reads a response frame, header included. Fails with `ProtocolError`. */
export function decodeResponseFrame<Req extends Fields, Res extends Fields>(
  api: Api<Req, Res>,
  apiVersion: number,
  frame: Uint8Array,
): Infer<Res> {
  const reader = new ProtocolReader(frame);
  reader.int32();
  if (responseHeaderVersionOf(api, apiVersion) === 1) skipTaggedFields(reader);
  return decodeFrom(api.response, apiVersion, reader);
}
