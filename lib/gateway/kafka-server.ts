import { createServer, type Server, type Socket } from "node:net";
import type { ApiRouter } from "#lib/broker/api-router.ts";
import type { ListenerInfo } from "#lib/broker/request-context.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { RECEIVED_BYTES_MAX, SOCKET_READ_BYTES_MAX, TIMER_MS_MAX } from "#lib/util/limits.ts";
import { adoptSocket } from "./adopted-socket.ts";
import { Connection } from "./connection.ts";
import { FrameMemory } from "./frame-memory.ts";
import { ListenError } from "./listen-error.ts";
import { ReceivedBytes } from "./received-bytes.ts";

/** One door for Kafka clients. */
export interface ListenerSettings {
  readonly name: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What clients are told to connect to; the bound address where left out. */
  readonly advertisedHost?: string | undefined;
  readonly advertisedPort?: number | undefined;
}

export interface KafkaServerSettings {
  readonly listeners: readonly ListenerSettings[];
  /** Kafka's `socket.request.max.bytes`. */
  readonly requestBytesMax: number;
  /** Kafka's `max.connections`, over all listeners. */
  readonly connectionsMax: number;
  /** Kafka's `connections.max.idle.ms`; below 1 nothing is idle for too long. */
  readonly connectionIdleMsMax: number;
}

/** A listener that is open. */
export interface BoundListener {
  readonly info: ListenerInfo;
  readonly host: string;
  readonly port: number;
}

/** Accepts Kafka clients on every listener and serves them until it is stopped. */
export class KafkaServer {
  readonly #settings: KafkaServerSettings;
  readonly #router: ApiRouter;
  readonly #logger: Logger;
  readonly #received = new ReceivedBytes(RECEIVED_BYTES_MAX);
  readonly #memory = new FrameMemory();
  /** All connections are read into it, one after another. */
  readonly #readBuffer = new Uint8Array(SOCKET_READ_BYTES_MAX);
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();

  constructor(settings: KafkaServerSettings, dependencies: { readonly router: ApiRouter; readonly logger: Logger }) {
    this.#settings = settings;
    this.#router = dependencies.router;
    this.#logger = dependencies.logger;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Bytes of requests received and not yet answered. */
  get receivedBytes(): number {
    return this.#received.bytes;
  }

  /** Opens every listener, or none: fails with `ListenError`. In the settings' order. */
  async start(): Promise<readonly BoundListener[]> {
    const opened = await Promise.allSettled(this.#settings.listeners.map((listener) => this.#listen(listener)));
    const failed = opened.find((each) => each.status === "rejected");
    if (failed === undefined) return opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.destroy();
    throw failed.reason;
  }

  /**
   * Takes no new connection, answers what is under way, closes. What is not answered when `signal` aborts is cut off.
   */
  async stop(signal: AbortSignal): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.drain();
    const finished = Promise.all([...this.#connections].map((connection) => connection.done));
    const cutOff = deferred<void>();
    const onAbort = (): void => {
      for (const connection of this.#connections) connection.destroy();
      // Records sent with acks=0 outlive their connection; the log is drained after its doors.
      cutOff.resolve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    await Promise.race([finished, cutOff.promise]);
    signal.removeEventListener("abort", onAbort);
  }

  async #listen(settings: ListenerSettings): Promise<BoundListener> {
    // The answer to the port is known only after listening, and no client is accepted before that.
    let info: ListenerInfo | undefined;
    const server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) => {
      if (info === undefined) socket.destroy();
      else this.#accept(socket, info);
    });
    this.#servers.push(server);
    const port = await listening(server, settings);
    // Accepting fails while the process has too many open files; without a listener that would end the process.
    server.on("error", (error) => {
      this.#logger.error("cannot accept connections", { listener: settings.name, error: describeError(error) });
    });
    info = {
      name: settings.name,
      advertisedHost: settings.advertisedHost ?? settings.host,
      advertisedPort: settings.advertisedPort ?? port,
    };
    return { info, host: settings.host, port };
  }

  #accept(accepted: Socket, listener: ListenerInfo): void {
    const clientAddress = `${accepted.remoteAddress ?? "unknown"}:${accepted.remotePort ?? 0}`;
    if (this.#connections.size >= this.#settings.connectionsMax) {
      this.#logger.warn("refusing connection: max.connections is reached", { client: clientAddress });
      accepted.destroy();
      return;
    }
    const adopted = adoptSocket(accepted, this.#readBuffer);
    const { socket } = adopted;
    socket.on("timeout", () => socket.destroy());
    socket.setTimeout(Math.min(Math.max(this.#settings.connectionIdleMsMax, 0), TIMER_MS_MAX));
    const connection = new Connection(
      adopted,
      { router: this.#router, received: this.#received, memory: this.#memory, logger: this.#logger },
      { info: { listener, clientAddress }, requestBytesMax: this.#settings.requestBytesMax },
    );
    this.#connections.add(connection);
    // The connection itself never rejects.
    void connection.done.then(() => this.#connections.delete(connection));
  }
}

function listening(server: Server, settings: ListenerSettings): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new ListenError("kafka", settings, error)));
    server.listen({ host: settings.host, port: settings.port, backlog: 1024 }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : settings.port);
    });
  });
}
