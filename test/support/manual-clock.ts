import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly action: () => void;
}

const START_MS = Date.UTC(2026, 0, 1);
/** A scenario that needs more timers than this never ends. */
const TIMERS_MAX = 5_000_000;

/**
 * A clock that a test moves. Timers run in the order of their times, those of one time in the order in which they were
 * set, and all that a timer wakes has run before the next one does: one seed, one course of events.
 */
export class ManualClock implements Clock {
  #monotonicMs = 0;
  #order = 0;
  /** What the wall clock shows beside the monotonic time; tests may make it jump. */
  #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();

  constructor(startMs: TimestampMs = START_MS) {
    this.#wallOffsetMs = startMs;
  }

  nowMs(): TimestampMs {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        call.cancel();
        reject(signal?.reason);
      };
      const call = this.schedule(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  schedule(ms: number, action: () => void): ScheduledCall {
    const timer: Timer = { dueMs: this.#monotonicMs + Math.max(0, ms), order: this.#order++, action };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  endOfTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Lets `ms` pass, running every timer that falls due on the way. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await this.endOfTurn();
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      await this.#fire(next);
    }
    this.#monotonicMs = endMs;
    await this.endOfTurn();
  }

  /** Lets as much time pass as `work` needs to settle. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    work.then(settle, settle);
    await this.endOfTurn();
    for (let count = 0; !isSettled; count++) {
      if (count > TIMERS_MAX) throw new Error("too many timers: this never ends");
      const next = this.#next();
      // Without a timer only real input and output can bring the work on.
      if (next === undefined) await this.endOfTurn();
      else await this.#fire(next);
    }
    return work;
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers.delete(timer);
    this.#monotonicMs = Math.max(this.#monotonicMs, timer.dueMs);
    timer.action();
    await this.endOfTurn();
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }
}
