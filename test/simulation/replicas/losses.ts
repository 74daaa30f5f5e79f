import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import type { StoreId } from "#lib/util/branded.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { StoreWorld } from "../sim-object-store.ts";
import type { Calm } from "./calm.ts";

/** After a loss the replicator has made all copies again when nothing has been wrong for so long. */
export const REPAIR_MS_MAX = 5 * 60 * 1_000;

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
  readonly #repairs: boolean;
  readonly #open = new Map<StoreId, OpenLoss>();

  constructor(
    scheduler: Scheduler,
    calm: Calm,
    options: { readonly stores: readonly StoreWorld[]; readonly storesMax: number; readonly repairs: boolean },
  ) {
    this.#scheduler = scheduler;
    this.#calm = calm;
    this.#stores = options.stores;
    this.#storesMax = options.storesMax;
    this.#repairs = options.repairs;
    calm.onOver(() => this.#settle());
  }

  /** Stores whose last loss nobody need have made good yet. */
  open(): ReadonlyMap<StoreId, OpenLoss> {
    this.#settle();
    return this.#open;
  }

  mayLose(storeId: StoreId): boolean {
    const open = this.open();
    return open.has(storeId) || open.size < this.#storesMax;
  }

  /** Each object goes with probability `share`; the marker is what an operator brings back first. */
  lose(storeId: StoreId, share: number, random: SeededRandom): void {
    const { service, lost } = defined(this.#stores.find(({ id }) => id === storeId));
    let count = 0;
    for (const key of service.sortedKeys()) {
      if (key === MARKER_KEY || !random.chance(share)) continue;
      service.delete(key);
      lost.set(key, this.#scheduler.elapsedMs);
      count++;
    }
    const nowMs = this.#scheduler.elapsedMs;
    if (count > 0) this.#open.set(storeId, { firstMs: this.#open.get(storeId)?.firstMs ?? nowMs, lastMs: nowMs });
    this.#scheduler.trace(`store ${storeId} loses ${count} objects`);
  }

  #settle(): void {
    if (!this.#repairs) return;
    const nowMs = this.#scheduler.elapsedMs;
    for (const [id, { lastMs }] of this.#open) {
      if (Math.min(this.#calm.lastedMs, nowMs - lastMs) >= REPAIR_MS_MAX) this.#open.delete(id);
    }
  }
}
