/**
 * How many reads of one store may be under way. A disk that hangs keeps a thread of Node's for each call, and those of all
 * stores are the same few: what a store that hangs may not take is left for the others.
 */
export class ReadGate {
  readonly #countMax: number;
  #count = 0;
  /** In the order of coming. */
  readonly #waiting = new Set<() => void>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** Runs `work` when there is room, and leaves room again when it has ended; rejects as it does, or if aborted before. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#count >= this.#countMax) await this.#room(signal);
    else this.#count++;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Whoever has waited takes the place of the one that left. */
  #room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(enter);
    });
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#count--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
