import type { ProvisionedCapacity } from "#lib/config/journal-capacity.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { ScaledCapacity } from "./scaled-capacity.ts";

export type UnitKind = "writes" | "reads";

/** What a table lets happen. */
export interface TableCapacity {
  /** Fails with `JournalUnavailableError`, throttled, if nothing is left. */
  admit(kind: UnitKind): Promise<void>;
  use(kind: UnitKind, units: number): void;
}

/** On demand there is enough for everything that is measured here. */
export const ON_DEMAND: TableCapacity = { admit: () => Promise.resolve(), use: () => {} };

/** How long a refusal takes to arrive. */
const REFUSAL_MS = 3;

/** A table that is paid by the hour. */
export class ProvisionedTable implements TableCapacity {
  readonly writes: ScaledCapacity;
  readonly reads: ScaledCapacity;
  readonly #clock: Clock;

  constructor(clock: Clock, { minWrites, maxWrites, minReads, maxReads, targetPercent }: ProvisionedCapacity) {
    this.#clock = clock;
    this.writes = new ScaledCapacity(clock, { min: minWrites, max: maxWrites, targetPercent });
    this.reads = new ScaledCapacity(clock, { min: minReads, max: maxReads, targetPercent });
  }

  async admit(kind: UnitKind): Promise<void> {
    if (this[kind].admits()) return;
    await this.#clock.sleep(REFUSAL_MS);
    throw new JournalUnavailableError(`no ${kind} are left`, { throttled: true });
  }

  use(kind: UnitKind, units: number): void {
    this[kind].use(units);
  }

  reset(): void {
    this.writes.reset();
    this.reads.reset();
  }
}
