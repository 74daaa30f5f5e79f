import { expect } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreCall,
  type StoreFault,
} from "#lib/adapters/memory/memory-object-store.ts";
import { CopyTracker } from "#lib/housekeeping/replication/copy-tracker.ts";
import { Replication } from "#lib/housekeeping/replication/replication.ts";
import { SnapshotReferences } from "#lib/housekeeping/replication/snapshot-references.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { type LogJournal, type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { LEADERS_FEATURE_LEVEL, logStateMachine } from "#lib/log/log-state-machine.ts";
import type { PartitionDirectory, TopicPlacement } from "#lib/log/partition-directory.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { type LogFields, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoredJournalObjects } from "#lib/storage/journal-objects.ts";
import { MARKER_KEY, SEGMENT_PREFIX, WRITE_AHEAD_PREFIX } from "#lib/storage/object-keys.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { encodeStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId, TopicId } from "#lib/util/branded.ts";
import { FLUSH_TIMEOUT_MS } from "#lib/util/limits.ts";
import { topicIdOf } from "../../log/log-fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const never = new AbortController().signal;
const STORES = 3;
export const LAG_MS = 30_000;

/** RF 3 in journal 0; partition 1 would be in journal 1. */
export function replicatedTopic(n: number, fields: Partial<TopicPlacement> = {}): TopicPlacement {
  return {
    topicId: topicIdOf(n),
    partitionCount: 2,
    replicationFactor: 3,
    minInsyncReplicas: 1,
    baseJournal: 0,
    journalCount: 2,
    clusterSeq: 10,
    ...fields,
  };
}

/** Three stores and one journal service, with as many processes as a test starts. */
export class ReplicaWorld {
  readonly clock = new ManualClock();
  readonly journalService = new MemoryJournalService(this.clock);
  readonly services: readonly MemoryObjectService[];
  readonly topics = new Map<TopicId, TopicPlacement>();

  constructor() {
    this.services = Array.from({ length: STORES }, (_, id) => {
      const service = new MemoryObjectService(this.clock);
      service.put(MARKER_KEY, encodeStoreMarker(markerOf(id)));
      return service;
    });
  }

  service(id: StoreId): MemoryObjectService {
    return defined(this.services[id]);
  }

  /** The write-ahead segments in a store. */
  keys(id: StoreId): readonly ObjectKey[] {
    return this.#keys(id, WRITE_AHEAD_PREFIX);
  }

  /** The files of log segments in a store. */
  segmentKeys(id: StoreId): readonly ObjectKey[] {
    return this.#keys(id, SEGMENT_PREFIX);
  }

  #keys(id: StoreId, prefix: string): readonly ObjectKey[] {
    return this.service(id)
      .sortedKeys()
      .filter((key) => key.startsWith(prefix));
  }

  /** Every store has everything that store `id` has. */
  expectWhole(id: StoreId): void {
    for (const each of this.services.keys()) expect(this.keys(each)).toEqual(this.keys(id));
  }

  /** Everything is gone but the marker, as when a disk was replaced and made the same store again. */
  empty(id: StoreId, options: { readonly keepMarker: boolean } = { keepMarker: true }): void {
    this.service(id).clear();
    if (options.keepMarker) this.service(id).put(MARKER_KEY, encodeStoreMarker(markerOf(id)));
  }

  async start(brokerId: number, options: ReplicaProcessOptions = {}): Promise<ReplicaProcess> {
    const process = new ReplicaProcess(this, brokerId, options);
    await this.clock.run(process.journals.openAll(never));
    if (options.isOnDemand !== true) void process.replication.run(process.stopping.signal);
    return process;
  }
}

export interface ReplicaProcessOptions {
  readonly isOnDemand?: boolean;
  readonly journalFaults?: JournalFaultPlan;
}

export function markerOf(storeId: StoreId): StoreMarker {
  return { storeId, identity: `${storeId}`.repeat(32) };
}

class Directory implements PartitionDirectory {
  readonly #topics: Map<TopicId, TopicPlacement>;

  constructor(topics: Map<TopicId, TopicPlacement>) {
    this.#topics = topics;
  }

  find(topicId: TopicId): TopicPlacement | undefined {
    return this.#topics.get(topicId);
  }

  async refresh(): Promise<void> {}
}

/** One broker: appends, and keeps the replicas of the journals that name it as their leader. */
export class ReplicaProcess {
  readonly stopping = new AbortController();
  readonly brokerId: number;
  readonly health: StoreHealth;
  readonly tracker: CopyTracker;
  readonly journals: LogJournals;
  readonly replication: Replication;
  /** Every call to a store, marker reads included. */
  readonly calls: (StoreCall & { readonly store: StoreId })[] = [];
  readonly log: { readonly message: string; readonly fields: LogFields }[] = [];
  /** What goes wrong for this process. */
  readonly faults = new Map<StoreId, (call: StoreCall) => StoreFault | undefined>();
  readonly #world: ReplicaWorld;
  readonly #path: AppendPath;
  readonly #writer: ReplicatedWriter;

