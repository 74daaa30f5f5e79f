import { assert } from "#lib/util/assert.ts";

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

/** Bounds the bytes that reads hold together: who comes too late waits, in the order of coming. */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #queue = new Set<Waiting>();
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Resolves when there is room for `bytes`; more than the whole budget counts as the whole. Rejects if aborted. */
  async acquire(bytes: number, signal: AbortSignal): Promise<ByteGrant> {
    const granted = Math.min(bytes, this.#bytesMax);
    if (this.#queue.size > 0 || this.#usedBytes + granted > this.#bytesMax) await this.#wait(granted, signal);
    else this.#usedBytes += granted;
    return new ByteGrant(granted, (given) => this.#release(given));
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#queue.delete(waiting);
        // The one that gave up may have been too large for what is free; those behind it need not be.
        this.#startNext();
        reject(signal.reason);
      };
      const start = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const waiting = { bytes, start };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(waiting);
    });
  }

  #release(bytes: number): void {
    this.#usedBytes -= bytes;
    assert(this.#usedBytes >= 0, "more bytes released than acquired");
    this.#startNext();
  }

  #startNext(): void {
    for (const waiting of this.#queue) {
      if (this.#usedBytes + waiting.bytes > this.#bytesMax) return;
      this.#queue.delete(waiting);
      this.#usedBytes += waiting.bytes;
      waiting.start();
    }
  }
}

export class ByteGrant implements Disposable {
  readonly #release: (bytes: number) => void;
  #heldBytes: number;

  constructor(bytes: number, release: (bytes: number) => void) {
    this.#heldBytes = bytes;
    this.#release = release;
  }

  /** Gives back what is held beyond `bytes`. */
  shrinkTo(bytes: number): void {
    const rest = this.#heldBytes - bytes;
    if (rest <= 0) return;
    this.#heldBytes = bytes;
    this.#release(rest);
  }

  [Symbol.dispose](): void {
    this.shrinkTo(0);
  }
}
