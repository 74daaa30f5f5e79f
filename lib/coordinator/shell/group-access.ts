import { JournalPoller } from "#lib/log/journal-poller.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, TimeLimitError } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { SharedTimeLimits } from "#lib/runtime/shared-time-limits.ts";
import { SingleFlight } from "#lib/runtime/single-flight.ts";
import type { JournalId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { GROUP_REQUEST_MS_MAX } from "#lib/util/limits.ts";
import type { GroupCommand } from "../group-command.ts";
import { type GroupJournal, type GroupJournals, groupJournalNumber } from "../group-journals.ts";
import type { GroupOutcome } from "../group-outcome.ts";
import type { GroupTopics } from "./group-topics.ts";
import { GroupWaiters } from "./group-waiters.ts";
import { GroupWatches } from "./group-watches.ts";

export interface GroupAccessOptions {
  readonly journals: GroupJournals;
  readonly topics: GroupTopics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Spacing of the polls for what other processes commit, in ms; 0: there are none. */
  readonly journalPollMs: number;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
}

/** In which groups keep their order. */
export const LANE = "groups";

/** The way of every call to its group: the journal, opened and observed, the waits for it, and its time-outs. */
export class GroupAccess implements Disposable {
  readonly topics: GroupTopics;
  readonly clock: Clock;
  readonly random: Random;
  readonly watches: GroupWatches;
  readonly #options: GroupAccessOptions;
  readonly #limits: SharedTimeLimits;
  readonly #waiters = new GroupWaiters();
  readonly #poller: JournalPoller;
  readonly #freshening = new SingleFlight<JournalId, void>();
  /** When each journal was last known to be up to date, by the monotonic clock. */
  readonly #freshAtMs = new Map<JournalId, number>();
  readonly #stopListening: readonly (() => void)[];

  constructor(options: GroupAccessOptions) {
    const { journals, journalPollMs: pollMs } = options;
    this.topics = options.topics;
    this.clock = options.clock;
    this.random = options.random;
    this.#limits = new SharedTimeLimits(options.clock, GROUP_REQUEST_MS_MAX);
    this.#options = options;
    this.watches = new GroupWatches({ ...options, isShared: pollMs > 0 });
    this.#poller = new JournalPoller({ ...options, pollMs });
    this.#stopListening = [
      journals.onFold((journal, command) => {
        // Whoever appends has folded all that came before.
        this.#freshAtMs.set(journal.id, this.clock.monotonicMs());
        if (command.kind !== "drop-topic") this.#waiters.changed(command.groupId);
      }),
      journals.onReload(() => this.#waiters.touchAll()),
    ];
  }

  get waiterCount(): number {
    return this.#waiters.count;
  }

  /** The journal in which the group lives. */
  async journalOf(groupId: string, signal: AbortSignal): Promise<GroupJournal> {
    const { journals } = this.#options;
    const journal = await journals.journal(groupJournalNumber(groupId, journals.count), signal);
    this.watches.observe(journal);
    return journal;
  }

  /** All group journals, each as of a strong read that began after this call. */
  async allJournals(signal: AbortSignal): Promise<readonly GroupJournal[]> {
    const journals = await this.#options.journals.openAll(signal);
    for (const journal of journals) this.watches.observe(journal);
    await Promise.all(journals.map((journal) => journal.readBarrier(signal)));
    return journals;
  }

  async propose(command: GroupCommand & { readonly groupId: string }, signal: AbortSignal): Promise<GroupOutcome> {
    const journal = await this.journalOf(command.groupId, signal);
    return (await journal.propose(command, { lane: LANE, signal })).outcome;
  }

  /** Proposes what no client waits for. Never rejects. */
  async proposeUnasked(command: GroupCommand & { readonly groupId: string }): Promise<void> {
    const { signal, logger } = this.#options;
    try {
      await this.propose(command, signal);
    } catch (error) {
      if (signal.aborted) return;
      const fields = { group: command.groupId, what: command.kind, error: describeError(error) };
      logger.debug("cannot journal what was answered", fields);
    }
  }

  /** Brings the journal up to what other processes have committed, unless that was done just now. Rejects only if aborted. */
  async freshen(journal: GroupJournal, signal: AbortSignal): Promise<void> {
    const { journalPollMs, clock, logger } = this.#options;
    const freshAtMs = this.#freshAtMs.get(journal.id) ?? Number.NEGATIVE_INFINITY;
    if (journalPollMs === 0 || clock.monotonicMs() - freshAtMs < journalPollMs) return;
    const running = this.#freshening.run(journal.id, async () => {
      const startedAtMs = clock.monotonicMs();
      try {
        await journal.catchUp(this.#options.signal);
        this.#freshAtMs.set(journal.id, startedAtMs);
      } catch (error) {
        logger.debug("a group's journal cannot be followed", { journal: journal.id, error: describeError(error) });
      }
    });
    await abortable(running, signal);
  }

  /** Waits for others: asks again after each fold of the group, here or by another process. */
  async until<T>(journal: GroupJournal, groupId: string, ask: () => T | undefined, signal: AbortSignal): Promise<T> {
    const answer = ask();
    if (answer !== undefined) return answer;
    this.#poller.watch(journal);
    try {
      return await this.#waiters.until(groupId, ask, signal);
    } finally {
      this.#poller.unwatch(journal);
    }
  }

  /** Runs `work` with a limit to how long the journals may take. What fails is answered by an error that clients retry. */
  async limited<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T | ErrorCode> {
    using limit = this.#limits.enter(signal);
    try {
      return await work(limit.signal);
    } catch (error) {
      // The connection is closed: nobody hears the answer.
      if (signal.aborted) throw signal.reason;
      return this.#errorOf(error);
    }
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stopListening) stop();
    this.watches[Symbol.dispose]();
    this.#poller[Symbol.dispose]();
    this.#limits[Symbol.dispose]();
  }

  #errorOf(error: unknown): ErrorCode {
    const isPassing = error instanceof TimeLimitError || (error instanceof LogError && error.kind === "unavailable");
    if (isPassing) {
      this.#options.logger.debug("a group's journal does not answer", { error: describeError(error) });
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    }
    this.#options.logger.error("a group request failed", { error: describeError(error) });
    return ErrorCode.UNKNOWN_SERVER_ERROR;
  }
}
