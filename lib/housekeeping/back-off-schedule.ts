import type { Clock } from "#lib/runtime/clock.ts";
import { HOUSEKEEPING_PERIOD_MS, HOUSEKEEPING_PERIOD_MS_MAX } from "#lib/util/limits.ts";

/** What a call by the schedule came to: `resting` did nothing, for the last runs found nothing. */
export type ScheduledRun =
  | { readonly kind: "ran"; readonly found: number; readonly nextInMs: number }
  | { readonly kind: "resting"; readonly nextInMs: number };

export interface BackOffOptions {
  /** Between two runs that find nothing, in the end. Default: about a quarter of an hour. */
  readonly periodMsMax?: number;
}

/** A schedule's calls come a little early or late; a run is due already when less than this is left. */
const JITTER_MS = HOUSEKEEPING_PERIOD_MS / 2;

/**
 * Thins out the calls of a schedule that cannot be told to come less often: after a run that finds nothing the next one
 * is due after twice the time, up to a longest one; after one that finds something, at the next call. What is
 * known here is lost with the process, and a new one begins with a run: too much is never done for long, too little never.
 */
export class BackOffSchedule {
  readonly #clock: Clock;
  readonly #periodMsMax: number;
  #periodMs = HOUSEKEEPING_PERIOD_MS;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, { periodMsMax = HOUSEKEEPING_PERIOD_MS_MAX }: BackOffOptions = {}) {
    this.#clock = clock;
    this.#periodMsMax = periodMsMax;
  }

  /** Runs `work`, which answers how much it found, if a run is due. A run that fails is due again at the next call. */
  async run(work: () => Promise<number>): Promise<ScheduledRun> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#dueAtMs - JITTER_MS) return { kind: "resting", nextInMs: this.#dueAtMs - nowMs };
    const found = await work();
    this.#periodMs = found > 0 ? HOUSEKEEPING_PERIOD_MS : Math.min(2 * this.#periodMs, this.#periodMsMax);
    // Counted from the run's beginning, as the calls are.
    this.#dueAtMs = nowMs + this.#periodMs;
    return { kind: "ran", found, nextInMs: this.#periodMs };
  }
}
