import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";

/**
 * Runs `work` every `periodMs`, never two at once, until `signal` aborts; resolves then. The first run comes after `firstMs`,
 * a whole period unless given. A run that fails is logged and
 * tried again at the next period: housekeeping is never needed for safety.
 */
export async function runPeriodically(
  task: {
    readonly name: string;
    readonly periodMs: number;
    readonly firstMs?: number;
    readonly work: (signal: AbortSignal) => Promise<void>;
  },
  { clock, logger, signal }: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  let pauseMs = task.firstMs ?? task.periodMs;
  while (!signal.aborted) {
    try {
      await clock.sleep(pauseMs, signal);
      pauseMs = task.periodMs;
      await task.work(signal);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn("housekeeping failed; it will be tried again", { task: task.name, error: describeError(error) });
    }
  }
}
