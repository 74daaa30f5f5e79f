import type { ReplicatedStateView } from "#lib/journal/replicated-state-api.ts";
import type { FoldContext } from "#lib/journal/state-machine.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { assert } from "#lib/util/assert.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import type { LogCommand, LogOutcome } from "./log-command.ts";
import type { LogState } from "./log-state.ts";

export type LogJournal = ReplicatedStateView<LogState, LogCommand, LogOutcome>;

/** Called after each fold of any log journal, in the same turn. What an opening or a reload folds is not told. */
export type LogFoldListener = (
  journal: LogJournal,
  command: LogCommand,
  outcome: LogOutcome,
  context: FoldContext,
) => void;

export function logJournalId(journalNumber: number): JournalId {
  return journalId(`log-${journalNumber}`);
}

export interface LogJournalsOptions {
  /** How many log journals the deployment has. */
  readonly count: number;
  /** Makes a journal's state, not yet opened. */
  readonly create: (id: JournalId) => LogJournal;
  /** Ends openings under way when the process stops. */
  readonly signal: AbortSignal;
}

/** The log journals of this process by number. Each is opened once, when somebody first asks for it. */
export class LogJournals {
  readonly count: number;
  readonly #options: LogJournalsOptions;
  readonly #created = new Map<number, LogJournal>();
  readonly #opened: (LogJournal | undefined)[];
  readonly #opening: (Promise<LogJournal> | undefined)[];
  readonly #foldListeners = new Set<LogFoldListener>();
  readonly #reloadListeners = new Set<(journal: LogJournal) => void>();

  constructor(options: LogJournalsOptions) {
    this.count = options.count;
    this.#options = options;
    this.#opened = new Array(options.count).fill(undefined);
    this.#opening = new Array(options.count).fill(undefined);
  }

  /** The journal if it has been opened. */
  opened(journalNumber: number): LogJournal | undefined {
    return this.#opened[journalNumber];
  }

  /** The journal, opened. Callers share one opening; one that failed is begun again by whoever asks next. */
  journal(journalNumber: number, signal: AbortSignal): Promise<LogJournal> {
    const opened = this.#opened[journalNumber];
    if (opened !== undefined) return Promise.resolve(opened);
    const opening = this.#opening[journalNumber] ?? this.#open(journalNumber);
    return abortable(opening, signal);
  }

  async openAll(signal: AbortSignal): Promise<readonly LogJournal[]> {
    return Promise.all(Array.from({ length: this.count }, (_, index) => this.journal(index, signal)));
  }

  /** Calls `listener` after each fold of every journal, opened or yet to be. Returns the way to stop it. */
  onFold(listener: LogFoldListener): () => void {
    this.#foldListeners.add(listener);
    return () => {
      this.#foldListeners.delete(listener);
    };
  }

  /** Calls `listener` when a journal's state was replaced by one from a snapshot, whose folds nobody was told. */
  onReload(listener: (journal: LogJournal) => void): () => void {
    this.#reloadListeners.add(listener);
    return () => {
      this.#reloadListeners.delete(listener);
    };
  }

  #open(journalNumber: number): Promise<LogJournal> {
    assert(journalNumber >= 0 && journalNumber < this.count, `there is no log journal ${journalNumber}`);
    const opening = this.#load(journalNumber).finally(() => {
      this.#opening[journalNumber] = undefined;
    });
    this.#opening[journalNumber] = opening;
    return opening;
  }

  async #load(journalNumber: number): Promise<LogJournal> {
    const journal = this.#created.get(journalNumber) ?? this.#create(journalNumber);
    await journal.open(this.#options.signal);
    this.#opened[journalNumber] = journal;
    return journal;
  }

  #create(journalNumber: number): LogJournal {
    const journal = this.#options.create(logJournalId(journalNumber));
    this.#created.set(journalNumber, journal);
    journal.onFold((command, outcome, context) => {
      for (const listener of this.#foldListeners) listener(journal, command, outcome, context);
    });
    journal.onReload(() => {
      for (const listener of this.#reloadListeners) listener(journal);
    });
    return journal;
  }
}
