import type { Random } from "#lib/runtime/random.ts";

/** The same numbers for the same seed, on every machine (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at++) bytes[at] = this.#next() >>> 24;
    return bytes;
  }

  below(bound: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * bound);
  }

  /** Whether an event of that probability, 0 to 1, happens now. */
  chance(probability: number): boolean {
    return this.#next() < probability * 0x1_0000_0000;
  }

  /** A generator of its own, so that one actor's draws do not shift another's. */
  fork(): SeededRandom {
    return new SeededRandom(this.#next());
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
