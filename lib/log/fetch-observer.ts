import type { FetchWaiters } from "./fetch-waiters.ts";
import type { LogJournals } from "./log-journals.ts";
import type { RecentBytes } from "./recent-bytes.ts";

/**
 * Lets readers learn from folds: who need not wait any longer, and the inlined bytes of everybody's commits. Returns
 * the way to stop it.
 */
export function observeFolds(deps: {
  readonly journals: LogJournals;
  readonly waiters: FetchWaiters;
  readonly recentBytes: RecentBytes;
}): () => void {
  const { journals, waiters, recentBytes } = deps;
  const stopFolds = journals.onFold((journal, command, _outcome, context) => {
    // Before anybody is woken: whoever wakes may read them at once.
    if (command.kind === "append" && command.source.kind === "inline") {
      recentBytes.addInline(journal.id, context.seq, context.indexInRecord, command.source.bytes);
    }
    waiters.folded(command);
  });
  const stopReloads = journals.onReload(() => waiters.touchAll());
  return () => {
    stopFolds();
    stopReloads();
  };
}
