import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

interface Event {
  readonly dueMs: number;
  readonly order: number;
  readonly action: () => void;
  isCancelled: boolean;
}

const START_MS = Date.UTC(2026, 0, 1);
/** A schedule that needs more events than this never ends. */
const EVENTS_MAX = 1_000_000;

/**
 * The world's time and its only source of events. Between two events everything that the first one woke has run, so one
 * seed gives one course. Time passes only from event to event.
 */
export class Scheduler {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #order = 0;
  #eventCount = 0;
  #hashLow = 0x811c9dc5;
  #hashHigh = 0x01000193;
  /** Told every traced line; for debugging. */
  onTrace: ((line: string) => void) | undefined;

  /** Milliseconds since the world began, with fractions. */
  get elapsedMs(): number {
    return this.#nowMs;
  }

  /** The true time: what the services' clocks show. */
  get nowMs(): TimestampMs {
    return START_MS + Math.floor(this.#nowMs);
  }

  get eventCount(): number {
    return this.#eventCount;
  }

  /** A hash of all that was traced: equal for equal courses. */
  get traceHash(): string {
    return hex(this.#hashHigh) + hex(this.#hashLow);
  }

  trace(line: string): void {
    // FNV-1a twice, with two starts: the hash is compared, never attacked.
    let low = this.#hashLow;
    let high = this.#hashHigh;
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code ^ (low >>> 13), 0x01000193);
    }
    const stamp = Math.floor(this.#nowMs * 1024);
    this.#hashLow = Math.imul(low ^ (stamp & 0xffffffff), 0x01000193) >>> 0;
    this.#hashHigh = Math.imul(high ^ Math.floor(stamp / 0x1_0000_0000), 0x01000193) >>> 0;
    this.onTrace?.(`${this.#nowMs.toFixed(2).padStart(14)} ${line}`);
  }

  schedule(delayMs: number, action: () => void): ScheduledCall {
    const event: Event = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      action,
      isCancelled: false,
    };
    this.#push(event);
    return {
      cancel: () => {
        event.isCancelled = true;
      },
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.schedule(ms, resolve);
    });
  }

  /** Runs events until `isDone` says so, or none is left. */
  async run(isDone: () => boolean): Promise<void> {
    await settled();
    while (!isDone()) {
      const event = this.#pop();
      if (event === undefined) return;
      if (event.isCancelled) continue;
      if (++this.#eventCount > EVENTS_MAX) throw new Error("too many events: this schedule never ends");
      this.#nowMs = Math.max(this.#nowMs, event.dueMs);
      event.action();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below === undefined) break;
      if (right !== undefined && isBefore(right, below)) {
        child++;
        below = right;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** A clock that shows the true time: the services'. */
export function trueClock(scheduler: Scheduler): Clock {
  return {
    nowMs: () => scheduler.nowMs,
    monotonicMs: () => scheduler.elapsedMs,
    sleep: (ms) => scheduler.sleep(ms),
    schedule: (ms, action) => scheduler.schedule(ms, action),
    endOfTurn: () => scheduler.sleep(0),
  };
}

function isBefore(a: Event, b: Event): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** Resolves when every microtask has run; nothing else is under way in a simulated world. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