  constructor(world: ReplicaWorld, brokerId: number, options: ReplicaProcessOptions) {
    const { clock, services } = world;
    this.#world = world;
    this.brokerId = brokerId;
    const random = new SeededRandom(brokerId + 1);
    const note = (message: string, fields: LogFields = {}) => void this.log.push({ message, fields });
    const logger = { ...SILENT_LOGGER, info: note, warn: note, error: note };
    const bare = services.map((service, store) => {
      const faults = (call: StoreCall) => {
        this.calls.push({ ...call, store });
        return this.faults.get(store)?.(call);
      };
      return [store, new MemoryObjectStore(service, { clock, faults })] as const;
    });
    this.health = new StoreHealth(clock);
    const { health } = this;
    const stores = watchStores(new StoreSet(new Map(bare)), health);
    const isThorough = options.isOnDemand !== true;
    this.tracker = new CopyTracker({ storeIds: stores.ids, clock, isThorough });
    const { tracker } = this;
    const writer = new ReplicatedWriter({ stores, clock, random, logger, health, lateCopies: tracker });
    this.#writer = writer;
    const journal = world.journalService.connect(options.journalFaults);
    const objects = new StoredJournalObjects({
      ...{ stores, writer, clock, random, logger, health },
      placement: () => ({ stores: stores.ids, needed: 2 }),
      uploadEpoch: () => 0,
    });
    const journalPorts = { machine: logStateMachine, journal, objects, clock, random, logger, snapshotRecordsMin: 1 };
    const create = (id: LogJournal["id"]) => new ReplicatedState({ id, ...journalPorts });
    this.journals = newLogJournals({ count: 2, create, signal: this.stopping.signal });
    const { journals } = this;
    const journalIds = () => tracker.led().map((led) => led.journal.id);
    this.replication = new Replication({
      ...{ stores, health, tracker, journals, clock, logger, markerOf },
      snapshots: new SnapshotReferences({ journal, stores, clock, journalIds }),
      leads: ({ leader }) => options.isOnDemand === true || leader.brokerId === brokerId,
      lagMsMax: () => LAG_MS,
    });
    this.#path = new AppendPath(
      {
        ...{ journals, writer, health, clock, random, logger },
        directory: new Directory(world.topics),
        storeIds: stores.ids,
        recent: { addObject() {}, addInline() {} },
        memory: new SegmentMemory(64 * 1024),
        signal: this.stopping.signal,
      },
      { ...DEFAULT_APPEND_SETTINGS, inlineBytesMax: 0 },
    );
  }

  journal(journalNumber = 0): LogJournal {
    return defined(this.journals.opened(journalNumber));
  }

  isr(journalNumber = 0): readonly StoreId[] {
    return this.journal(journalNumber).state.isr;
  }

  /** Becomes the leader of a journal. */
  async lead(journalNumber = 0): Promise<void> {
    const journal = this.journal(journalNumber);
    await this.#world.clock.run(this.#elect(journal));
  }

  async #elect(journal: LogJournal): Promise<void> {
    await journal.readBarrier(never);
    await journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, never);
    const { epoch: expectedEpoch } = journal.state.leader;
    const { brokerId } = this;
    const elect = { kind: "elect", expectedEpoch, brokerId, brokerEpoch: 1, clusterSeq: 1 } as const;
    await journal.propose(elect, { lane: "elections", signal: never });
  }

  /** One record for partition 0; answers what became of it. */
  async append(topic: TopicPlacement, text = "x", partitionIndex = 0): Promise<string> {
    this.#world.topics.set(topic.topicId, topic);
    const record = { timestampMs: 1_000, key: null, value: Buffer.from(text), headers: [] };
    const bytes = buildBatch([record], { partitionLeaderEpoch: 0 });
    const append = { topic, partitionIndex, header: readBatchHeader(bytes), bytes };
    const answers = this.#path.append([append], { signal: never, requireMinInsync: true });
    const [answer] = await this.#world.clock.run(answers);
    return defined(answer).kind;
  }

  /** Appends under load for so long that the store's failing shows. */
  async appendFor(topic: TopicPlacement, ms: number): Promise<void> {
    const { clock } = this.#world;
    const endMs = clock.monotonicMs() + ms;
    while (clock.monotonicMs() < endMs) {
      expect(await this.append(topic)).toBe("appended");
      await clock.advance(500);
    }
  }

  /** So many appends, one after another. */
  async appendMany(topic: TopicPlacement, count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.append(topic, `${n}`);
  }

  async settle(): Promise<void> {
    await this.#world.clock.run(this.#writer.drain());
  }

  owed(id: StoreId): number {
    return defined(this.replication.stores()[id]).owedObjects;
  }

  messages(): readonly string[] {
    return this.log.map((line) => line.message);
  }
}

/** A world in which one process leads, one record is there, and every store has been listed. */
export async function startLed(topic: TopicPlacement): Promise<{ world: ReplicaWorld; leader: ReplicaProcess }> {
  const world = new ReplicaWorld();
  const leader = await world.start(0);
  await leader.append(topic, "first");
  await leader.lead();
  // Becoming the leader is a reason to list every store, and again when all flushes of that time have ended.
  await world.clock.advance(2 * FLUSH_TIMEOUT_MS);
  return { world, leader };
}
