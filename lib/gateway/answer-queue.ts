import type { Socket } from "node:net";
import { deferred } from "#lib/runtime/deferred.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";

const NOTHING = new Uint8Array(0);

export interface AnswerOptions {
  readonly borrowed: Borrowed;
  readonly onWritten: () => void;
}

/** The bytes of one answer; `none` for a request that has no answer (acks=0); `close` to end the connection. */
export type Answer = readonly Uint8Array[] | "none" | "close";

/**
 * Writes answers in the order of their requests, however they finish, and no faster than the client reads them.
 */
export class AnswerQueue {
  readonly #socket: Socket;
  #tail: Promise<void> = Promise.resolve();
  #pending = 0;
  readonly #pendingMax: number;
  #wakeOnRoom: (() => void) | undefined;

  constructor(socket: Socket, pendingMax: number) {
    this.#socket = socket;
    this.#pendingMax = pendingMax;
  }

  /**
   * Appends an answer to come; `onWritten` runs once it has left for the socket or can no longer do so, and if it has
   * borrowed anything, once the system has taken all its bytes.
   */
  push(answer: Promise<Answer>, { borrowed, onWritten }: AnswerOptions): void {
    this.#pending += 1;
    // A failure that comes while earlier answers are still being written is kept until it is its turn.
    const settled = answer.then(
      (bytes) => ({ bytes }),
      (error: unknown) => ({ error }),
    );
    const earlier = this.#tail;
    this.#tail = (async () => {
      try {
        await earlier;
        const result = await settled;
        if ("error" in result) throw result.error;
        await this.#write(result.bytes, borrowed);
      } catch (error) {
        this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
      } finally {
        this.#pending -= 1;
        onWritten();
        this.#wakeOnRoom?.();
        this.#wakeOnRoom = undefined;
      }
    })();
  }

  /** Resolves when every answer so far has been written. */
  idle(): Promise<void> {
    return this.#tail;
  }

  /** Resolves when one more answer may be pushed. */
  async room(): Promise<void> {
    while (this.#pending >= this.#pendingMax) {
      await new Promise<void>((resolve) => {
        this.#wakeOnRoom = resolve;
      });
    }
  }

  async #write(answer: Answer, borrowed: Borrowed): Promise<void> {
    // It may have been ended by an answer before: what follows would cut off what is still on its way.
    if (answer === "none" || this.#socket.writableEnded || this.#socket.destroyed) return;
    if (answer === "close") {
      // Not only our half: the client must learn of it, and what it sends from here on is not served.
      this.#socket.destroySoon();
      return;
    }
    const sent = borrowed.isEmpty ? undefined : deferred<void>();
    this.#cork();
    let flowing = true;
    for (const chunk of answer) flowing = this.#socket.write(chunk);
    // An empty one at the end: its callback comes after all the others, or when the socket is gone.
    if (sent !== undefined) this.#socket.write(NOTHING, () => sent.resolve());
    if (sent !== undefined) await sent.promise;
    else if (!flowing && !this.#socket.destroyed) await drained(this.#socket);
  }

  /** Corked, all answers of one turn leave in one writev, and none of their chunks is copied. */
  #cork(): void {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    // Behind all promises that settle in this turn.
    process.nextTick(() => this.#socket.uncork());
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}
