import { Agent, type IncomingMessage, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import type { LogError } from "#lib/util/errors.ts";
import { HTTP_ERROR_TEXT_BYTES_MAX, HTTPS_CLIENT_SOCKETS_MAX, REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { ConnectionLostError, HttpRefusedError } from "./errors.ts";
import { keyHeader, refusalText, routeUrl } from "./http-door.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** Where frames go over HTTPS, below the base URL. */
export const FRAME_PATH = "/v1/kafka";
export const FRAME_TYPE = "application/octet-stream";
const SIZE_BYTES = 4;

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
  /** Requests that are not answered. */
  #underWay = 0;
  #waiting: Deferred<void>[] = [];
  #isClosed = false;

  constructor({ url, key }: HttpsEndpoint, listener: TransportListener) {
    this.address = url.origin;
    this.#target = routeUrl(url, FRAME_PATH);
    this.#headers = {
      "content-type": FRAME_TYPE,
      accept: FRAME_TYPE,
      ...keyHeader(key),
    };
    const options = { keepAlive: true, maxSockets: HTTPS_CLIENT_SOCKETS_MAX };
    this.#agent = url.protocol === "https:" ? new SecureAgent(options) : new Agent(options);
    this.#listener = listener;
  }

  write(frame: readonly Uint8Array[]): void {
    const byteLength = frame.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const send = this.#target.protocol === "https:" ? secureRequest : plainRequest;
    this.#underWay += 1;
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

  /** Requests travel on several connections: only their answers say which of them have arrived. */
  async delivered(): Promise<void> {
    if (this.#underWay === 0) return;
    const done = deferred<void>();
    this.#waiting.push(done);
    await done.promise;
  }

  close(): Promise<void> {
    this.#lose(new ConnectionLostError(`${this.address}: connection closed`));
    return Promise.resolve();
  }

  #receive(response: IncomingMessage): void {
    const { statusCode = 0 } = response;
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    const bytesMax = statusCode === 200 ? SIZE_BYTES + REQUEST_BYTES_MAX : HTTP_ERROR_TEXT_BYTES_MAX;
    if (statusCode === 200 && Number(response.headers["content-length"] ?? 0) > bytesMax) this.#lose(this.#noFrame());
    response.on("error", (error) => this.#lose(this.#lostBy(error)));
    response.on("data", (chunk: Uint8Array) => {
      byteLength += chunk.byteLength;
      if (byteLength <= bytesMax) chunks.push(chunk);
      else if (statusCode === 200) this.#lose(this.#noFrame());
    });
    response.on("end", () => {
      if (this.#isClosed) return;
      // 204: a request that has no answer.
      if (statusCode !== 200 && statusCode !== 204) this.#lose(this.#refusedBy(response, chunks));
      else if (statusCode === 200 && !isFrame(chunks, byteLength)) this.#lose(this.#noFrame());
      else this.#answered(statusCode === 200 ? chunks : []);
    });
  }

  #answered(chunks: readonly Uint8Array[]): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) for (const done of this.#waiting.splice(0)) done.resolve();
    for (const chunk of chunks) this.#listener.onBytes(chunk);
  }

  /** A proxy's page, an answer that was cut: nobody knows whether the request was carried out. */
  #noFrame(): LogError {
    return new ConnectionLostError(
      `${this.address} answers 200 with something else than a response of Kafka's protocol`,
    );
  }

  #refusedBy({ statusCode: status = 0, headers }: IncomingMessage, chunks: readonly Uint8Array[]): LogError {
    // A produce that followed a redirect to whoever it names would be sent there with the key.
    const place =
      status >= 300 && status < 400 && headers.location !== undefined ? ` (moved to ${headers.location})` : "";
    const text = `${this.address} answers ${status}${place}: ${refusalText(Buffer.concat(chunks).toString("utf8"))}`;
    const isPassing = status === 429 || status >= 500;
    return isPassing ? new ConnectionLostError(text) : new HttpRefusedError(text, status);
  }

  #lostBy(error: Error): LogError {
    return new ConnectionLostError(`${this.address}: ${error.message}`, { cause: error });
  }

  #lose(error: LogError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Nobody waits for the others any more.
    this.#agent.destroy();
    for (const done of this.#waiting.splice(0)) done.reject(error);
    this.#listener.onLost(error);
  }
}

/** Whether the bytes are one frame, its size in front. */
function isFrame(chunks: readonly Uint8Array[], byteLength: number): boolean {
  if (byteLength < SIZE_BYTES) return false;
  const [head = new Uint8Array()] = chunks;
  const start = head.byteLength < SIZE_BYTES ? Buffer.concat(chunks, SIZE_BYTES) : head;
  return new DataView(start.buffer, start.byteOffset).getInt32(0) === byteLength - SIZE_BYTES;
}
