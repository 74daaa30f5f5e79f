import { ApiKey } from "#lib/protocol/api-key.ts";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import type { ApiHandler } from "../handler.ts";

// ApiVersions v0-4.
// - A version we do not know is answered in the form of version 0 with UNSUPPORTED_VERSION and the list, so that the
//   client can try again (KIP-511).
// - Produce is listed from version 0, though it is served from 3: librdkafka takes its absence for an old broker without
//   compression (KAFKA-18659).
// v3 checks the client's name and version (KIP-511).

const CLIENT_SOFTWARE_PATTERN = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;

/** Lists `apis`: those that the router serves, and ApiVersions itself. */
export function apiVersionsHandler(apis: readonly Api[]): ApiHandler {
  const apiKeys = [...apis, Apis.API_VERSIONS]
    .map((api) => ({
      apiKey: api.apiKey,
      minVersion: api.apiKey === ApiKey.PRODUCE ? 0 : api.stableVersions.min,
      maxVersion: api.stableVersions.max,
    }))
    .sort((a, b) => a.apiKey - b.apiKey);
  const answer = (errorCode: ErrorCode, apiVersion: number, correlationId: number) => ({
    response: Promise.resolve(
      encodeResponseFrame(Apis.API_VERSIONS, { apiVersion, correlationId }, { errorCode, apiKeys, throttleTimeMs: 0 }),
    ),
  });
  return {
    api: Apis.API_VERSIONS,
    overlaps: false,
    async admit(body, { apiVersion, correlationId, isVersionSupported }) {
      if (!isVersionSupported) return answer(ErrorCode.UNSUPPORTED_VERSION, 0, correlationId);
      const request = decode(Apis.API_VERSIONS.request, apiVersion, body);
      const named = [request.clientSoftwareName, request.clientSoftwareVersion];
      const isNamed = apiVersion < 3 || named.every((text) => CLIENT_SOFTWARE_PATTERN.test(text));
      return answer(isNamed ? ErrorCode.NONE : ErrorCode.INVALID_REQUEST, apiVersion, correlationId);
    },
  };
}
