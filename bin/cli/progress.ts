const PERIOD_MS = 200;

/** One line on stderr that is written over and over; silent unless stderr is a terminal. */
export class Progress implements Disposable {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #describe: () => string;

  constructor(describe: () => string) {
    this.#describe = describe;
    if (!process.stderr.isTTY) return;
    this.#timer = setInterval(() => this.#write(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Ends the line. */
  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write("\r\x1b[K");
  }

  #write(): void {
    const columns = process.stderr.columns ?? 80;
    process.stderr.write(`\r\x1b[K${this.#describe().slice(0, columns - 1)}`);
  }
}
