/**
 * What one answer borrows: memory that will be used again for other things when the answer has been sent. Whoever reads
 * without a collector of this kind gets memory that stays.
 */
export class Borrowed {
  #returns: (() => void)[] = [];

  /** Whether there is anything to give back. */
  get isEmpty(): boolean {
    return this.#returns.length === 0;
  }

  add(giveBack: () => void): void {
    this.#returns.push(giveBack);
  }

  /** Gives everything back. */
  release(): void {
    const returns = this.#returns;
    this.#returns = [];
    for (const giveBack of returns) giveBack();
  }
}
