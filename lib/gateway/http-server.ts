import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import type { HttpServices } from "#lib/http/http-services.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { HTTP_CONNECTIONS } from "#lib/runtime/metrics.ts";
import { HTTP_HEADERS_MS_MAX, HTTP_IDLE_MS_MAX, HTTP_KEEP_ALIVE_MS } from "#lib/util/limits.ts";
import { ListenError } from "./listen-error.ts";

/** The HTTP door of a gateway. */
export interface HttpListenerSettings {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Origins that browsers may call from. */
  readonly corsOrigins?: readonly string[];
  /** Left out: whoever reaches the listener may do everything. */
  readonly access?: {
    readonly auth: "keys" | "none";
    /** Addresses and ranges that may call, all where there are none, and those that may not in any case. */
    readonly allow: readonly string[];
    readonly deny: readonly string[];
  };
}

export interface HttpServerSettings {
  readonly listener: HttpListenerSettings;
  /** Kafka's `max.connections`. */
  readonly connectionsMax: number;
  /** Default `HTTP_HEADERS_MS_MAX` and `HTTP_IDLE_MS_MAX`. */
  readonly headersMsMax?: number;
  readonly idleMsMax?: number;
}

export type HttpServerServices = Omit<HttpServices, "settings" | "stopping" | "clientAddress">;

/** How often a server that stops looks for connections that have become idle. */
const STOP_LOOK_MS = 10;

/** How often Node looks for headers that take too long. */
const HEADERS_LOOK_MS_MAX = 5_000;

/** By then whoever waits for a start has what it waits for. */
const LOAD_AFTER_MS = 1_000;

/**
 * Serves the HTTP app on one listener until it is stopped. The app takes longer to load than the Kafka door: it is loaded
 * with the first request, or a little after the start.
 */
export class HttpServer {
  readonly #settings: HttpServerSettings;
  readonly #services: HttpServerServices;
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  /** The last answer of each connection. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  #listener: RequestListener | undefined;

  constructor(settings: HttpServerSettings, services: HttpServerServices) {
    this.#settings = settings;
    this.#services = services;
    this.#logger = services.broker.logger;
    this.#clock = services.broker.clock;
    // A request without a host is refused by the app's bridge, with a body.
    // Node would cut off every request that takes five minutes to be sent; streams of records take as long as they like,
    // and the app gives up on other bodies itself.
    // That switches off its limit for headers too, unless it is named.
    const { headersMsMax = HTTP_HEADERS_MS_MAX, idleMsMax = HTTP_IDLE_MS_MAX } = settings;
    const connectionsCheckingInterval = Math.min(headersMsMax, HEADERS_LOOK_MS_MAX);
    const limits = { keepAliveTimeout: HTTP_KEEP_ALIVE_MS, requestTimeout: 0, headersTimeout: headersMsMax };
    const options = { ...limits, connectionsCheckingInterval, noDelay: true, requireHostHeader: false };
    this.#server = createServer(options, (request, response) => this.#serve(request, response));
    this.#server.timeout = idleMsMax;
    this.#server.maxConnections = Math.min(settings.connectionsMax, Number.MAX_SAFE_INTEGER);
    this.#server.on("clientError", (error, socket) => refuseConnection(error, socket, this.#answers.get(socket)));
    let connections = 0;
    this.#server.on("connection", (socket) => {
      connections += 1;
      socket.once("close", () => {
        connections -= 1;
      });
    });
    services.telemetry.gauge(HTTP_CONNECTIONS, () => connections);
  }

  /** Opens the listener; its port. Fails with `ListenError`. */
  start(): Promise<number> {
    const { host, port } = this.#settings.listener;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(new ListenError("http", { host, port }, error)));
      server.listen({ host, port, backlog: 1024 }, () => {
        // Accepting fails while the process has too many open files; without a listener that would end the process.
        server.on("error", (error) => {
          this.#logger.error("cannot accept connections", { listener: "http", error: describeError(error) });
        });
        this.#clock.schedule(LOAD_AFTER_MS, () => void this.#load().catch(() => {}));
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Takes no new connection, ends waits and streams, answers what is under way. What is left at `signal` is cut off. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping.abort(new Error("the broker stops"));
    const closed = deferred<void>();
    let isClosed = false;
    this.#server.close(() => {
      isClosed = true;
      closed.resolve();
    });
    const cutOff = (): void => this.#server.closeAllConnections();
    if (signal.aborted) cutOff();
    else signal.addEventListener("abort", cutOff, { once: true });
    while (!isClosed) {
      // Connections that clients would keep are idle once their last answer is out.
      this.#server.closeIdleConnections();
      await Promise.race([closed.promise, this.#clock.sleep(STOP_LOOK_MS)]);
    }
    signal.removeEventListener("abort", cutOff);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#answers.set(request.socket, response);
    if (this.#listener !== undefined) {
      this.#listener(request, response);
      return;
    }
    this.#load().then(
      (listener) => listener(request, response),
      (error: unknown) => {
        this.#logger.error("the HTTP door cannot be loaded", { error: describeError(error) });
        const body = JSON.stringify({
          error_code: 50002,
          message: "Unexpected error on the server; its log says more.",
        });
        response.writeHead(500, { "content-type": "application/json" }).end(body);
      },
    );
  }

  async #load(): Promise<RequestListener> {
    const { newHttpListener } = await import("./http-listener.ts");
    const { corsOrigins = [] } = this.#settings.listener;
    this.#listener ??= newHttpListener({ ...this.#services, corsOrigins, stopping: this.#stopping.signal });
    return this.#listener;
  }
}

/**
 * Answers bytes that are no HTTP, or headers that are too long or too slow, and ends the connection. Where another answer
 * has begun and is not out, it ends without: its reader would take the refusal for a part of it.
 */
function refuseConnection(
  error: Error & { readonly code?: string },
  socket: Duplex,
  answer: ServerResponse | undefined,
): void {
  const isAnswering = answer?.headersSent === true && !answer.writableFinished;
  if (error.code === "ECONNRESET" || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  const status = REFUSALS.get(error.code) ?? 400;
  const body = JSON.stringify({ error_code: status, message: `The request cannot be read: ${error.message}` });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\nContent-Type: application/json\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

const REFUSALS: ReadonlyMap<string | undefined, number> = new Map([
  ["HPE_HEADER_OVERFLOW", 431],
  ["ERR_HTTP_REQUEST_TIMEOUT", 408],
]);
