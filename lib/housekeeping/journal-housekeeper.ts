import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { JournalId } from "#lib/util/branded.ts";
import { HOUSEKEEPING_PERIOD_MS } from "#lib/util/limits.ts";
import { runPeriodically } from "./periodic-task.ts";

/** What a journal's state offers to its housekeeper (docs/ARCHITECTURE.md J5 and J6). */
export interface TendedJournal {
  readonly id: JournalId;
  /** Takes a snapshot if one is due. */
  takeSnapshot(signal: AbortSignal): Promise<unknown>;
  /** Removes records that no reader needs any more. */
  trim(signal: AbortSignal): Promise<unknown>;
  /** Drops what is queued and stops. */
  close(): void;
}

/** Keeps the opened journals of a process short: a snapshot when one is due, then what it made superfluous is removed. */
export class JournalHousekeeper {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #journals: TendedJournal[] = [];

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  add(journal: TendedJournal): void {
    this.#journals.push(journal);
  }

  /** Closes every journal: the process stops. */
  closeAll(): void {
    for (const journal of this.#journals) journal.close();
  }

  /** Tends all journals once a minute until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const work = (): Promise<void> => this.tendAll(signal);
    await runPeriodically(
      { name: "journals", periodMs: HOUSEKEEPING_PERIOD_MS, work },
      { clock: this.#clock, logger: this.#logger, signal },
    );
  }

  /**
   * One journal after the other: a snapshot is as large as its state, and nobody waits for it. A journal that fails is
   * left for the next time, so that it does not keep the others from being tended.
   */
  async tendAll(signal: AbortSignal): Promise<void> {
    for (const journal of this.#journals) {
      try {
        await journal.takeSnapshot(signal);
        await journal.trim(signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#logger.warn("a journal is not tended", { journal: journal.id, error: describeError(error) });
      }
    }
  }
}
