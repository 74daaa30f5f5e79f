import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { deferred } from "#lib/runtime/deferred.ts";
import { ConnectionLostError } from "./errors.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** Frames over TCP, as Kafka's clients send them. */
export class SocketTransport implements Transport {
  readonly address: string;
  readonly #socket: Socket;

  /** Fails with `ConnectionLostError`. */
  static async open(
    { host, port }: { readonly host: string; readonly port: number },
    listener: TransportListener,
    signal?: AbortSignal,
  ): Promise<SocketTransport> {
    const address = `${host}:${port}`;
    signal?.throwIfAborted();
    const socket = connect({ host, port, noDelay: true });
    try {
      await once(socket, "connect", signal === undefined ? {} : { signal });
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      const text = error instanceof Error ? error.message : String(error);
      throw new ConnectionLostError(`cannot connect to ${address}: ${text}`, { cause: error });
    }
    return new SocketTransport(socket, address, listener);
  }

  private constructor(socket: Socket, address: string, listener: TransportListener) {
    this.#socket = socket;
    this.address = address;
    socket.on("data", (chunk: Uint8Array) => listener.onBytes(chunk));
    socket.on("error", (error) =>
      listener.onLost(new ConnectionLostError(`${address}: ${error.message}`, { cause: error })),
    );
    socket.on("close", () => listener.onLost(new ConnectionLostError(`${address}: connection closed`)));
  }

  write(frame: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const chunk of frame) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = deferred<void>();
    this.#socket.once("close", () => closed.resolve());
    this.#socket.end(() => this.#socket.destroy());
    await closed.promise;
  }
}
