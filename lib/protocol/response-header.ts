import { ApiKey } from "./api-key.ts";
import type { Api } from "./apis.ts";
import { decodeFrom, encodeTo } from "./codec.ts";
import { ProtocolReader } from "./protocol-reader.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import { skipTaggedFields } from "./request-header.ts";
import type { Fields, Infer, InferInput } from "./schema.ts";
import { includesVersion } from "./versions.ts";

// The header of a response:
//
//     v0  | correlation id int32 |
//     v1  | correlation id int32 | tagged fields |
//
// Version 1 goes with flexible versions, but ApiVersions always answers with version 0: a client that does not know yet
// what the broker speaks must be able to read the answer (KIP-511).

function hasTaggedFields(api: Api, apiVersion: number): boolean {
  return api.apiKey !== ApiKey.API_VERSIONS && includesVersion(api.response.flexibleVersions, apiVersion);
}

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
  if (hasTaggedFields(api, header.apiVersion)) writer.uvarint(0);
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
  if (hasTaggedFields(api, apiVersion)) skipTaggedFields(reader);
  return decodeFrom(api.response, apiVersion, reader);
}
