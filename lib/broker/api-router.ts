import { ApiKey, apiName } from "#lib/protocol/api-key.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";
import { includesVersion } from "#lib/protocol/versions.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { AdmittedRequest, ApiHandler } from "./handler.ts";
import type { ListenerInfo, RequestContext } from "./request-context.ts";

/** What all requests of one connection share. */
export interface ConnectionInfo {
  readonly listener: ListenerInfo;
  readonly clientAddress: string;
  readonly signal: AbortSignal;
}

export interface RoutedRequest {
  readonly overlaps: boolean;
  /** To be released when the answer has been sent, or will not be. */
  readonly borrowed: Borrowed;
  /** Resolves when the next request of the connection may be looked at; the answer is a whole frame. */
  admit(): Promise<AdmittedRequest>;
}

/** Finds the handler of a frame. */
export class ApiRouter {
  readonly #handlers: ReadonlyMap<number, ApiHandler>;
  readonly #services: BrokerServices;

  constructor(handlers: readonly ApiHandler[], services: BrokerServices) {
    this.#handlers = new Map(handlers.map((handler) => [handler.api.apiKey, handler]));
    this.#services = services;
  }

  /**
   * Reads the header of `frame` (without its size). Throws `ProtocolError` if no answer is possible: like Kafka, we then
   * close the connection, for the client speaks an API or a version that ApiVersions did not offer.
   */
  route(frame: Uint8Array, connection: ConnectionInfo): RoutedRequest {
    const { header, body } = parseRequestHeader(frame);
    const { apiVersion } = header;
    const handler = this.#handlers.get(header.apiKey);
    if (handler === undefined) throw new ProtocolError(`${apiName(header.apiKey)} is not served`);
    const { api } = handler;
    const isVersionSupported = includesVersion(api.stableVersions, apiVersion);
    // Only ApiVersions has an answer for versions it does not know: its handler gives it in the form of version 0.
    if (!isVersionSupported && header.apiKey !== ApiKey.API_VERSIONS) {
      throw new ProtocolError(`${api.name} v${apiVersion} is not stable yet`);
    }
    const context: RequestContext = {
      apiVersion,
      isVersionSupported,
      correlationId: header.correlationId,
      clientId: header.clientId,
      clientAddress: connection.clientAddress,
      listener: connection.listener,
      receivedAtMs: this.#services.clock.nowMs(),
      signal: connection.signal,
      borrowed: new Borrowed(),
    };
    return {
      overlaps: handler.overlaps,
      borrowed: context.borrowed,
      admit: () => handler.admit(body, context, this.#services),
    };
  }
}
