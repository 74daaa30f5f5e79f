import { abortable } from "#lib/runtime/deadline.ts";
import { assert } from "#lib/util/assert.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import type { ReplicatedStateView } from "./replicated-state-api.ts";
import type { FoldContext } from "./state-machine.ts";

/** Called after each fold of any journal of a set, in the same turn. What an opening or a reload folds is not told. */
export type SetFoldListener<State, Command, Outcome> = (
  journal: ReplicatedStateView<State, Command, Outcome>,
  command: Command,
  outcome: Outcome,
  context: FoldContext,
) => void;

export interface JournalSetOptions<State, Command, Outcome> {
  /** What the journals are called: number 3 of `log` is `log-3`. */
  readonly name: string;
  /** How many journals of the kind the deployment has. */
  readonly count: number;
  /** Makes a journal's state, not yet opened. */
  readonly create: (id: JournalId) => ReplicatedStateView<State, Command, Outcome>;
  /** Ends openings under way when the process stops. */
  readonly signal: AbortSignal;
}

/** The journals of one kind in this process, by number. Each is opened once, when somebody first asks for it. */
export class JournalSet<State, Command, Outcome> {
  readonly count: number;
  readonly #options: JournalSetOptions<State, Command, Outcome>;
  readonly #created = new Map<number, ReplicatedStateView<State, Command, Outcome>>();
  readonly #opened: (ReplicatedStateView<State, Command, Outcome> | undefined)[];
  readonly #opening: (Promise<ReplicatedStateView<State, Command, Outcome>> | undefined)[];
  readonly #foldListeners = new Set<SetFoldListener<State, Command, Outcome>>();
  readonly #reloadListeners = new Set<(journal: ReplicatedStateView<State, Command, Outcome>) => void>();

  constructor(options: JournalSetOptions<State, Command, Outcome>) {
    this.count = options.count;
    this.#options = options;
    this.#opened = new Array(options.count).fill(undefined);
    this.#opening = new Array(options.count).fill(undefined);
  }

  /** The journal if it has been opened. */
  opened(journalNumber: number): ReplicatedStateView<State, Command, Outcome> | undefined {
    return this.#opened[journalNumber];
  }

  /** Those that have been opened so far. */
  allOpened(): readonly ReplicatedStateView<State, Command, Outcome>[] {
    return this.#opened.filter((journal) => journal !== undefined);
  }

  /** The journal, opened. Callers share one opening; one that failed is begun again by whoever asks next. */
  journal(journalNumber: number, signal: AbortSignal): Promise<ReplicatedStateView<State, Command, Outcome>> {
    const opened = this.#opened[journalNumber];
    if (opened !== undefined) return Promise.resolve(opened);
    const opening = this.#opening[journalNumber] ?? this.#open(journalNumber);
    return abortable(opening, signal);
  }

  async openAll(signal: AbortSignal): Promise<readonly ReplicatedStateView<State, Command, Outcome>[]> {
    return Promise.all(Array.from({ length: this.count }, (_, index) => this.journal(index, signal)));
  }

  /** Calls `listener` after each fold of every journal, opened or yet to be. Returns the way to stop it. */
  onFold(listener: SetFoldListener<State, Command, Outcome>): () => void {
    this.#foldListeners.add(listener);
    return () => {
      this.#foldListeners.delete(listener);
    };
  }

  /** Calls `listener` when a journal's state was replaced by one from a snapshot, whose folds nobody was told. */
  onReload(listener: (journal: ReplicatedStateView<State, Command, Outcome>) => void): () => void {
    this.#reloadListeners.add(listener);
    return () => {
      this.#reloadListeners.delete(listener);
    };
  }

  #open(journalNumber: number): Promise<ReplicatedStateView<State, Command, Outcome>> {
    assert(
      journalNumber >= 0 && journalNumber < this.count,
      `there is no ${this.#options.name} journal ${journalNumber}`,
    );
    const opening = this.#load(journalNumber).finally(() => {
      this.#opening[journalNumber] = undefined;
    });
    this.#opening[journalNumber] = opening;
    return opening;
  }

  async #load(journalNumber: number): Promise<ReplicatedStateView<State, Command, Outcome>> {
    const journal = this.#created.get(journalNumber) ?? this.#create(journalNumber);
    await journal.open(this.#options.signal);
    this.#opened[journalNumber] = journal;
    return journal;
  }

  #create(journalNumber: number): ReplicatedStateView<State, Command, Outcome> {
    const journal = this.#options.create(journalId(`${this.#options.name}-${journalNumber}`));
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
