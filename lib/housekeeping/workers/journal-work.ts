import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { JOURNAL_WORK_MS_MAX } from "#lib/util/limits.ts";

export interface JournalWorkPorts {
  readonly journals: LogJournals;
  /** Whether this process looks after a journal. */
  readonly leads: (state: LogState) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface JournalWorkResult {
  readonly changed: number;
  /** Every journal that this process looks after has been gone through to its end. */
  readonly isWhole: boolean;
}

/** `isWhole`: nothing is left for the next run. */
export type JournalWork = (journal: LogJournal, signal: AbortSignal) => Promise<JournalWorkResult>;

/** Does the same in all log journals that this process looks after, side by side. One that fails is logged and left for the next run. */
export async function workOnJournals(
  ports: JournalWorkPorts,
  task: { readonly failure: string; readonly work: JournalWork },
  signal: AbortSignal,
): Promise<JournalWorkResult> {
  const numbers = Array.from({ length: ports.journals.count }, (_, journalNumber) => journalNumber);
  const results = await Promise.all(
    numbers.map(async (journalNumber): Promise<JournalWorkResult> => {
      using limit = timeLimit(ports.clock, JOURNAL_WORK_MS_MAX, signal);
      try {
        const journal = await ports.journals.journal(journalNumber, limit.signal);
        if (!ports.leads(journal.state)) return { changed: 0, isWhole: true };
        // An old view costs nothing but commands in vain.
        await journal.catchUp(limit.signal);
        return await task.work(journal, limit.signal);
      } catch (error) {
        signal.throwIfAborted();
        ports.logger.warn(task.failure, { journal: journalNumber, error: describeError(error) });
        return { changed: 0, isWhole: false };
      }
    }),
  );
  return {
    changed: results.reduce((sum, { changed }) => sum + changed, 0),
    isWhole: results.every(({ isWhole }) => isWhole),
  };
}
