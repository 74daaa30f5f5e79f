import { Agent, type IncomingMessage, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { LogError } from "#lib/util/errors.ts";
import { HTTP_ERROR_TEXT_BYTES_MAX, HTTPS_CLIENT_SOCKETS_MAX } from "#lib/util/limits.ts";
import { ConnectionLostError, HttpRefusedError } from "./errors.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** Where frames go over HTTPS, below the base URL. */
export const FRAME_PATH = "/v1/kafka";
export const FRAME_TYPE = "application/octet-stream";

export interface HttpsEndpoint {
  /** `https://…` (or `http://…`) without a path, or with one that all of the API's paths follow. */
  readonly url: URL;
  /** An API key; left out where the server asks for none. */
  readonly key?: string | undefined;
}

/** Frames over HTTPS: a POST carries one request, and its answer the response, both as they are on TCP. */
export class HttpsTransport implements Transport {
  readonly address: string;
  readonly #target: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;
  readonly #listener: TransportListener;
  #isClosed = false;

  constructor({ url, key }: HttpsEndpoint, listener: TransportListener) {
    this.address = url.origin;
    this.#target = new URL(`${url.pathname.replace(/\/+$/, "")}${FRAME_PATH}`, url);
    this.#headers = {
      "content-type": FRAME_TYPE,
      accept: FRAME_TYPE,
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const options = { keepAlive: true, maxSockets: HTTPS_CLIENT_SOCKETS_MAX };
    this.#agent = url.protocol === "https:" ? new SecureAgent(options) : new Agent(options);
    this.#listener = listener;
  }

  write(frame: readonly Uint8Array[]): void {
    const byteLength = frame.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const send = this.#target.protocol === "https:" ? secureRequest : plainRequest;
    const request = send(this.#target, {
      method: "POST",
      agent: this.#agent,
      headers: { ...this.#headers, "content-length": byteLength },
    });
    request.on("error", (error) => this.#lose(this.#lostBy(error)));
    request.on("response", (response) => this.#receive(response));
    for (const chunk of frame) request.write(chunk);
    request.end();
  }

  close(): Promise<void> {
    this.#agent.destroy();
    this.#lose(new ConnectionLostError(`${this.address}: connection closed`));
    return Promise.resolve();
  }

  #receive(response: IncomingMessage): void {
    const { statusCode = 0 } = response;
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    response.on("error", (error) => this.#lose(this.#lostBy(error)));
    response.on("data", (chunk: Uint8Array) => {
      byteLength += chunk.byteLength;
      if (statusCode === 200 || byteLength <= HTTP_ERROR_TEXT_BYTES_MAX) chunks.push(chunk);
    });
    response.on("end", () => {
      if (this.#isClosed) return;
      if (statusCode === 200) for (const chunk of chunks) this.#listener.onBytes(chunk);
      // 204: a request that has no answer.
      else if (statusCode !== 204) this.#lose(this.#refusedBy(statusCode, Buffer.concat(chunks).toString("utf8")));
    });
  }

  #refusedBy(status: number, body: string): LogError {
    const text = `${this.address} answers ${status}: ${messageOf(body)}`;
    const isPassing = status === 429 || status >= 500;
    return isPassing ? new ConnectionLostError(text) : new HttpRefusedError(text, status);
  }

  #lostBy(error: Error): LogError {
    return new ConnectionLostError(`${this.address}: ${error.message}`, { cause: error });
  }

  #lose(error: LogError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.onLost(error);
  }
}

/** Errors are JSON with a message; whatever else answers (a proxy, a page) is quoted shortly. */
function messageOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed) return String(parsed.message);
  } catch {
    // Not JSON.
  }
  return body.slice(0, 200).replaceAll(/\s+/g, " ") || "no text";
}
