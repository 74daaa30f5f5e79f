import type { Journal } from "#lib/journal/journal.ts";
import { ServiceClock } from "#lib/journal/service-clock.ts";
import { decodePointer, objectsOf, SnapshotShelf } from "#lib/journal/snapshot-shelf.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { parseObjectKey } from "#lib/storage/object-keys.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { JournalId, StoreId } from "#lib/util/branded.ts";
import { JOURNAL_CALL_MS_MAX } from "#lib/util/limits.ts";
import { copyAt } from "./copy-checks.ts";
import type { OwedCopy } from "./owed-copies.ts";

export interface SnapshotReferencesOptions {
  readonly journal: Journal;
  readonly stores: StoreSet;
  readonly clock: Clock;
  /** The journals whose snapshots are looked after here. */
  readonly journalIds: () => readonly JournalId[];
}

/** What journals begin with: the snapshots and archives that their newest pointers name. Every store should have them. */
export class SnapshotReferences {
  readonly #options: SnapshotReferencesOptions;

  constructor(options: SnapshotReferencesOptions) {
    this.#options = options;
  }

  /** Fails if a journal or the store gives no answer. */
  async missingAt(id: StoreId, signal: AbortSignal): Promise<readonly OwedCopy[]> {
    const found = await Promise.all(this.#options.journalIds().map((each) => this.#missingAt(id, each, signal)));
    return found.flat();
  }

  async #missingAt(id: StoreId, journalId: JournalId, signal: AbortSignal): Promise<readonly OwedCopy[]> {
    const { journal, stores, clock } = this.#options;
    const shelf = new SnapshotShelf(journal, journalId, new ServiceClock(clock));
    using limit = timeLimit(clock, JOURNAL_CALL_MS_MAX, signal);
    const record = await shelf.newest(limit.signal);
    if (record === undefined) return [];
    const { takenAtMs: writtenAtMs, ...pointer } = decodePointer(record);
    const owed = objectsOf(pointer).map(async (reference): Promise<readonly OwedCopy[]> => {
      const key = parseObjectKey(reference.key);
      const { byteLength, copies: sources } = reference;
      const doubt = await copyAt(stores.store(id), { key, byteLength }, limit.signal);
      if (doubt === "there") return [];
      return [{ key, byteLength, sources, journals: [], writtenAtMs, reference, doubt, dueAtMs: 0 }];
    });
    return (await Promise.all(owed)).flat();
  }
}
