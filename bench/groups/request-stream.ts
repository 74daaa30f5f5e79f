import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";

export interface RequestStreamOptions {
  readonly address: { readonly host: string; readonly port: number };
  /** A whole request with its size in front. */
  readonly request: Uint8Array;
  /** Fails if the answer, a frame without its size, says that something went wrong. */
  readonly check: (answer: Uint8Array) => void;
}

/**
 * One request, sent over one connection again and again. It is encoded once and bears the same correlation id each time;
 * so the answers are the same too, byte for byte, and only the first one is looked into. A client that costs next to
 * nothing leaves the processors to the broker.
 */
export class RequestStream implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: RequestStreamOptions;
  readonly #frames = new FrameSplitter(REQUEST_BYTES_MAX);
  #answer: Uint8Array | undefined;
  #inFlight = 0;
  #answered = 0;
  #endMs = 0;
  #failure: Error | undefined;
  #idle: Deferred<void> | undefined;

  static async open(options: RequestStreamOptions): Promise<RequestStream> {
    const socket = connect({ ...options.address, noDelay: true });
    await once(socket, "connect");
    return new RequestStream(socket, options);
  }

  private constructor(socket: Socket, options: RequestStreamOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the broker has closed the connection")));
  }

  /** Keeps so many requests under way until the time is over. Resolves with the number of answers, when all have come. */
  async run(inFlight: number, endMs: number): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#answered = 0;
    this.#endMs = endMs;
    this.#idle = deferred();
    this.#send(inFlight);
    await this.#idle.promise;
    return this.#answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.destroy();
    await once(this.#socket, "close");
  }

  #send(count: number): void {
    this.#inFlight += count;
    this.#socket.cork();
    for (let i = 0; i < count; i++) this.#socket.write(this.#options.request);
    this.#socket.uncork();
  }

  #receive(chunk: Uint8Array): void {
    try {
      const answers = this.#frames.push(chunk);
      for (const answer of answers) this.#take(answer);
      if (performance.now() < this.#endMs) this.#send(answers.length);
      else if (this.#inFlight === 0) this.#idle?.resolve();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(answer: Uint8Array): void {
    if (this.#answer === undefined) {
      this.#options.check(answer);
      this.#answer = Uint8Array.from(answer);
    } else if (Buffer.compare(this.#answer, answer) !== 0) {
      this.#options.check(answer);
      throw new Error("the same request was answered in another way");
    }
    this.#inFlight -= 1;
    this.#answered += 1;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#idle?.reject(this.#failure);
    this.#socket.destroy();
  }
}
