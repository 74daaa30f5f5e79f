import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { assert, defined } from "#lib/util/assert.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { GARBAGE_AGE_HOURS, JOURNAL_WORK_MS_MAX } from "#lib/util/limits.ts";
import type { Worker, WorkerRun } from "../workers/worker.ts";
import { LiveObjects } from "./live-objects.ts";
import { StoreSweep, type SweepAim, type SweptObject } from "./store-sweep.ts";

// What may be deleted, and why. An object of upload epoch e that no log journal refers to, at a state that has folded a
// Retire of e or later, is never referred to again: the fold refuses it. So once ALL journals have retired e, what none
// of them refers to is garbage for good, whoever sleeps with a finished upload in his hands, and for how long. No clock
// has a say in that; ages only spare those who are still at work.

/** What garbage collection needs to know of the cluster (`ClusterView` has it). */
export interface GarbageCluster {
  /** Resolves when a strong read that began after this call is folded. */
  refresh(signal: AbortSignal): Promise<void>;
  topics(): readonly { readonly topicId: TopicId }[];
  find(topicId: TopicId): { readonly journalCount: number } | undefined;
}

export interface GarbageOptions {
  readonly journals: LogJournals;
  readonly cluster: GarbageCluster;
  readonly stores: StoreSet;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry?: Telemetry | undefined;
}

/** The deployment has log journals that this process was not told of: what they refer to is none of its garbage. */
export class UnknownJournalsError extends LogError {
  override readonly name = "UnknownJournalsError";
  override readonly kind = "invalid";
}

interface Found {
  readonly sweep: StoreSweep;
  readonly objects: readonly SweptObject[];
}

const HOUR_MS = 3_600_000;
const LANE = "retire";

/** Deletes write-ahead objects and segments that nobody refers to. Several at once, and one that is killed anywhere, are safe. */
export class GarbageWorker implements Worker {
  readonly name = "garbage";
  readonly #options: GarbageOptions;
  readonly #sweeps: readonly StoreSweep[];
  /** Up to where the runs by hand retire that follow one another until nothing is found: each further would refuse what is under way. */
  #forcedEpoch: number | undefined;

  constructor(options: GarbageOptions) {
    this.#options = options;
    const { stores } = options;
    this.#sweeps = stores.ids.map((storeId) => new StoreSweep({ ...options, store: stores.store(storeId), storeId }));
  }

  /**
   * Answers how many objects are gone. Fails, and has deleted nothing, if a journal does not answer; a store that does not
   * is left for the next run.
   */
  async runOnce({ isForced, signal }: WorkerRun): Promise<number> {
    let deleted = 0;
    try {
      deleted = await this.#collect({ isForced, signal });
    } finally {
      if (deleted === 0) this.#forcedEpoch = undefined;
    }
    return deleted;
  }

  async #collect({ isForced, signal }: WorkerRun): Promise<number> {
    const sweeps = this.#sweeps.filter((sweep) => isForced || sweep.isDue);
    if (sweeps.length === 0) return 0;
    const journals = await this.#open(signal);
    const { epoch, lastEpoch, agedBeforeMs } = this.#reach(journals, isForced);
    const live = await this.#liveObjects(journals);
    const isGarbage: SweepAim["isGarbage"] = ({ key, lastModifiedMs }, uploadEpoch) =>
      (uploadEpoch <= epoch || lastModifiedMs < agedBeforeMs) && !live.has(key);
    const aim = { lastEpoch, isGarbage, isForced };
    const found = await Promise.all(sweeps.map((sweep) => this.#sweep(sweep, aim, signal)));
    // Most often there is nothing, and then nothing is written either.
    const newest = Math.max(...found.map(({ objects }) => newestEpochOf(objects)));
    return newest < 0 ? 0 : this.#delete(found, Math.max(epoch, newest), signal);
  }

  /** All log journals, as far as eventually consistent reads show them. */
  async #open(signal: AbortSignal): Promise<readonly LogJournal[]> {
    const { journals, clock } = this.#options;
    using limit = timeLimit(clock, JOURNAL_WORK_MS_MAX, signal);
    const opened = await journals.openAll(limit.signal);
    await Promise.all(opened.map((journal) => journal.catchUp(limit.signal)));
    return opened;
  }

