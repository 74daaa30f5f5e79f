import { JOURNAL_OBJECT_PREFIX, MARKER_KEY } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { StoreWorld } from "../sim-object-store.ts";
import type { Calm } from "./calm.ts";
import type { SessionTimes } from "./replica-truth.ts";

/** The replicator makes all copies again within this time, from when it knows that it leads. */
const REPAIR_MS_MAX = 5 * 60 * 1_000;

/** After a loss everything is whole again when nothing has been wrong for so long. */
export function repairMsMax({ sessionMs }: SessionTimes): number {
  return REPAIR_MS_MAX + 2 * sessionMs;
}

/** A store that has not been made whole since it lost something: when it did first, and last. */
export interface OpenLoss {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * What stores lose, and for how long that counts. A promise to outlive the loss of f stores is about f at a time: a store
 * that has lost something counts as lost until the replicator has had its time.
 */
export class Losses {
  readonly #scheduler: Scheduler;
  readonly #calm: Calm;
  readonly #stores: readonly StoreWorld[];
  /** How many stores may be lost at a time. */
  readonly #storesMax: number;
  readonly #exceeds: boolean;
  /** Of what no store had any more, how many had lost it when the last of them did. */
  readonly #lostAtOnce = new Map<ObjectKey, number>();
  readonly #repairMs: number;
  readonly #open = new Map<StoreId, OpenLoss>();

  constructor(
    scheduler: Scheduler,
    calm: Calm,
    options: {
      readonly stores: readonly StoreWorld[];
      readonly storesMax: number;
      readonly repairMs: number;
      /** More than that may be, but journals must be able to begin again with what is left. */
      readonly exceeds: boolean;
    },
  ) {
    this.#scheduler = scheduler;
    this.#calm = calm;
    this.#stores = options.stores;
    this.#storesMax = options.storesMax;
    this.#exceeds = options.exceeds;
    this.#repairMs = options.repairMs;
    calm.onOver(() => this.#settle());
  }

  /** Stores whose last loss nobody need have made good yet. */
  open(): ReadonlyMap<StoreId, OpenLoss> {
    this.#settle();
    return this.#open;
  }

  mayLose(storeId: StoreId): boolean {
    const open = this.open();
    return this.#exceeds || open.has(storeId) || open.size < this.#storesMax;
  }

  /** Each object goes with probability `share`; the marker is what an operator brings back first. */
  lose(storeId: StoreId, share: number, random: SeededRandom): void {
    const { service, lost } = defined(this.#stores.find(({ id }) => id === storeId));
    const nowMs = this.#scheduler.elapsedMs;
    let count = 0;
    for (const key of service.sortedKeys()) {
      const isSpared = this.#exceeds && key.startsWith(JOURNAL_OBJECT_PREFIX);
      if (key === MARKER_KEY || isSpared || !random.chance(share)) continue;
      service.delete(key);
      lost.set(key, nowMs);
      count++;
      const firstMs = this.open().get(storeId)?.firstMs ?? nowMs;
      this.#open.set(storeId, { firstMs, lastMs: nowMs });
      if (this.isGone(key)) this.#lostAtOnce.set(key, this.lostBy(key));
    }
    this.#scheduler.trace(`store ${storeId} loses ${count} objects`);
  }

  /** Whether no store has it any more. */
  isGone(key: ObjectKey): boolean {
    return !this.#stores.some(({ service }) => service.objects.has(key));
  }

  /** How many stores have lost it and need not have made that good yet. */
  lostBy(key: ObjectKey): number {
    const open = this.open();
    const lost = this.#stores.filter(({ id, service, lost }) => {
      const firstMs = open.get(id)?.firstMs ?? Number.POSITIVE_INFINITY;
      return !service.objects.has(key) && (lost.get(key) ?? -1) >= firstMs;
    });
    return lost.length;
  }

  /** How many stores lost it until the last one had, before that could be made good. */
  lostAtOnce(key: ObjectKey): number {
    return this.#lostAtOnce.get(key) ?? 0;
  }

  #settle(): void {
    const nowMs = this.#scheduler.elapsedMs;
    for (const [id, { lastMs }] of this.#open) {
      if (Math.min(this.#calm.lastedMs, nowMs - lastMs) >= this.#repairMs) this.#open.delete(id);
    }
  }
}
