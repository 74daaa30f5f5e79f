import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryObjectStore, type StoreCall, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { GarbageWorker } from "#lib/housekeeping/garbage/garbage-worker.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogSegment } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { segmentFiles } from "#lib/log/segments.ts";
import { type LogFields, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { segmentDirectory, writeAheadKey } from "#lib/storage/object-keys.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { LogWorld, NEVER, topicOf } from "../../log/append-harness.ts";
import { flushIdOf } from "../../log/log-fixtures.ts";

export const HOUR_MS = 3_600_000;
/** Two partitions, one in each of two journals. */
export const TOPIC = topicOf(1, { partitionCount: 2 });
const WRITER = "0123456789abcdef";

/** Two log journals and a few stores, in which objects lie that are put and referred to by hand. */
export class GarbageWorld extends LogWorld {
  readonly #journals: LogJournals;
  #attempt = 0;

  constructor(storeCount = 1) {
    super(storeCount);
    this.addTopic(TOPIC);
    this.#journals = this.journals(undefined, 900);
  }

  /** The upload epoch of this hour. */
  get hour(): number {
    return Math.floor(this.clock.nowMs() / HOUR_MS);
  }

  keys(store = 0): readonly ObjectKey[] {
    return defined(this.storeServices[store]).sortedKeys();
  }

  /** Puts a write-ahead object into every store. */
  upload(n: number, uploadEpoch = this.hour): ObjectKey {
    const key = writeAheadKey({ uploadEpoch, writerId: WRITER, flushId: flushIdOf(n) });
    this.put(key);
    return key;
  }

  put(key: ObjectKey): void {
    for (const service of this.storeServices) service.put(key, new Uint8Array(100));
  }

  /** Both partitions of the topic are open. */
  async openTopic(): Promise<void> {
    await this.propose(0, { kind: "place-replicas", replicas: [0] });
    await this.propose(1, { kind: "place-replicas", replicas: [0] });
    for (const partitionIndex of [0, 1]) {
      const { topicId } = TOPIC;
      const settings = { replicationFactor: 1, minInsyncReplicas: 1, clusterSeq: 10 };
      await this.propose(partitionIndex, { kind: "open", topicId, partitionIndexes: [partitionIndex], ...settings });
    }
  }

  /** Partition 0 lives in journal 0, partition 1 in journal 1. */
  propose(journalNumber: number, command: LogCommand): Promise<LogOutcome> {
    return this.run(
      (async () => {
        const journal = await this.#journals.journal(journalNumber, NEVER);
        await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, NEVER);
        return (await journal.propose(command, { lane: "test", signal: NEVER })).outcome;
      })(),
    );
  }

  /** One record that lies in the object. */
  refer(n: number, key: ObjectKey, partitionIndex = 0): Promise<LogOutcome> {
    const facts = { maxTimestampMs: 1, producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: false };
    const batch = { byteLength: 100, offsetCount: 1, ...facts, requireMinInsync: false };
    return this.propose(partitionIndex, {
      kind: "append",
      flushId: flushIdOf(n),
      source: { kind: "object", key, byteLength: 100, copies: [0] },
      parts: [{ topicId: TOPIC.topicId, partitionIndex, position: 0, batches: [batch] }],
    });
  }

  /** A segment whose files lie in every store, not referred to yet. */
  uploadSegment(offsets: Pick<LogSegment, "baseOffset" | "nextOffset">, uploadEpoch = this.hour): LogSegment {
    const attemptId = String(++this.#attempt).padStart(32, "0");
    const segment: LogSegment = {
      ...offsets,
      directory: segmentDirectory({ uploadEpoch, attemptId, topic: "orders", partitionIndex: 0 }),
      ...{ byteLength: 100, indexByteLength: 8, timeIndexByteLength: 12, txnIndexByteLength: 0 },
      ...{ maxTimestampMs: 1, appendedAtMs: 1, isCleaned: false, copies: [0] },
    };
    for (const { key } of segmentFiles(segment)) this.put(key);
    return segment;
  }

  collector(options: CollectorOptions = {}): Collector {
    return new Collector(this, options);
  }
}

export interface CollectorOptions {
  readonly journalFaults?: JournalFaultPlan;
  readonly storeFaults?: (call: StoreCall & { readonly store: number }) => StoreFault | undefined;
  readonly journalCount?: number;
}

/** A process that collects garbage. */
export class Collector {
  readonly worker: GarbageWorker;
  readonly journals: LogJournals;
  readonly calls: (StoreCall & { readonly store: number })[] = [];
  readonly log: { readonly message: string; readonly fields: LogFields }[] = [];
  readonly #world: GarbageWorld;

  constructor(world: GarbageWorld, { journalFaults, storeFaults, journalCount }: CollectorOptions) {
    const { clock, topics } = world;
    this.#world = world;
    this.journals = world.journals(journalFaults, 901, journalCount);
    const stores = world.storeServices.map((service, store) => {
      const faults = (call: StoreCall) => {
        this.calls.push({ ...call, store });
        return storeFaults?.({ ...call, store });
      };
      return [store, new MemoryObjectStore(service, { clock, faults })] as const;
    });
    const note = (message: string, fields: LogFields = {}) => void this.log.push({ message, fields });
    this.worker = new GarbageWorker({
      journals: this.journals,
      cluster: { refresh: async () => {}, topics: () => [...topics.values()], find: (topicId) => topics.get(topicId) },
      stores: new StoreSet(new Map(stores)),
      clock,
      logger: { ...SILENT_LOGGER, info: note, warn: note },
    });
  }

  run(isForced = false): Promise<number> {
    return this.#world.run(this.worker.runOnce({ isForced, signal: NEVER }));
  }

  /** As `--now`: until nothing is left. */
  async runOut(): Promise<number> {
    let total = 0;
    for (let count = await this.run(true); count > 0; count = await this.run(true)) total += count;
    return total;
  }

  count(operation: StoreCall["operation"]): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }
}
