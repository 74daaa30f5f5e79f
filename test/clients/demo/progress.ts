const WIDTH = 30;

/** A bar that is drawn over itself on a terminal, and a line for every tenth elsewhere. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #isTerminal = process.stdout.isTTY === true;
  #tenths = 0;
  #percent = -1;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  show(done: number, note: string): void {
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total);
    const percent = Math.floor(share * 100);
    if (this.#isTerminal && percent !== this.#percent) {
      const filled = Math.round(share * WIDTH);
      const bar = `${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}`;
      process.stdout.write(`\r${this.#label} [${bar}] ${percent} %  ${note}\u001b[K`);
    }
    this.#percent = percent;
    if (this.#isTerminal || Math.floor(share * 10) <= this.#tenths) return;
    this.#tenths = Math.floor(share * 10);
    console.log(`${this.#label} ${percent} %  ${note}`);
  }

  /** Prints a line of its own between two states of the bar. */
  say(line: string): void {
    process.stdout.write(this.#isTerminal ? `\r${line}\u001b[K\n` : `${line}\n`);
  }

  end(): void {
    if (this.#isTerminal) process.stdout.write("\n");
  }
}
