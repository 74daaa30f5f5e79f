import { Readable } from "node:stream";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { AWS_CONNECT_MS_MAX, S3_READ_SOCKETS_MAX } from "#lib/util/limits.ts";
import type { HttpAnswer } from "./answer-reader.ts";
import { type Origin, ReadConnection, UnansweredError } from "./read-connection.ts";

type HandlerRequest = Parameters<NodeHttpHandler["handle"]>[0];
type HandlerAnswer = Awaited<ReturnType<NodeHttpHandler["handle"]>>;
type HandlerOptions = NonNullable<Parameters<NodeHttpHandler["handle"]>[1]>;

/** To be given to `client.send` beside the command. */
export interface RangeOptions extends HandlerOptions {
  readonly abortSignal: AbortSignal;
  /** As long as the answer's body must be. Handlers that do not know it leave it alone. */
  readonly target?: Uint8Array | undefined;
}

export interface RangeHandlerOptions {
  readonly connectMsMax?: number | undefined;
  /** Of our own; reads beyond it go by the SDK's. Default: `S3_READ_SOCKETS_MAX`. */
  readonly socketsMax?: number | undefined;
}

/** A body that is there already: all of the target of `RangeOptions`. Read as a stream it is empty. */
export class FilledBody extends Readable {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
    this.push(null);
  }
}

/** The SDK's connections, and those of our own for requests that say where their answer's body goes. */
export class RangeHandler extends NodeHttpHandler {
  readonly #connectMsMax: number;
  readonly #socketsMax: number;
  readonly #open = new Set<ReadConnection>();
  readonly #idle = new Map<string, ReadConnection[]>();

  constructor(
    options: ConstructorParameters<typeof NodeHttpHandler>[0] & object,
    { connectMsMax = AWS_CONNECT_MS_MAX, socketsMax = S3_READ_SOCKETS_MAX }: RangeHandlerOptions = {},
  ) {
    super(options);
    this.#connectMsMax = connectMsMax;
    this.#socketsMax = socketsMax;
  }

  override async handle(request: HandlerRequest, options: HandlerOptions = {}): Promise<HandlerAnswer> {
    const wanted = wantedOf(options);
    const text = wanted === undefined ? undefined : requestText(request);
    if (wanted === undefined || text === undefined) return super.handle(request, options);
    const { hostname, port, protocol } = request;
    const isSecure = protocol === "https:";
    const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
    const origin = { isSecure, host, port: port ?? (isSecure ? 443 : 80) };
    const answer = await this.#get(origin, text, wanted);
    return answer === undefined ? super.handle(request, options) : { response: toResponse(answer, wanted.target) };
  }

  override destroy(): void {
    for (const connection of this.#open) connection.destroy();
    super.destroy();
  }

  /** Undefined if there are too many connections already. */
  async #get(
    origin: Origin,
    text: string,
    { target, signal }: { readonly target: Uint8Array; readonly signal: AbortSignal },
  ): Promise<HttpAnswer | undefined> {
    const name = JSON.stringify(origin);
    const used = this.#takeIdle(name);
    if (used !== undefined) {
      try {
        return await this.#getBy(used, name, () => used.get(text, target, signal));
      } catch (error) {
        // Services end connections that were not used for a while, perhaps in the moment of this request.
        if (signal.aborted || !(error instanceof UnansweredError)) throw error;
      }
    }
    if (this.#open.size >= this.#socketsMax) return undefined;
    const fresh = new ReadConnection(origin, {
      connectMsMax: this.#connectMsMax,
      onClose: () => this.#forget(fresh, name),
    });
    this.#open.add(fresh);
    return this.#getBy(fresh, name, () => fresh.get(text, target, signal));
  }

  async #getBy(connection: ReadConnection, name: string, get: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    const answer = await get();
    if (!connection.isOpen) return answer;
    const idle = this.#idle.get(name);
    if (idle === undefined) this.#idle.set(name, [connection]);
    else idle.push(connection);
    return answer;
  }

  /** The one that was used last, for it is the least likely to be ended by the service. */
  #takeIdle(name: string): ReadConnection | undefined {
    const idle = this.#idle.get(name);
    for (;;) {
      const connection = idle?.pop();
      if (connection === undefined || connection.isOpen) return connection;
    }
  }

  #forget(connection: ReadConnection, name: string): void {
    this.#open.delete(connection);
    const left = this.#idle.get(name)?.filter((other) => other !== connection) ?? [];
    if (left.length > 0) this.#idle.set(name, left);
    else this.#idle.delete(name);
  }
}

function wantedOf(options: HandlerOptions): { readonly target: Uint8Array; readonly signal: AbortSignal } | undefined {
  const { abortSignal } = options;
  const target = "target" in options ? options.target : undefined;
  if (!(target instanceof Uint8Array) || target.byteLength === 0 || !(abortSignal instanceof AbortSignal))
    return undefined;
  return { target, signal: abortSignal };
}

/** Undefined for a request that is not as simple as a GET of an object. */
function requestText({ method, path, query, headers, body, username, fragment }: HandlerRequest): string | undefined {
  if (method !== "GET" || body !== undefined || username !== undefined || fragment !== undefined) return undefined;
  const parameters: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    if (typeof value !== "string") return undefined;
    parameters.push(`${percentEncoded(name)}=${percentEncoded(value)}`);
  }
  const url = parameters.length === 0 ? path : `${path}?${parameters.join("&")}`;
  const lines = [`GET ${url} HTTP/1.1`];
  let hasHost = false;
  for (const [name, value] of Object.entries(headers)) {
    lines.push(`${name}: ${value}`);
    hasHost ||= name.toLowerCase() === "host";
  }
  // A line's end within a line would begin another field, or another request. Node's client says so by an error.
  const isClean = hasHost && lines.every((line) => /^[\x20-\x7e\x80-\xff]+$/.test(line)) && !url.includes(" ");
  return isClean ? `${lines.join("\r\n")}\r\n\r\n` : undefined;
}

/** As the SDK escapes what it signs (RFC 3986). */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

function toResponse({ status, reason, headers, body }: HttpAnswer, target: Uint8Array): HandlerAnswer["response"] {
  const stream = body === target ? new FilledBody(target) : Readable.from(body.byteLength === 0 ? [] : [body]);
  return { statusCode: status, reason, headers: { ...headers }, body: stream };
}
