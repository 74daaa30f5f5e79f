import type { Clock } from "#lib/runtime/clock.ts";

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * A token bucket per name, filled by its rate and holding a second's worth. Each process counts for itself, so a
 * cluster of n processes lets n times the rate through at most.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0: go on, a token is taken. Otherwise the time in ms after which to come again. A rate of 0 has no limit. */
  take(name: string, perSecond: number): number {
    if (perSecond <= 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    const bucket = this.#buckets.get(name) ?? { tokens: perSecond, filledAtMs: nowMs };
    const filled = bucket.tokens + ((nowMs - bucket.filledAtMs) * perSecond) / 1_000;
    bucket.tokens = Math.min(perSecond, filled);
    bucket.filledAtMs = nowMs;
    this.#buckets.set(name, bucket);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) * 1_000) / perSecond);
    bucket.tokens -= 1;
    return 0;
  }

  /** Forgets a name that is gone. */
  forget(name: string): void {
    this.#buckets.delete(name);
  }
}
