import { SystemClock } from "./system-clock.ts";

const HOLD_MS = 60_000;
/** The wall clock counts whole milliseconds and is slewed a little: less than this is no freeze. */
const FREEZE_MS_MIN = 10;

/**
 * The clock of a process that is frozen between its calls, as functions are. Whether the monotonic clock goes on
 * meanwhile depends on how the process is frozen; where it stood still, what the wall clock says was missed is added, so
 * that nothing looks fresh that has slept.
 */
export class ThawingClock extends SystemClock {
  #addedMs = 0;
  #held: NodeJS.Timeout | undefined;
  #restedAt = { wallMs: super.nowMs(), monotonicMs: super.monotonicMs() };

  override monotonicMs(): number {
    return super.monotonicMs() + this.#addedMs;
  }

  /** The process may be frozen from now on, or end for want of anything to do. */
  rest(): void {
    clearInterval(this.#held);
    this.#held = undefined;
    this.#restedAt = { wallMs: this.nowMs(), monotonicMs: this.monotonicMs() };
  }

  /** Work begins again; until `rest` the process stays. Answers how long it has rested, in milliseconds. */
  thaw(): number {
    // Scheduled calls and time limits keep no process alive; one that only waits for them would end in the middle of a call.
    this.#held ??= setInterval(() => {}, HOLD_MS);
    const { wallMs, monotonicMs } = this.#restedAt;
    const missedMs = this.nowMs() - wallMs - (this.monotonicMs() - monotonicMs);
    if (missedMs >= FREEZE_MS_MIN) this.#addedMs += missedMs;
    return this.monotonicMs() - monotonicMs;
  }
}
