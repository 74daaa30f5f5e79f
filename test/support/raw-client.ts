import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";

/** A TCP connection that sends whatever bytes a test likes. */
export class RawClient implements Disposable {
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter(REQUEST_BYTES_MAX);
  readonly frames: Uint8Array[] = [];
  /** Resolves when the connection is closed by either side. */
  readonly closed: Promise<void>;

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on("close", () => resolve());
    });
    socket.on("error", () => {});
    socket.on("data", (chunk: Uint8Array) => this.frames.push(...this.#splitter.push(chunk)));
  }

  send(...chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#socket.write(chunk);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when `count` answers have come. */
  async receive(count: number): Promise<readonly Uint8Array[]> {
    while (this.frames.length < count) await once(this.#socket, "data");
    return this.frames.slice(0, count);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A frame with `body` and its size in front, or with a size that lies. */
export function frameOf(body: Uint8Array, size = body.byteLength): Uint8Array {
  const head = Buffer.alloc(4);
  head.writeInt32BE(size);
  return Buffer.concat([head, body]);
}