  /**
   * Up to which epoch to collect. Where a clock has run ahead for a while, objects are numbered behind the highest floor and
   * no more by the hour: those of `lastEpoch` are collected then once the store has had them for long enough.
   */
  #reach(journals: readonly LogJournal[], isForced: boolean) {
    const nowMs = defined(journals[0]).nowMs();
    const hour = Math.floor(nowMs / HOUR_MS);
    const floors = journals.map(({ state }) => state.retireFloor);
    const highest = Math.max(...floors);
    if (isForced) {
      const begunEpoch = this.#forcedEpoch;
      // The last runs may have been broken off long ago, or others have gone further since.
      const forcedEpoch = begunEpoch === undefined ? Math.max(hour, highest + 1) : Math.max(begunEpoch, hour, highest);
      this.#forcedEpoch = forcedEpoch;
      return { epoch: forcedEpoch, lastEpoch: forcedEpoch, agedBeforeMs: Number.NEGATIVE_INFINITY };
    }
    // What all journals have retired already needs no further one.
    const epoch = Math.max(hour - GARBAGE_AGE_HOURS, Math.min(...floors));
    const lastEpoch = highest < hour ? epoch : Math.max(epoch, highest + 1);
    return { epoch, lastEpoch, agedBeforeMs: nowMs - GARBAGE_AGE_HOURS * HOUR_MS };
  }

  async #sweep(sweep: StoreSweep, aim: SweepAim, signal: AbortSignal): Promise<Found> {
    try {
      return { sweep, objects: await sweep.next(aim, signal) };
    } catch (error) {
      signal.throwIfAborted();
      const fields = { store: sweep.storeId, error: describeError(error) };
      this.#options.logger.warn("a store is not searched for garbage", fields);
      return { sweep, objects: [] };
    }
  }

  async #delete(found: readonly Found[], epoch: number, signal: AbortSignal): Promise<number> {
    const journals = await this.#retire(epoch, signal);
    const live = await this.#liveObjects(journals);
    const counts = await Promise.all(
      found.map(({ sweep, objects }) => {
        const garbage = objects.filter(({ key, uploadEpoch }) => uploadEpoch <= epoch && !live.has(key));
        return sweep.delete(garbage, signal);
      }),
    );
    const deleted = counts.reduce((sum, count) => sum + count, 0);
    this.#options.logger.debug("garbage is deleted", { objects: deleted, uploadEpoch: epoch });
    return deleted;
  }

  /** Resolves when every log journal refuses what is of `epoch` or earlier; their states show that then. */
  async #retire(epoch: number, signal: AbortSignal): Promise<readonly LogJournal[]> {
    const { journals, clock } = this.#options;
    using limit = timeLimit(clock, JOURNAL_WORK_MS_MAX, signal);
    await this.#checkJournalCount(limit.signal);
    const opened = await journals.openAll(limit.signal);
    await Promise.all(opened.map((journal) => retire(journal, epoch, limit.signal)));
    return opened;
  }

  /**
   * Fails with `UnknownJournalsError` if a topic lives in more journals than this process knows. What was found was
   * uploaded before, so its topic was there before; a strong read that begins now shows it.
   */
  async #checkJournalCount(signal: AbortSignal): Promise<void> {
    const { cluster, journals } = this.#options;
    await cluster.refresh(signal);
    for (const { topicId } of cluster.topics()) {
      const journalCount = cluster.find(topicId)?.journalCount ?? 0;
      if (journalCount > journals.count)
        throw new UnknownJournalsError(
          `a topic lives in ${journalCount} log journals, ${journals.count} are known here`,
        );
    }
  }

  async #liveObjects(journals: readonly LogJournal[]): Promise<LiveObjects> {
    const live = new LiveObjects();
    for (const journal of journals) await live.collect(journal.state, this.#options.clock);
    return live;
  }
}

/** -1 if there is none. */
function newestEpochOf(objects: readonly SweptObject[]): number {
  return objects.reduce((newest, { uploadEpoch }) => Math.max(newest, uploadEpoch), -1);
}

/** Whatever the journal takes from then on is above `floor`, and what it refers to of earlier epochs is in its state. */
async function retire(journal: LogJournal, floor: number, signal: AbortSignal): Promise<void> {
  // The last look may be hours ago, and then even a command that gets its number is in doubt.
  await journal.readBarrier(signal);
  if (journal.state.retireFloor < floor) {
    await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, signal);
    await journal.propose({ kind: "retire", floor }, { lane: LANE, signal });
  }
  assert(journal.state.retireFloor >= floor, "a journal has retired what it was asked to");
}
