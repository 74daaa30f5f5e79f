import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import {
  BUSY_JOURNALS_PERIOD_MS,
  HOUSEKEEPING_PERIOD_MS,
  IDLE_JOURNAL_TENDED_MS,
  SNAPSHOT_RECORDS_MIN,
} from "#lib/util/limits.ts";
import { runPeriodically } from "./periodic-task.ts";

/** What a journal's state offers to its housekeeper (docs/ARCHITECTURE.md J5 and J6). */
export interface TendedJournal {
  readonly id: JournalId;
  /** The last record folded. */
  readonly seq: JournalSeq;
  /** Folds what an eventually consistent read shows. */
  catchUp(signal: AbortSignal): Promise<void>;
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
  /** How far each journal was, and when, when it was last tended without an error. */
  readonly #tended = new Map<TendedJournal, { readonly seq: JournalSeq; readonly atMs: number }>();
  /** How far each journal was when a snapshot of it was last thought of. */
  readonly #snapshotSeqs = new Map<TendedJournal, JournalSeq>();
  #round: Promise<void> | undefined;

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

  /**
   * Tends all journals once a minute, and takes snapshots of busy ones more often, until `signal` aborts; resolves then.
   * The first time is a random moment of the first period: brokers that start together would each take the same snapshots,
   * and one that never lives for a minute, none.
   */
  async run(random: Random, signal: AbortSignal): Promise<void> {
    const parts = { clock: this.#clock, logger: this.#logger, signal };
    const every = (name: string, periodMs: number, work: () => Promise<void>): Promise<void> =>
      runPeriodically({ name, periodMs, firstMs: random.below(periodMs), work: () => this.#alone(work) }, parts);
    await Promise.all([
      every("journals", HOUSEKEEPING_PERIOD_MS, () => this.tendAll(signal)),
      every("busy journals", BUSY_JOURNALS_PERIOD_MS, () => this.tendBusy(signal)),
    ]);
  }

  /**
   * Takes a snapshot, if one is due, of each journal that has got enough records for one: what stands behind the last
   * snapshot is what a restart has to fold, and in a minute that can be much.
   */
  async tendBusy(signal: AbortSignal): Promise<void> {
    for (const journal of this.#journals) {
      if (journal.seq - (this.#snapshotSeqs.get(journal) ?? 0) < SNAPSHOT_RECORDS_MIN) continue;
      try {
        await this.#takeSnapshot(journal, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#warn(journal, error);
      }
    }
  }

  /**
   * One journal after the other: a snapshot is as large as its state, and nobody waits for it. A journal that fails is
   * left for the next time, so that it does not keep the others from being tended.
   */
  async tendAll(signal: AbortSignal): Promise<void> {
    for (const journal of this.#journals) await this.#tend(journal, signal);
  }

  /**
   * The same for journals that have moved since this process tended them last; the others cost one eventually consistent
   * read, and are tended now and then all the same, for what lies in them grows old. Answers how many have moved.
   */
  async tendMoved(signal: AbortSignal): Promise<number> {
    let movedCount = 0;
    for (const journal of this.#journals) {
      const last = this.#tended.get(journal);
      try {
        await journal.catchUp(signal);
      } catch {
        // The same failure is met, and told, by the tending itself.
        signal.throwIfAborted();
      }
      const hasMoved = last === undefined ? journal.seq > 0 : journal.seq !== last.seq;
      if (hasMoved) movedCount++;
      const isOld = last === undefined || this.#clock.monotonicMs() - last.atMs >= IDLE_JOURNAL_TENDED_MS;
      if (hasMoved || isOld) await this.#tend(journal, signal);
    }
    return movedCount;
  }

  async #tend(journal: TendedJournal, signal: AbortSignal): Promise<void> {
    const { seq } = journal;
    try {
      await this.#takeSnapshot(journal, signal);
      await journal.trim(signal);
      this.#tended.set(journal, { seq, atMs: this.#clock.monotonicMs() });
    } catch (error) {
      signal.throwIfAborted();
      this.#warn(journal, error);
    }
  }

  async #takeSnapshot(journal: TendedJournal, signal: AbortSignal): Promise<void> {
    const { seq } = journal;
    await journal.takeSnapshot(signal);
    this.#snapshotSeqs.set(journal, seq);
  }

  /** Two rounds at once would take the same snapshots. */
  async #alone(work: () => Promise<void>): Promise<void> {
    while (this.#round !== undefined) await this.#round.catch(() => undefined);
    const round = work();
    this.#round = round;
    try {
      await round;
    } finally {
      this.#round = undefined;
    }
  }

  #warn(journal: TendedJournal, error: unknown): void {
    this.#logger.warn("a journal is not tended", { journal: journal.id, error: describeError(error) });
  }
}
