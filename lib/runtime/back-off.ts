import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export interface BackOffRange {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before try `attempt` (1 is the first repetition): a random time below a bound that doubles, so that
 * many callers refused at once do not come back at once.
 */
export function backOffMs(attempt: number, range: BackOffRange, random: Random): number {
  const boundMs = Math.min(range.maxMs, range.minMs * 2 ** Math.min(attempt, 30));
  return range.minMs + random.below(Math.max(1, Math.ceil(boundMs - range.minMs)));
}

export interface RetryOptions extends BackOffRange {
  /** Tries in all, at least 1. */
  readonly attemptsMax: number;
  /** Whether another try may help; anything else fails at once. */
  readonly isRetriable: (error: unknown) => boolean;
}

/** Runs `work` until it succeeds; fails with its last error, or with the signal's reason. */
export async function retry<T>(
  work: () => Promise<T>,
  options: RetryOptions,
  ports: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (attempt >= options.attemptsMax || !options.isRetriable(error)) throw error;
    }
    await ports.clock.sleep(backOffMs(attempt, options, ports.random), signal);
  }
}
