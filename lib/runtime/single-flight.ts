/** Work that several callers want at once is done once: whoever asks for a key while its work runs shares the result. */
export class SingleFlight<Key, T> {
  readonly #running = new Map<Key, Promise<T>>();

  get size(): number {
    return this.#running.size;
  }

  run(key: Key, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}

/**
 * Work whose result must be newer than the request for it: who asks while it runs shares the *next* run, which begins
 * when this one has ended. At most one run at a time, at most one waits.
 */
export class FreshFlight<T> {
  readonly #work: () => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  run(): Promise<T> {
    // One that waits has not begun, so whoever asks now may share it.
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    this.#next = this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
  }

  #startNext(): Promise<T> {
    this.#next = undefined;
    return this.#start();
  }

  #start(): Promise<T> {
    const started: Promise<T> = this.#work().finally(() => {
      if (this.#running === started) this.#running = undefined;
    });
    this.#running = started;
    return started;
  }
}
