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
  readonly api: Api;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** False only for ApiVersions, which is answered with version 0 and UNSUPPORTED_VERSION then (KIP-511). */
  readonly isVersionSupported: boolean;
  /** The request behind the header: a view of the frame. Not to be decoded if the version is not supported. */
  readonly body: Uint8Array;
}

/**
 * Reads the header from a frame. Fails with `ProtocolError` on an API that is not in `apis.ts` or a version that it does
 * not have; Kafka closes the connection in both cases.
 */
export function parseRequestHeader(frame: Uint8Array): RequestHeader {
  const reader = new ProtocolReader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = findApi(apiKey);
  if (api === undefined) throw new ProtocolError(`${apiName(apiKey)} is not supported`);
  const isVersionSupported = includesVersion(api.versions, apiVersion);
  if (!isVersionSupported) {
    if (apiKey !== ApiKey.API_VERSIONS) throw new ProtocolError(`${api.name} has no version ${apiVersion}`);
    // Nobody knows what a future version of the header looks like, and the answer needs no more than this.
    return {
      api,
      apiVersion,
      correlationId,
      clientId: null,
      isVersionSupported,
      body: frame.subarray(frame.byteLength),
    };
  }
  const length = reader.stringLength(false);
  const clientId = length === -1 ? null : reader.text(length);
  if (includesVersion(api.request.flexibleVersions, apiVersion)) skipTaggedFields(reader);
  const body = frame.subarray(reader.position);
  return { api, apiVersion, correlationId, clientId, isVersionSupported, body };
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
