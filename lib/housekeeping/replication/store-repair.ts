import type { ByteBudget } from "#lib/log/fetch-budget.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { OWED_COPY_RETRY_MS, REPLICATION_COPIES_AT_ONCE_MAX, REPLICATION_PROGRESS_MS } from "#lib/util/limits.ts";
import type { CopyTracker } from "./copy-tracker.ts";
import { neededOf } from "./held-objects.ts";
import type { LostObjects } from "./lost-objects.ts";
import type { CopyResult, ObjectCopier } from "./object-copier.ts";
import type { OwedCopies, OwedCopy } from "./owed-copies.ts";
import type { StoreAudit } from "./store-audit.ts";

export interface StoreRepairPorts {
  readonly tracker: CopyTracker;
  readonly audit: StoreAudit;
  readonly copier: ObjectCopier;
  readonly health: StoreHealth;
  readonly lost: LostObjects;
  readonly journals: LogJournals;
  /** Bounds what is in memory on its way, to all stores together. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes one store whole: lists it where a listing is due, and brings what is owed. One run at a time. */
export class StoreRepair {
  readonly storeId: StoreId;
  readonly #ports: StoreRepairPorts;
  readonly #owed: OwedCopies;
  #running: Promise<number> | undefined;

  constructor(storeId: StoreId, ports: StoreRepairPorts) {
    this.storeId = storeId;
    this.#ports = ports;
    this.#owed = ports.tracker.owedTo(storeId);
  }

  /** Whether there is something to do now. Costs nothing but a look into memory. */
  get hasWork(): boolean {
    const nowMs = this.#ports.clock.monotonicMs();
    return this.#owed.isListingDue(nowMs) || this.#owed.hasDue(nowMs);
  }

  /** Resolves to the copies brought when nothing is due any more or the store fails. Rejects only if aborted. */
  run(signal: AbortSignal): Promise<number> {
    this.#running ??= this.#run(signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(signal: AbortSignal): Promise<number> {
    const { audit, clock, logger, health } = this.#ports;
    let broughtCount = 0;
    try {
      while (this.hasWork && !health.isSuspect(this.storeId)) {
        const due = this.#owed.due(clock.monotonicMs());
        if (due.length > 0) {
          const needed = await this.#dropUnneeded(due);
          if (needed.length > 0) broughtCount += await this.#bringAll(needed, signal);
        } else {
          await audit.prove(this.storeId, signal);
          await audit.list(this.storeId, signal);
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("a store is not made whole yet", { store: this.storeId, error: describeError(error) });
    }
    return broughtCount;
  }

  /** What has been replaced or removed meanwhile is garbage: nobody misses it. */
  async #dropUnneeded(due: readonly OwedCopy[]): Promise<readonly OwedCopy[]> {
    const { journals, clock } = this.#ports;
    const states = journals.allOpened().map(({ state }) => state);
    const keys = await neededOf(
      due.map(({ key }) => key),
      states,
      clock,
    );
    for (const copy of due) if (!keys.has(copy.key)) this.#owed.settle(copy);
    return due.filter(({ key }) => keys.has(key));
  }

  /** Some at once, in the order in which they became known. Stops at the first failure of the store itself. */
  async #bringAll(due: readonly OwedCopy[], signal: AbortSignal): Promise<number> {
    const progress = new Progress(this.storeId, due, this.#ports);
    const rest = due.values();
    let failure: { readonly error: unknown } | undefined;
    const lane = async (): Promise<void> => {
      for (const copy of rest) {
        if (failure !== undefined) return;
        try {
          progress.note(copy, await this.#bring(copy, signal));
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: REPLICATION_COPIES_AT_ONCE_MAX }, lane));
    progress.end();
    if (failure !== undefined && progress.broughtCount === 0) throw failure.error;
    return progress.broughtCount;
  }

  async #bring(copy: OwedCopy, signal: AbortSignal): Promise<CopyResult> {
    const { clock, copier, budget } = this.#ports;
    using _grant = await budget.acquire(copy.byteLength, signal);
    const result = await copier.bring(copy, this.storeId, signal);
    if (result === "unavailable") this.#owed.postpone(copy, clock.monotonicMs() + OWED_COPY_RETRY_MS);
    else {
      // One that is lost holds nobody back: a store without it has as much as any other.
      if (result === "lost") await this.#ports.lost.note(copy, signal);
      this.#owed.settle(copy);
    }
    return result;
  }
}

/** Tells the log of copying that takes long. */
class Progress {
  broughtCount = 0;
  readonly #storeId: StoreId;
  readonly #ports: Pick<StoreRepairPorts, "clock" | "logger">;
  readonly #objects: number;
  #leftObjects: number;
  #leftBytes: number;
  #broughtBytes = 0;
  #toldAtMs: number;
  #isTold = false;

  constructor(storeId: StoreId, due: readonly OwedCopy[], ports: Pick<StoreRepairPorts, "clock" | "logger">) {
    this.#storeId = storeId;
    this.#ports = ports;
    this.#objects = due.length;
    this.#leftObjects = due.length;
    this.#leftBytes = due.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#toldAtMs = ports.clock.monotonicMs();
  }

  note({ byteLength }: OwedCopy, result: CopyResult): void {
    this.#leftObjects--;
    this.#leftBytes -= byteLength;
    if (result === "copied") {
      this.broughtCount++;
      this.#broughtBytes += byteLength;
    }
    const nowMs = this.#ports.clock.monotonicMs();
    if (nowMs - this.#toldAtMs < REPLICATION_PROGRESS_MS) return;
    this.#toldAtMs = nowMs;
    this.#isTold = true;
    const left = { objectsLeft: this.#leftObjects, bytesLeft: this.#leftBytes };
    this.#ports.logger.info("copies are brought to a store", { store: this.#storeId, ...left });
  }

  end(): void {
    if (this.broughtCount === 0 && !this.#isTold) return;
    const brought = { objects: this.broughtCount, bytes: this.#broughtBytes, looked: this.#objects };
    this.#ports.logger.info("copies have been brought to a store", { store: this.#storeId, ...brought });
  }
}
