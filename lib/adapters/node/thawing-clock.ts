import { SystemClock } from "./system-clock.ts";

/**
 * The clock of a process that is frozen between its calls, as functions are. Whether the monotonic clock goes on
 * meanwhile depends on how the process is frozen; where it stood still, what the wall clock says was missed is added, so
 * that nothing looks fresh that has slept.
 */
export class ThawingClock extends SystemClock {
  #addedMs = 0;
  #restedAt = { wallMs: super.nowMs(), monotonicMs: super.monotonicMs() };

  override monotonicMs(): number {
    return super.monotonicMs() + this.#addedMs;
  }

  /** The process may be frozen from now on. */
  rest(): void {
    this.#restedAt = { wallMs: this.nowMs(), monotonicMs: this.monotonicMs() };
  }

  /** Work begins again. Answers how long the process has rested, in milliseconds. */
  thaw(): number {
    const { wallMs, monotonicMs } = this.#restedAt;
    const missedMs = this.nowMs() - wallMs - (this.monotonicMs() - monotonicMs);
    if (missedMs > 0) this.#addedMs += missedMs;
    return this.monotonicMs() - monotonicMs;
  }
}
