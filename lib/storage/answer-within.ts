import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { StoreUnavailableError } from "./object-store.ts";

/** What a store is asked under: a store that gives no answer in time is one that fails. */
export interface AnswerLimit {
  readonly clock: Clock;
  readonly ms: number;
  readonly signal: AbortSignal;
}

/**
 * Settles as `work` does; fails with `StoreUnavailableError` if that takes too long, also if it does not heed its signal,
 * or with the caller's reason.
 */
export async function answerWithin<T>(
  { clock, ms, signal }: AnswerLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using limit = timeLimit(clock, ms, signal);
  try {
    return await abortable(work(limit.signal), limit.signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!limit.signal.aborted) throw error;
    throw new StoreUnavailableError(`no answer within ${ms} ms`, { reason: "io", cause: error });
  }
}
