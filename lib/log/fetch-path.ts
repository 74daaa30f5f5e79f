import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { EntryReader } from "./entry-reader.ts";
import type { ByteBudget } from "./fetch-budget.ts";
import { lastStableOffset, type PartitionAccess } from "./fetch-partitions.ts";
import { FetchReader, type FetchSlot, isWithin } from "./fetch-reader.ts";
import { type Measured, waitForBytes } from "./fetch-wait.ts";
import type { FetchWaiters } from "./fetch-waiters.ts";
import { JournalPoller } from "./journal-poller.ts";
import type { FetchedPartition, Fetcher, FetchOptions, PartitionFetch } from "./log-api.ts";
import type { LogJournal } from "./log-journals.ts";
import { availableIn } from "./partition-plan.ts";
import type { SegmentReader } from "./segment-reader.ts";

export interface FetchPathDeps {
  readonly access: PartitionAccess;
  readonly waiters: FetchWaiters;
  readonly entries: EntryReader;
  readonly segments: SegmentReader;
  /** Shared with every other reader of this process. */
  readonly budget: ByteBudget;
  /** What is read ahead for all who read in sequence together; 0: nothing. Half of the block cache by default. */
  readonly readAheadBytes?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface FetchPathSettings {
  /** Spacing of the polls for what other processes commit; 0: this process is the only writer of its journals. */
  readonly journalPollMs: number;
}

/** How a request stands by what is folded. */
interface Standing {
  readonly bytes: number;
  readonly hasError: boolean;
  /** What would be a "no" if the state is not stale. */
  readonly doubtful: readonly FetchSlot[];
  /** At the ends of their logs. */
  readonly empty: readonly FetchSlot[];
}

export class FetchPath implements Fetcher, Disposable {
  readonly #deps: FetchPathDeps;
  readonly #reader: FetchReader;
  readonly #poller: JournalPoller;

  constructor(deps: FetchPathDeps, settings: FetchPathSettings) {
    this.#deps = deps;
    this.#reader = new FetchReader(deps);
    this.#poller = new JournalPoller({
      clock: deps.clock,
      logger: deps.logger,
      pollMs: settings.journalPollMs,
    });
  }

  async fetch(partitions: readonly PartitionFetch[], options: FetchOptions): Promise<readonly FetchedPartition[]> {
    const { signal } = options;
    signal.throwIfAborted();
    const cameAtMs = this.#deps.clock.monotonicMs();
    const slots: readonly FetchSlot[] = partitions.map((request) => ({
      ...this.#deps.access.slot(request.topic, request.partitionIndex),
      request,
    }));
    await this.#deps.access.open(slots, signal);
    await this.#waitUntilDue(slots, { ...options, cameAtMs });
    return this.#reader.read(slots, options);
  }

  /** Ends the polling of journals. Fetches that wait end with their own time. */
  [Symbol.dispose](): void {
    this.#poller[Symbol.dispose]();
  }

  /** Resolves when there is enough to answer, an error to tell, or no time left. */
  async #waitUntilDue(
    slots: readonly FetchSlot[],
    options: FetchOptions & { readonly cameAtMs: number },
  ): Promise<void> {
    const { clock, access } = this.#deps;
    const { signal, readCommitted } = options;
    const deadlineMs = clock.monotonicMs() + options.waitMsMax;
    // Kafka's brokers bound it so too: more than `bytesMax` never comes together.
    const bytesMin = Math.min(options.bytesMin, options.bytesMax);
    for (;;) {
      const standing = this.#stand(slots, { bytesMin, readCommitted });
      if (standing.doubtful.length > 0) {
        await this.#settle(standing.doubtful, signal);
        continue;
      }
      if (standing.hasError || standing.bytes >= bytesMin) {
        // A busy partition does not hide a quiet one's news: if not this answer, the next one has them.
        for (const journal of journalsOf(standing.empty)) this.#poller.freshen(journal);
        return;
      }
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs > 0) {
        await this.#wait(slots, { ...options, bytesMin, waitMsMax: leftMs });
        continue;
      }
      // That there is nothing is said after a look that began after the request (J8). A wait has had its polls.
      const unseen = standing.empty.filter((slot) => !this.#isSeen(slot, options.cameAtMs));
      if (unseen.length === 0) return;
      await access.confirm(unseen, { signal, freshTopics: false });
    }
  }

  #isSeen(slot: FetchSlot, sinceMs: number): boolean {
    return slot.isConfirmed || slot.journal === undefined || this.#poller.hasLookedSince(slot.journal, sinceMs);
  }

  #stand(
    slots: readonly FetchSlot[],
    limits: { readonly bytesMin: number; readonly readCommitted: boolean },
  ): Standing {
    const doubtful: FetchSlot[] = [];
    const empty: FetchSlot[] = [];
    let bytes = 0;
    let hasError = false;
    for (const slot of slots) {
      if (slot.error !== ErrorCode.NONE) {
        hasError = true;
        continue;
      }
      const measured = this.#measure(slot, limits);
      if (measured === "answered") doubtful.push(slot);
      else if (measured === 0) empty.push(slot);
      else bytes += measured;
    }
    return { bytes, hasError, doubtful, empty };
  }

  /** "answered" if the answer is a "no", be it doubtful or final. Looks at the index alone. */
  #measure(slot: FetchSlot, limits: { readonly bytesMin: number; readonly readCommitted: boolean }): Measured {
    const { fetchOffset } = slot.request;
    const partition = this.#deps.access.partition(slot);
    if (partition === undefined) return slot.isConfirmed && fetchOffset === 0 ? 0 : "answered";
    if (!isWithin(partition, fetchOffset)) return "answered";
    return availableIn(partition, fetchOffset, {
      endOffset: limits.readCommitted ? lastStableOffset(partition) : partition.logEndOffset,
      bytesMax: Math.min(slot.request.bytesMax, limits.bytesMin),
    });
  }

  /** Makes a "no" final, or finds that it was none. */
  async #settle(slots: readonly FetchSlot[], signal: AbortSignal): Promise<void> {
    const { access } = this.#deps;
    // An offset other than 0 says that there was something: perhaps the topic is gone.
    await access.confirm(slots, { signal, freshTopics: slots.some((slot) => slot.request.fetchOffset !== 0) });
    for (const slot of slots) {
      if (slot.error !== ErrorCode.NONE) continue;
      const partition = access.partition(slot);
      const isThere =
        partition === undefined ? slot.request.fetchOffset === 0 : isWithin(partition, slot.request.fetchOffset);
      if (!isThere) slot.error = ErrorCode.OFFSET_OUT_OF_RANGE;
    }
  }

  async #wait(slots: readonly FetchSlot[], options: FetchOptions): Promise<void> {
    const { clock, waiters } = this.#deps;
    const byKey = new Map(slots.map((slot) => [slot.key, slot]));
    const measure = (key: string): Measured => {
      const slot = byKey.get(key);
      return slot === undefined ? 0 : this.#measure(slot, options);
    };
    const journals = journalsOf(slots);
    for (const journal of journals) this.#poller.watch(journal);
    try {
      await waitForBytes([...byKey.keys()], measure, {
        clock,
        waiters,
        waitMs: options.waitMsMax,
        bytesMin: options.bytesMin,
        signal: options.signal,
      });
    } finally {
      for (const journal of journals) this.#poller.unwatch(journal);
    }
  }
}

function journalsOf(slots: readonly FetchSlot[]): ReadonlySet<LogJournal> {
  const journals = new Set<LogJournal>();
  for (const slot of slots) {
    if (slot.journal !== undefined) journals.add(slot.journal);
  }
  return journals;
}
