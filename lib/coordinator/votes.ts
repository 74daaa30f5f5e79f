/** Counts votes; what was named first wins a tie. */
export class Votes {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Undefined if nobody has voted. */
  get winner(): string | undefined {
    let winner: string | undefined;
    let most = 0;
    for (const [name, count] of this.#counts) {
      if (count <= most) continue;
      winner = name;
      most = count;
    }
    return winner;
  }
}
