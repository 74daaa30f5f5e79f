import { DIRECT_BYTES_PER_MS_MIN, DIRECT_PACE_READS } from "#lib/util/limits.ts";

/**
 * Whether a disk is so fast that its page cache hardly helps, by the best of some reads past it: the others have waited for
 * their turn, or for the event loop. A read that fails or hangs says nothing.
 */
export class ReadPace {
  #reads = 0;
  #bestBytesPerMs = 0;
  /** Until enough has been read to know. */
  #isFast = true;

  get isFast(): boolean {
    return this.#isFast;
  }

  add(bytes: number, ms: number): void {
    this.#bestBytesPerMs = Math.max(this.#bestBytesPerMs, bytes / Math.max(ms, Number.MIN_VALUE));
    this.#reads++;
    if (this.#reads < DIRECT_PACE_READS) return;
    this.#isFast = this.#bestBytesPerMs >= DIRECT_BYTES_PER_MS_MIN;
    this.#reads = 0;
    this.#bestBytesPerMs = 0;
  }
}
