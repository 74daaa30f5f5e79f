import type { Clock } from "#lib/runtime/clock.ts";
import { WORKER_RETRY_MS_MAX, WORKER_RETRY_MS_MIN } from "#lib/util/limits.ts";

interface Failure {
  readonly count: number;
  readonly untilMs: number;
}

/** The partitions that a worker passes over for a while, for it has failed there. One that fails keeps no other waiting. */
export class PartitionRetries {
  readonly #clock: Clock;
  /** By `partitionKey`. */
  readonly #failures = new Map<string, Failure>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isResting(key: string): boolean {
    const failure = this.#failures.get(key);
    return failure !== undefined && this.#clock.monotonicMs() < failure.untilMs;
  }

  /** It is tried again after a minute, and after twice the time with each failure in a row unless it is one that `passes`. */
  noteFailure(key: string, { passes }: { readonly passes: boolean }): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [other, { untilMs }] of this.#failures) {
      if (untilMs + WORKER_RETRY_MS_MAX < nowMs) this.#failures.delete(other);
    }
    const count = passes ? 1 : (this.#failures.get(key)?.count ?? 0) + 1;
    const restMs = Math.min(WORKER_RETRY_MS_MAX, WORKER_RETRY_MS_MIN * 2 ** Math.min(count - 1, 30));
    this.#failures.set(key, { count, untilMs: nowMs + restMs });
  }

  noteSuccess(key: string): void {
    this.#failures.delete(key);
  }
}
