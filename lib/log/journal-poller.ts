import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import type { JournalId } from "#lib/util/branded.ts";

/** What the poller needs of a journal (`ReplicatedStateView` has it). */
export interface PolledJournal {
  readonly id: JournalId;
  readonly asOfMs: number;
  catchUp(signal: AbortSignal): Promise<void>;
}

interface Polled {
  readonly journal: PolledJournal;
  watcherCount: number;
  timer: ScheduledCall | undefined;
  running: Promise<void> | undefined;
  /** Whether the last poll failed: one line is enough for an outage. */
  isFailing: boolean;
  /** When the last poll began, by the monotonic clock, whatever became of it. */
  polledAtMs: number;
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

  /** Begins a poll unless one runs, or the last look at the journal began less than the spacing ago. */
  freshen(journal: PolledJournal): void {
    if (this.#options.pollMs === 0) return;
    const polled = this.#of(journal);
    if (polled.running === undefined && this.#ageMs(polled) >= this.#options.pollMs) void this.#poll(polled);
  }

  /** Whether all that others had committed by then is folded, as far as polls show it. */
  hasLookedSince(journal: PolledJournal, sinceMs: number): boolean {
    return this.#options.pollMs === 0 || journal.asOfMs > sinceMs;
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
    // A poll that failed is not repeated at once; commits of ours look at the journal too.
    return this.#options.clock.monotonicMs() - Math.max(polled.polledAtMs, polled.journal.asOfMs);
  }

  #poll(polled: Polled): Promise<void> {
    polled.polledAtMs = this.#options.clock.monotonicMs();
    polled.timer?.cancel();
    polled.running = this.#catchUp(polled).then(() => {
      polled.running = undefined;
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
    const polled: Polled = {
      journal,
      watcherCount: 0,
      timer: undefined,
      running: undefined,
      isFailing: false,
      polledAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#polled.set(journal.id, polled);
    return polled;
  }
}
