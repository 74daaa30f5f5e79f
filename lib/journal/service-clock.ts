import type { Clock } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import type { AnswerTimes } from "./journal.ts";

/**
 * The journal service's clock as far as this process knows it: the date of its last answer plus our monotonic time
 * since, so that a host whose clock is a day fast proposes no times of its own (J4).
 */
export class ServiceClock {
  readonly #clock: Clock;
  #servedAtMs: TimestampMs | undefined;
  #heardAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(times: AnswerTimes): void {
    this.#servedAtMs = times.servedAtMs;
    this.#heardAtMs = this.#clock.monotonicMs();
  }

  nowMs(): TimestampMs {
    if (this.#servedAtMs === undefined) return this.#clock.nowMs();
    return Math.floor(this.#servedAtMs + this.#clock.monotonicMs() - this.#heardAtMs);
  }
}
