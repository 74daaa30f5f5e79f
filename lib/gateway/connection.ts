import type { Socket } from "node:net";
import type { ApiRouter, ConnectionInfo } from "#lib/broker/api-router.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { CLOSE_LINGER_MS, OVERLAPPING_REQUESTS_MAX } from "#lib/util/limits.ts";
import type { AdoptedSocket } from "./adopted-socket.ts";
import { AnswerQueue } from "./answer-queue.ts";
import type { FrameMemory } from "./frame-memory.ts";
import { Inbox } from "./inbox.ts";
import type { ReceivedBytes } from "./received-bytes.ts";

export interface ConnectionDependencies {
  readonly router: ApiRouter;
  readonly received: ReceivedBytes;
  readonly memory: FrameMemory;
  readonly logger: Logger;
}

export interface ConnectionOptions {
  readonly info: Omit<ConnectionInfo, "signal">;
  readonly requestBytesMax: number;
}

/**
 * One client's connection: frames in, answers out, in order.
 *
 *   socket -> Inbox -> serve(): route, wait for earlier answers unless overlapping, admit -> AnswerQueue -> socket
 *
 * A frame that cannot be read ends this connection with one log line and touches nothing else.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #router: ApiRouter;
  readonly #logger: Logger;
  readonly #inbox: Inbox;
  readonly #answers: AnswerQueue;
  readonly #closing = sharedAbortController();
  readonly #info: ConnectionInfo;
  readonly #closed: Promise<void>;
  #draining = false;
  /** Resolves when the connection is closed and nothing of it runs any more. */
  readonly done: Promise<void>;

  constructor(adopted: AdoptedSocket, dependencies: ConnectionDependencies, options: ConnectionOptions) {
    const { socket } = adopted;
    const { received, memory } = dependencies;
    this.#socket = socket;
    this.#router = dependencies.router;
    this.#logger = dependencies.logger;
    this.#inbox = new Inbox(adopted, { requestBytesMax: options.requestBytesMax, received, memory });
    this.#answers = new AnswerQueue(socket, OVERLAPPING_REQUESTS_MAX);
    this.#info = { ...options.info, signal: this.#closing.signal };
    socket.on("error", (error) => this.#onSocketError(error));
    this.#closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#closing.abort(new Error("the client's connection is closed"));
        resolve();
      });
    });
    this.done = this.#run();
  }

  /** Takes no further request, lets those under way be answered, then closes. */
  drain(): void {
    this.#draining = true;
    this.#inbox.end();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  async #run(): Promise<void> {
    try {
      await this.#serve();
      await this.#answers.idle();
      await this.#hangUp();
    } catch (error) {
      const fields = { client: this.#info.clientAddress, listener: this.#info.listener.name };
      // Kafka's clients see the same from Kafka: a request that cannot be read closes the connection.
      if (error instanceof ProtocolError)
        this.#logger.warn("closing connection: bad request", { ...fields, error: error.message });
      else if (!this.#closing.signal.aborted) {
        this.#logger.error("closing connection: internal error", { ...fields, error: describeError(error) });
      }
      this.#socket.destroy();
    } finally {
      this.#inbox.dispose();
    }
  }

  async #serve(): Promise<void> {
    while (!this.#draining) {
      const frame = await this.#inbox.next();
      if (frame === undefined) return;
      try {
        await this.#serveFrame(frame);
      } catch (error) {
        this.#inbox.answered(frame);
        throw error;
      }
    }
  }

  async #serveFrame(frame: Uint8Array): Promise<void> {
    const request = this.#router.route(frame, this.#info);
    const { borrowed } = request;
    if (!request.overlaps) await this.#answers.idle();
    await this.#answers.room();
    const { response } = await request.admit();
    this.#answers.push(response, {
      borrowed,
      onWritten: () => {
        borrowed.release();
        this.#inbox.answered(frame);
      },
    });
    if (!request.overlaps) await this.#answers.idle();
  }

  /**
   * Sends what is written and waits for the client to hang up too: a socket that is closed with unread bytes in it resets
   * the connection, and the client may then lose answers that it has not read yet.
   */
  async #hangUp(): Promise<void> {
    this.#inbox.dispose();
    // The server's own listener of the time-out destroys the socket.
    this.#socket.end(() => this.#socket.setTimeout(CLOSE_LINGER_MS));
    this.#socket.resume();
    await this.#closed;
  }

  #onSocketError(error: Error & { readonly code?: string }): void {
    // A client that goes away without a word is everyday; anything else is worth a line.
    if (error.code === "ECONNRESET" || error.code === "EPIPE") return;
    this.#logger.warn("connection failed", { client: this.#info.clientAddress, error: describeError(error) });
  }
}
