import { ByteBudget } from "#lib/log/fetch-budget.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import {
  ISR_SUSPECT_MS_MAX,
  REPLICATION_BYTES_IN_FLIGHT_MAX,
  REPLICATION_BYTES_PER_SECOND_MAX,
  REPLICATION_TICK_MS,
} from "#lib/util/limits.ts";
import type { CopyTracker } from "./copy-tracker.ts";
import { IsrKeeper } from "./isr-keeper.ts";
import { LostObjects } from "./lost-objects.ts";
import { ObjectCopier } from "./object-copier.ts";
import { Pace } from "./pace.ts";
import type { SnapshotReferences } from "./snapshot-references.ts";
import { StoreAudit, type StoreAuditPorts } from "./store-audit.ts";
import { StoreRepair } from "./store-repair.ts";

export interface ReplicationOptions {
  readonly stores: StoreSet;
  readonly health: StoreHealth;
  readonly tracker: CopyTracker;
  readonly journals: LogJournals;
  readonly snapshots: SnapshotReferences;
  readonly markerOf: StoreAuditPorts["markerOf"];
  /** Whether this process is the one to replicate for a journal. */
  readonly leads: (state: LogState) => boolean;
  /** `replica.lag.time.max.ms`. */
  readonly lagMsMax: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How a store fares, as this process sees it. */
export interface StoreStatus {
  readonly storeId: StoreId;
  readonly isSuspect: boolean;
  /** For how long it has been suspect, in milliseconds; undefined if it is not. */
  readonly suspectForMs: number | undefined;
  /** What this process knows to be missing there, of the journals that it leads. */
  readonly owedObjects: number;
  readonly owedBytes: number;
}

export interface ReplicationStatus {
  /** By store id. */
  stores(): readonly StoreStatus[];
}

/**
 * Keeps every replica whole, for the journals that this process leads: what a store was not given in time is brought to it,
 * a store that fails leaves the ISR, one that comes back is proved, listed and made whole before it counts again. Where
 * nothing has happened nothing is asked of any store or journal.
 */
export class Replication implements ReplicationStatus {
  readonly #options: ReplicationOptions;
  readonly #audit: StoreAudit;
  readonly #repairs: readonly StoreRepair[];
  readonly #isrKeeper: IsrKeeper;
  readonly #outages = new Map<StoreId, number>();
  #isFollowing = false;

  constructor(options: ReplicationOptions) {
    const { stores, clock } = options;
    const pace = new Pace(clock, REPLICATION_BYTES_PER_SECOND_MAX);
    const copier = new ObjectCopier({ ...options, pace });
    const audit = new StoreAudit(options);
    const lost = new LostObjects(options);
    const budget = new ByteBudget(REPLICATION_BYTES_IN_FLIGHT_MAX);
    this.#options = options;
    this.#audit = audit;
    this.#repairs = stores.ids.map((id) => new StoreRepair(id, { ...options, audit, copier, lost, budget }));
    this.#isrKeeper = new IsrKeeper(options);
  }

