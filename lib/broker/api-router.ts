import { ApiKey } from "#lib/protocol/api-key.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { parseRequestHeader, type RequestHeader } from "#lib/protocol/request-header.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { AdmittedRequest, ApiHandler, ResponseBody } from "./handler.ts";
import type { ListenerInfo, RequestContext } from "./request-context.ts";

/** What all requests of one connection share. */
export interface ConnectionInfo {
  readonly listener: ListenerInfo;
  readonly clientAddress: string;
  readonly signal: AbortSignal;
}

export interface RoutedRequest {
  /** For logs: `Fetch v17`. */
  readonly title: string;
  readonly overlaps: boolean;
  /** Resolves when the next request of the connection may be looked at; the answer is a whole frame. */
  admit(): Promise<AdmittedRequest>;
}

/** Finds the handler of a frame and puts the header before its answer. */
export class ApiRouter {
  readonly #handlers: ReadonlyMap<number, ApiHandler>;
  readonly #services: BrokerServices;

  constructor(handlers: readonly ApiHandler[], services: BrokerServices) {
    this.#handlers = new Map(handlers.map((handler) => [handler.apiKey, handler]));
    this.#services = services;
  }

  /**
   * Reads the header of `frame` (without its size). Throws `ProtocolError` if no answer is possible: like Kafka, we then
   * close the connection, for the client speaks an API or a version that ApiVersions did not offer.
   */
  route(frame: Uint8Array, connection: ConnectionInfo): RoutedRequest {
    const { header, body } = parseRequestHeader(frame);
    const handler = this.#handlers.get(header.apiKey);
    if (handler === undefined) throw new ProtocolError(`API key ${header.apiKey} is not supported`);
    const { min, max } = handler.versions;
    const supported = header.apiVersion >= min && header.apiVersion <= max;
    // Only ApiVersions has an answer for versions it does not know: its handler gives it in the form of version 0.
    if (!supported && header.apiKey !== ApiKey.API_VERSIONS) {
      throw new ProtocolError(`${handler.name} v${header.apiVersion} is not supported, only v${min} to v${max}`);
    }
    const context: RequestContext = {
      apiVersion: header.apiVersion,
      clientId: header.clientId,
      clientAddress: connection.clientAddress,
      listener: connection.listener,
      receivedAtMs: this.#services.clock.nowMs(),
      signal: connection.signal,
    };
    return {
      title: `${handler.name} v${header.apiVersion}`,
      overlaps: handler.overlaps,
      admit: async () => {
        const { response } = await handler.admit(body, context, this.#services);
        return { response: response.then((chunks) => framed(header, chunks)) };
      },
    };
  }
}

// size int32 | correlation id int32 | tagged fields (one zero byte; only response header v1) | body
function framed(header: RequestHeader, body: ResponseBody): ResponseBody {
  if (body === "none" || body === "close") return body;
  let byteLength = 4 + (header.responseHeaderVersion >= 1 ? 1 : 0);
  for (const chunk of body) byteLength += chunk.byteLength;
  const head = new ByteWriter(16).int32(byteLength).int32(header.correlationId);
  if (header.responseHeaderVersion >= 1) head.uvarint(0);
  return [head.view(), ...body];
}
