import type { Clock } from "./clock.ts";
import { type TimeLimit, timeLimit } from "./deadline.ts";

/** Calls that begin within so much of the time share one limit. */
const SHARE = 1 / 20;

/**
 * Time limits for calls that are many and mostly end soon: those with one parent that begin shortly after each other get the
 * same signal, so that a call costs no timer, no controller and no listener of its own. A call gets its whole time, and up to
 * a twentieth more.
 */
export class SharedTimeLimits implements Disposable {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #live = new Set<SharedLimit>();
  /** Those that may still be shared, the oldest first. */
  readonly #open = new Set<SharedLimit>();
  readonly #newest = new WeakMap<AbortSignal, SharedLimit>();

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Dispose of it when the work is done. */
  enter(parent: AbortSignal): TimeLimit {
    if (parent.aborted) return { signal: parent, [Symbol.dispose]() {} };
    const nowMs = this.#clock.monotonicMs();
    let limit = this.#newest.get(parent);
    if (limit === undefined || nowMs >= limit.closesAtMs) {
      this.#retireUntil(nowMs);
      limit = this.#begin(parent);
      this.#newest.set(parent, limit);
    }
    return limit.enter();
  }

  #begin(parent: AbortSignal): SharedLimit {
    const closesAtMs = this.#clock.monotonicMs() + this.#ms * SHARE;
    const own = timeLimit(this.#clock, this.#ms * (1 + SHARE), parent);
    const limit: SharedLimit = new SharedLimit(own, closesAtMs, () => {
      this.#live.delete(limit);
      this.#open.delete(limit);
    });
    this.#live.add(limit);
    this.#open.add(limit);
    return limit;
  }

  /** Also those of other parents, most of which never call again: a request over HTTP is one. */
  #retireUntil(nowMs: number): void {
    for (const limit of this.#open) {
      if (nowMs < limit.closesAtMs) return;
      this.#open.delete(limit);
      limit.retire();
    }
  }

  /** Leaves no timer behind; calls under way have no limit any more. */
  [Symbol.dispose](): void {
    for (const limit of this.#live) limit.end();
  }
}

/** Kept for the next call until later ones begin that cannot share it, and after that as long as a call uses it. */
class SharedLimit {
  readonly closesAtMs: number;
  readonly #limit: TimeLimit;
  readonly #onEnd: () => void;
  #users = 0;
  #isRetired = false;
  /** All who enter leave once each. */
  readonly #pass: TimeLimit;

  constructor(limit: TimeLimit, closesAtMs: number, onEnd: () => void) {
    this.#limit = limit;
    this.closesAtMs = closesAtMs;
    this.#onEnd = onEnd;
    limit.signal.addEventListener("abort", () => this.end(), { once: true });
    this.#pass = { signal: limit.signal, [Symbol.dispose]: () => this.#leave() };
  }

  enter(): TimeLimit {
    this.#users += 1;
    return this.#pass;
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#users === 0) this.end();
  }

  end(): void {
    this.#limit[Symbol.dispose]();
    this.#onEnd();
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#isRetired && this.#users === 0) this.end();
  }
}
