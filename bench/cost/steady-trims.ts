import { backOffMs } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { JournalId } from "#lib/util/branded.ts";
import {
  DYNAMODB_BATCH_ITEMS_MAX,
  DYNAMODB_BATCHES_AT_ONCE_MAX,
  HOUSEKEEPING_PERIOD_MS,
  JOURNAL_BACK_OFF_MS_MAX,
  JOURNAL_BACK_OFF_MS_MIN,
  SNAPSHOT_RECORDS_MIN,
} from "#lib/util/limits.ts";
import type { SeededRandom } from "../../test/support/seeded-random.ts";

const BACK_OFF = { minMs: JOURNAL_BACK_OFF_MS_MIN, maxMs: JOURNAL_BACK_OFF_MS_MAX };

/** Deletes records of so many units each; fails if it is throttled. */
type DeleteBatch = (units: readonly number[]) => Promise<void>;

/**
 * What deleting the records of a day ago adds to a load that has long been the same: for each record appended one goes,
 * and, as trims do it, all up to the next snapshot at once, by the housekeeper's next call.
 */
export class SteadyTrims {
  readonly #appended = new Map<JournalId, number[]>();
  readonly #ports: { readonly clock: Clock; readonly random: SeededRandom };

  constructor(ports: { readonly clock: Clock; readonly random: SeededRandom }) {
    this.#ports = ports;
  }

  noteAppended(journal: JournalId, units: number): void {
    const records = this.#appended.get(journal);
    if (records === undefined) this.#appended.set(journal, [units]);
    else records.push(units);
  }

  async run(deleteBatch: DeleteBatch, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const records of this.#appended.values()) {
        while (records.length >= SNAPSHOT_RECORDS_MIN) {
          await this.#deleteAll(records.splice(0, SNAPSHOT_RECORDS_MIN), deleteBatch);
        }
      }
      await this.#ports.clock.sleep(HOUSEKEEPING_PERIOD_MS, signal).catch(() => {});
    }
  }

  async #deleteAll(records: readonly number[], deleteBatch: DeleteBatch): Promise<void> {
    const chunk = DYNAMODB_BATCH_ITEMS_MAX * DYNAMODB_BATCHES_AT_ONCE_MAX;
    for (let from = 0; from < records.length; from += chunk) {
      const batches: Promise<void>[] = [];
      for (let at = from; at < Math.min(from + chunk, records.length); at += DYNAMODB_BATCH_ITEMS_MAX) {
        batches.push(this.#persist(() => deleteBatch(records.slice(at, at + DYNAMODB_BATCH_ITEMS_MAX))));
      }
      await Promise.all(batches);
    }
  }

  async #persist(work: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch {
        await this.#ports.clock.sleep(backOffMs(tries, BACK_OFF, this.#ports.random));
      }
    }
  }
}
