import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";

/** What the poller needs of a journal (`ReplicatedStateView` has it). */
export interface PolledJournal {
  readonly id: JournalId;
  readonly seq: JournalSeq;
  catchUp(signal: AbortSignal): Promise<void>;
}

interface Polled {
  readonly journal: PolledJournal;
  watcherCount: number;
  timer: ScheduledCall | undefined;
  running: Promise<void> | undefined;
  /** Whether the last poll failed: one line is enough for an outage. */
  isFailing: boolean;
  /** When the view was last known to be fresh, by the monotonic clock. */
  freshAtMs: number;
  freshSeq: JournalSeq;
}

export interface JournalPollerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Spacing of two polls of one journal; 0 never polls: this process is the only writer. */
  readonly pollMs: number;
}

/**
 * Sees what other processes commit: catches up with a journal while somebody waits for it, and on demand.
 * A journal in which this process commits anyway is not polled, for every append that succeeds has folded all before it.
 */
export class JournalPoller implements Disposable {
  readonly #options: JournalPollerOptions;
  readonly #polled = new Map<JournalId, Polled>();
  readonly #closed = sharedAbortController();

  constructor(options: JournalPollerOptions) {
    this.#options = options;
  }

  /** Polls `journal` from now on, until `unwatch` was called as often. */
  watch(journal: PolledJournal): void {
    if (this.#options.pollMs === 0) return;
    const polled = this.#of(journal);
    polled.watcherCount++;
    if (polled.watcherCount === 1 && polled.running === undefined) this.#tick(polled);
  }

  unwatch(journal: PolledJournal): void {
    if (this.#options.pollMs === 0) return;
    const polled = this.#of(journal);
    polled.watcherCount--;
    if (polled.watcherCount > 0) return;
    polled.timer?.cancel();
    polled.timer = undefined;
  }

  /** Polls now unless the last poll began less than the spacing ago. Resolves when a poll that runs has ended. */
  async freshen(journal: PolledJournal): Promise<void> {
    if (this.#options.pollMs === 0) return;
    const polled = this.#of(journal);
    if (polled.running !== undefined) return polled.running;
    if (this.#ageMs(polled) >= this.#options.pollMs) return this.#poll(polled);
  }

  [Symbol.dispose](): void {
    this.#closed.abort(new Error("the journals are no longer followed"));
    for (const polled of this.#polled.values()) polled.timer?.cancel();
  }

  #tick(polled: Polled): void {
    polled.timer = undefined;
    if (this.#closed.signal.aborted || polled.watcherCount === 0) return;
    const leftMs = this.#options.pollMs - this.#ageMs(polled);
    if (leftMs > 0) polled.timer = this.#options.clock.schedule(leftMs, () => this.#tick(polled));
    else void this.#poll(polled);
  }

  #ageMs(polled: Polled): number {
    const nowMs = this.#options.clock.monotonicMs();
    if (polled.journal.seq !== polled.freshSeq) {
      // Commits of ours, or of others found on the way, moved it since.
      polled.freshSeq = polled.journal.seq;
      polled.freshAtMs = nowMs;
    }
    return nowMs - polled.freshAtMs;
  }

  #poll(polled: Polled): Promise<void> {
    polled.freshAtMs = this.#options.clock.monotonicMs();
    polled.timer?.cancel();
    polled.running = this.#catchUp(polled).then(() => {
      polled.running = undefined;
      polled.freshSeq = polled.journal.seq;
      this.#tick(polled);
    });
    return polled.running;
  }

  async #catchUp(polled: Polled): Promise<void> {
    try {
      await polled.journal.catchUp(this.#closed.signal);
      polled.isFailing = false;
    } catch (error) {
      if (this.#closed.signal.aborted || polled.isFailing) return;
      polled.isFailing = true;
      this.#options.logger.warn("cannot follow a journal", { journal: polled.journal.id, error: describeError(error) });
    }
  }

  #of(journal: PolledJournal): Polled {
    const known = this.#polled.get(journal.id);
    if (known !== undefined) return known;
    // Just opened, hence fresh.
    const freshAtMs = this.#options.clock.monotonicMs();
    const polled: Polled = {
      journal,
      watcherCount: 0,
      timer: undefined,
      running: undefined,
      isFailing: false,
      freshAtMs,
      freshSeq: journal.seq,
    };
    this.#polled.set(journal.id, polled);
    return polled;
  }
}
