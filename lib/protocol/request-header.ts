import { ApiKey, apiName } from "./api-key.ts";
import { type Api, findApi } from "./apis.ts";
import { encodeTo } from "./codec.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ProtocolReader } from "./protocol-reader.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import type { Fields, InferInput } from "./schema.ts";
import { includesVersion } from "./versions.ts";

// The header of a request. The client's id keeps its classic form in version 2, so that a broker can read it before it
// knows the rest:
//
//     v1  | api key int16 | api version int16 | correlation id int32 | client id: length int16 (-1 null), UTF-8 |
//     v2  | as v1                                                                  | tagged fields |
//
// Version 2 goes with flexible versions of the request. Version 0 (no client id) was used by ControlledShutdown v0 only.

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** 1 if the answer's header ends with tagged fields. */
  readonly responseHeaderVersion: 0 | 1;
}

export interface ParsedRequest {
  readonly header: RequestHeader;
  /** What follows the header: a view of the frame. */
  readonly body: Uint8Array;
}

/**
 * Reads the header from a frame (without its size). Fails with `ProtocolError` on an API that is not in `apis.ts` or a
 * version that it does not have: the form of such a header is unknown, and Kafka closes the connection as well. Only
 * ApiVersions passes with any version, without a client id then, for it can be answered in version 0 (KIP-511).
 */
export function parseRequestHeader(frame: Uint8Array): ParsedRequest {
  const reader = new ProtocolReader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = findApi(apiKey);
  if (api === undefined) throw new ProtocolError(`${apiName(apiKey)} is not supported`);
  if (!includesVersion(api.versions, apiVersion)) {
    if (apiKey !== ApiKey.API_VERSIONS) throw new ProtocolError(`${api.name} has no version ${apiVersion}`);
    const header: RequestHeader = { apiKey, apiVersion, correlationId, clientId: null, responseHeaderVersion: 0 };
    return { header, body: frame.subarray(frame.byteLength) };
  }
  const length = reader.stringLength(false);
  const clientId = length === -1 ? null : reader.text(length);
  if (includesVersion(api.request.flexibleVersions, apiVersion)) skipTaggedFields(reader);
  const responseHeaderVersion = responseHeaderVersionOf(api, apiVersion);
  const header: RequestHeader = { apiKey, apiVersion, correlationId, clientId, responseHeaderVersion };
  return { header, body: frame.subarray(reader.position) };
}

/**
 * The header of a response:
 *
 *     v0  | correlation id int32 |
 *     v1  | correlation id int32 | tagged fields |
 *
 * Version 1 goes with flexible versions, but ApiVersions always answers with version 0: a client that does not know yet
 * what the broker speaks must be able to read the answer.
 */
export function responseHeaderVersionOf(api: Api, apiVersion: number): 0 | 1 {
  if (api.apiKey === ApiKey.API_VERSIONS) return 0;
  return includesVersion(api.response.flexibleVersions, apiVersion) ? 1 : 0;
}

export interface RequestHeaderInput {
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** A whole request with its size in front, as chunks; see `encode` for what they share with `request`. */
export function encodeRequestFrame<Req extends Fields>(
  api: Api<Req>,
  header: RequestHeaderInput,
  request: InferInput<Req>,
): readonly Uint8Array[] {
  const writer = new ProtocolWriter();
  const setSize = writer.reserveInt32();
  writer.int16(api.apiKey);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  if (header.clientId === null) writer.int16(-1);
  else writer.string(header.clientId, false);
  if (includesVersion(api.request.flexibleVersions, header.apiVersion)) writer.uvarint(0);
  encodeTo(api.request, header.apiVersion, request, writer);
  setSize(writer.length - 4);
  return writer.finish();
}

export function skipTaggedFields(reader: ProtocolReader): void {
  const count = reader.uvarint();
  for (let i = 0; i < count; i++) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}