  stores(): readonly StoreStatus[] {
    const { stores, health, tracker, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    return stores.ids.map((storeId) => {
      const suspectSinceMs = health.suspectSinceMs(storeId);
      const { objects, bytes } = tracker.owedTo(storeId).total(nowMs);
      return {
        storeId,
        isSuspect: suspectSinceMs !== undefined,
        suspectForMs: suspectSinceMs === undefined ? undefined : Math.floor(nowMs - suspectSinceMs),
        owedObjects: objects,
        owedBytes: bytes,
      };
    });
  }

  /** Looks every second until `signal` aborts; resolves then. */
  async run(signal: AbortSignal): Promise<void> {
    const { stores, clock } = this.#options;
    // One store has nobody to be in sync with.
    if (stores.ids.length < 2) return;
    const stop = this.#follow();
    signal.addEventListener("abort", stop, { once: true });
    while (!signal.aborted) {
      await clock.sleep(REPLICATION_TICK_MS, signal).catch(() => undefined);
      if (!signal.aborted) this.#tick(signal);
    }
  }

  /** Whatever is known of the stores, each is to be listed against all that the journals refer to, at the next pass. */
  listAll(): void {
    const { tracker, clock } = this.#options;
    for (const id of tracker.storeIds) tracker.owedTo(id).requestListing("opened", clock.monotonicMs());
  }

  /** What a schedule calls where nothing runs all the time. Resolves to the number of copies and changes. */
  async runOnce(signal: AbortSignal): Promise<number> {
    const { stores, health, clock, journals } = this.#options;
    if (stores.ids.length < 2) return 0;
    await journals.openAll(signal);
    this.#follow();
    this.#look();
    let count = 0;
    // A store that fails is looked at until it is known whether it stays away.
    for (let leftMs = 2 * ISR_SUSPECT_MS_MAX; ; leftMs -= REPLICATION_TICK_MS) {
      count += await this.#repairAll(signal);
      this.#look();
      count += await this.#isrKeeper.keep(signal);
      // One failure does not make a store suspect; what it has held up is tried again.
      const isHeldUp = this.#repairs.some(({ hasWork }) => hasWork);
      if (leftMs <= 0 || (!isHeldUp && !stores.ids.some((id) => health.isFailing(id)))) return count;
      await clock.sleep(REPLICATION_TICK_MS, signal);
      await Promise.all(this.#toTry().map((id) => this.#try(id, signal)));
    }
  }

  /** Begins what is to be done now; nothing is waited for, so that one store that hangs holds up nobody. */
  #tick(signal: AbortSignal): void {
    const { health } = this.#options;
    this.#look();
    for (const id of this.#toTry()) this.#unless(signal, this.#try(id, signal));
    for (const repair of this.#repairs) {
      if (repair.hasWork && !health.isSuspect(repair.storeId)) this.#unless(signal, repair.run(signal));
    }
    this.#unless(signal, this.#isrKeeper.keep(signal));
  }

  /** Takes in what has become of brokers and stores since the last look. */
  #look(): void {
    const { stores, health, tracker } = this.#options;
    tracker.refresh();
    for (const id of stores.ids) {
      const outages = health.outages(id);
      if (outages === (this.#outages.get(id) ?? 0)) continue;
      this.#outages.set(id, outages);
      tracker.noteOutage(id);
    }
  }

  async #repairAll(signal: AbortSignal): Promise<number> {
    const busy = this.#repairs.filter((repair) => repair.hasWork);
    const counts = await Promise.all(busy.map((repair) => repair.run(signal)));
    return counts.reduce((sum, each) => sum + each, 0);
  }

  /**
   * The stores that fail, until they answer. All of them while one that fails is in an ISR: it has to leave only if another
   * one answers.
   */
  #toTry(): readonly StoreId[] {
    const { stores, health, tracker } = this.#options;
    const failing = stores.ids.filter((id) => health.isFailing(id));
    const isInSync = failing.some((id) => tracker.led().some(({ journal }) => journal.state.isr.includes(id)));
    return isInSync ? stores.ids : failing;
  }

  /** Whether a store that fails is back: what it answers is told to its health. */
  async #try(id: StoreId, signal: AbortSignal): Promise<void> {
    const { health, logger } = this.#options;
    using trial = health.tryTrial(id, "read");
    if (trial === undefined) return;
    try {
      await this.#audit.prove(id, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.debug("a store is still away", { store: id, error: describeError(error) });
    }
  }

  #follow(): () => void {
    if (this.#isFollowing) return () => {};
    this.#isFollowing = true;
    const { tracker, journals, leads } = this.#options;
    return tracker.follow(journals, leads);
  }

  #unless(signal: AbortSignal, work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (signal.aborted) return;
      this.#options.logger.error("replication failed", { error: describeError(error) });
    });
  }
}
