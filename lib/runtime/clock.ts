import type { TimestampMs } from "#lib/util/branded.ts";

/** Time enters the product only here, so that a test or a simulation may own it. */
export interface Clock {
  /** The host's wall clock. May jump; never decides what is safe. */
  nowMs(): TimestampMs;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason if it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `action` once after `ms` unless cancelled. Does not keep a process alive. */
  schedule(ms: number, action: () => void): ScheduledCall;
  /** Resolves when what is already waiting in the event loop has run: the end of this turn. */
  endOfTurn(): Promise<void>;
}

export interface ScheduledCall {
  cancel(): void;
}
