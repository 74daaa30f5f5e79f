import { JournalSet, type JournalSetOptions, type SetFoldListener } from "#lib/journal/journal-set.ts";
import type { ReplicatedStateView } from "#lib/journal/replicated-state-api.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import type { LogCommand, LogOutcome } from "./log-command.ts";
import type { LogState } from "./log-state.ts";

export type LogJournal = ReplicatedStateView<LogState, LogCommand, LogOutcome>;
export type LogFoldListener = SetFoldListener<LogState, LogCommand, LogOutcome>;
export type LogJournalsOptions = Omit<JournalSetOptions<LogState, LogCommand, LogOutcome>, "name">;

/** The log journals of this process by number. */
export type LogJournals = JournalSet<LogState, LogCommand, LogOutcome>;

const NAME = "log";

export function newLogJournals(options: LogJournalsOptions): LogJournals {
  return new JournalSet({ ...options, name: NAME });
}

export function logJournalId(journalNumber: number): JournalId {
  return journalId(`${NAME}-${journalNumber}`);
}
