import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

// Taken when the module is loaded: a test that puts fake timers in place of the globals must not stop a broker that runs
// in its process.
const { setTimeout, clearTimeout, setImmediate } = globalThis;
const now = Date.now;
const monotonicNow = performance.now.bind(performance);

/** The host's clock and Node's timers. */
export class SystemClock implements Clock {
  nowMs(): TimestampMs {
    return now();
  }

  monotonicMs(): number {
    return monotonicNow();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  schedule(ms: number, action: () => void): ScheduledCall {
    const timer = setTimeout(action, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }

  endOfTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
