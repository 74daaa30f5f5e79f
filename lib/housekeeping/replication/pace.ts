import type { Clock } from "#lib/runtime/clock.ts";

/** Spreads bytes over time: nobody begins before those who came first have had their share of each second. */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when `bytes` may be moved. Rejects if aborted; the share is used up then. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const beginMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = beginMs + (bytes / this.#bytesPerSecond) * 1_000;
    // In whole milliseconds, as timers are.
    if (beginMs > nowMs) await this.#clock.sleep(Math.ceil(beginMs - nowMs), signal);
  }
}
