interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Less is how acknowledgements come when nothing is wrong. */
const GAP_MS_MIN = 50;

/** How long a partition waited for its next acknowledgement; one for each partition. */
export class PartitionPauses {
  readonly #gaps: Gap[] = [];
  #lastMs: number | undefined;

  acked(atMs: number): void {
    const fromMs = this.#lastMs;
    this.#lastMs = Math.max(atMs, fromMs ?? atMs);
    if (fromMs !== undefined && atMs - fromMs >= GAP_MS_MIN) this.#gaps.push({ fromMs, toMs: atMs });
  }

  /** The longest of which a part lies between the two moments; what has not ended yet counts up to `toMs`. */
  longestMs(fromMs: number, toMs: number): number {
    const last = this.#lastMs ?? fromMs;
    const touching = this.#gaps.filter((gap) => gap.toMs > fromMs && gap.fromMs < toMs);
    return Math.max(0, toMs - last, ...touching.map((gap) => gap.toMs - gap.fromMs));
  }
}
