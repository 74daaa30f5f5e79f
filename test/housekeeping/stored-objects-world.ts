import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import type { JournalRecord } from "#lib/journal/journal.ts";
import { decodePointer, type SnapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoredJournalObjects } from "#lib/storage/journal-objects.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { type CounterJournal, NEVER, SNAPSHOTS, World } from "../journal/support.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const HOUR_MS = 3_600_000;

/** Journals whose objects lie in two stores, under the keys that they really have. */
export class StoredObjectsWorld extends World {
  readonly services: readonly MemoryObjectService[];
  readonly stores: StoreSet;
  readonly stored: StoredJournalObjects;

  constructor(options = { checksTrimMark: true }) {
    super(options);
    const { clock } = this;
    this.services = [new MemoryObjectService(clock), new MemoryObjectService(clock)];
    this.stores = new StoreSet(
      new Map(
        this.services.map((service, id): [StoreId, MemoryObjectStore] => [
          id,
          new MemoryObjectStore(service, { clock }),
        ]),
      ),
    );
    const ports = { stores: this.stores, clock, random: new SeededRandom(99), logger: SILENT_LOGGER };
    this.stored = new StoredJournalObjects({
      ...ports,
      writer: new ReplicatedWriter(ports),
      placement: () => ({ stores: [0, 1], needed: 2 }),
      uploadEpoch: () => Math.floor(clock.nowMs() / HOUR_MS),
    });
  }

  override process(options: Parameters<World["process"]>[0]): CounterJournal {
    return super.process({ objects: this.stored, ...options });
  }

  /** A process that has opened the journal. */
  async start(journal = this.service.connect()): Promise<CounterJournal> {
    const state = this.process({ journal });
    await this.run(state.open(NEVER));
    return state;
  }

  pointers(): readonly SnapshotPointer[] {
    return this.service.recordsOf(SNAPSHOTS).map((record: JournalRecord) => decodePointer(record));
  }

  /** The keys in store 0, sorted. */
  keys(): readonly string[] {
    return this.services[0]?.sortedKeys() ?? [];
  }
}
