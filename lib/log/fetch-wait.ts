import type { Clock } from "#lib/runtime/clock.ts";
import type { FetchWaiter, FetchWaiters } from "./fetch-waiters.ts";

/** Of one partition that is waited for: bytes there to read, or that it has an answer other than bytes. */
export type Measured = number | "answered";

export interface FetchWaitOptions {
  readonly waiters: FetchWaiters;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly bytesMin: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the partitions together have `bytesMin`, one of them has another answer, or the time is over. Rejects
 * if aborted. `measure` is asked once for each partition at first, and then in each fold that touches the partition,
 * so it must be cheap. A key stands for one partition; of equal keys the last counts.
 */
export function waitForBytes(
  keys: readonly string[],
  measure: (key: string) => Measured,
  options: FetchWaitOptions,
): Promise<void> {
  const { signal, waiters } = options;
  return new Promise((resolve, reject) => {
    const known = new Map<string, number>();
    let sumBytes = 0;
    let isDone = false;
    const touched = (key: string) => {
      const measured = measure(key);
      if (measured === "answered") {
        finish();
        return;
      }
      sumBytes += measured - (known.get(key) ?? 0);
      known.set(key, measured);
      if (sumBytes >= options.bytesMin) finish();
    };
    const waiter: FetchWaiter = { touched };
    const leave = () => {
      isDone = true;
      for (const key of keys) waiters.remove(key, waiter);
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    };
    const finish = () => {
      if (isDone) return;
      leave();
      resolve();
    };
    const onAbort = () => {
      leave();
      reject(signal.reason);
    };
    const timer = options.clock.schedule(options.waitMs, finish);
    signal.addEventListener("abort", onAbort, { once: true });
    for (const key of keys) waiters.add(key, waiter);
    for (const key of keys) {
      if (!isDone) touched(key);
    }
    if (!isDone && signal.aborted) onAbort();
  });
}
