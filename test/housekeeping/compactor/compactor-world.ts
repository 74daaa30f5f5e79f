import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryObjectStore, type StoreCall, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import type { TopicSettings } from "#lib/cluster/topic-settings.ts";
import { Compactor } from "#lib/housekeeping/compactor/compactor.ts";
import type { SegmentSettings } from "#lib/housekeeping/compactor/plan-segments.ts";
import type { SeriesEnds } from "#lib/housekeeping/workers/worker.ts";
import { newWorkerReaders, type WorkerParts } from "#lib/housekeeping/workers/worker-parts.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import type { LogSegment, PartitionState } from "#lib/log/log-state.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { segmentFiles, segmentKey } from "#lib/log/segments.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";
import type { SegmentSuffix } from "#lib/storage/object-keys.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { verifySegment } from "#lib/storage/segments/verify-segment.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { joined } from "../../log/fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, NEVER, topicOf } from "../../log/fetch-harness.ts";
import { stateOf } from "../../log/segment-fixtures.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** Kafka's defaults. */
export const DEFAULTS: SegmentSettings = {
  segmentBytes: 1_073_741_824,
  segmentMs: 7 * DAY_MS,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  isCompacted: false,
  isDeleted: true,
  retentionMs: 7 * DAY_MS,
  retentionBytes: -1,
};

const UNUSED = {
  messageBytesMax: 1_048_588,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: HOUR_MS,
  minInsyncReplicas: 1,
  compressionType: "producer",
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  deleteRetentionMs: DAY_MS,
} as const;

export interface WorkerProcessOptions {
  readonly storeFaults?: (call: StoreCall & { readonly store: number }) => StoreFault | undefined;
  readonly journalFaults?: JournalFaultPlan;
  readonly leads?: WorkerParts["leads"];
  readonly tailCache?: TailCache;
  /** The stores that make logs by themselves. */
  readonly composers?: readonly number[];
}

/** A compactor in a process of its own, with the requests that it makes. */
export class WorkerProcess {
  readonly parts: WorkerParts;
  readonly compactor: Compactor;
  readonly journals: LogJournals;
  /** `<store> <operation> <key>`. */
  readonly calls: string[] = [];
  readonly warnings: string[] = [];
  readonly stop = new AbortController();
  readonly #world: CompactorWorld;

  constructor(world: CompactorWorld, options: WorkerProcessOptions, seed: number) {
    const { clock, journalService, journalObjects, storeServices } = world.world;
    const random = new SeededRandom(seed);
    const logger = warningsTo(this.warnings);
    this.#world = world;
    const health = new StoreHealth(clock);
    const stores = storeServices.map((service, store) => {
      const faults = (call: StoreCall): StoreFault | undefined => {
        this.calls.push(`${store} ${call.operation} ${call.key}`);
        return options.storeFaults?.({ ...call, store });
      };
      const composes = options.composers?.includes(store) === true;
      return [store, new MemoryObjectStore(service, { clock, faults, composes })] as const;
    });
    const watched = watchStores(new StoreSet(new Map(stores)), health);
    const journal = journalService.connect(options.journalFaults);
    this.journals = newLogJournals({
      count: 2,
      create: (id) =>
        new ReplicatedState({ id, machine: logStateMachine, journal, objects: journalObjects, clock, random, logger }),
      signal: this.stop.signal,
    });
    const ports = { journal, stores: watched, clock, random, logger, health };
    this.parts = {
      ...ports,
      ...newWorkerReaders({ ...ports, tailCache: options.tailCache ?? new TailCache(0) }),
      journals: this.journals,
      leads: options.leads ?? (() => true),
      cluster: { topic: () => world.view() },
      writer: new ReplicatedWriter(ports),
    };
    this.compactor = new Compactor(this.parts);
  }

  /** One run; by schedule unless it is forced. */
  run(isForced = false, ends?: SeriesEnds): Promise<number> {
    return this.#world.world.run(this.compactor.runOnce({ isForced, ends, signal: this.stop.signal }));
  }

  count(operation: StoreCall["operation"]): number {
    return this.calls.filter((call) => call.split(" ")[1] === operation).length;
  }
}

function warningsTo(lines: string[]): Logger {
  const warn = (message: string, fields: LogFields = {}): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug() {}, info() {}, warn, error: warn };
}

/** A topic with four partitions in two journals, and two stores. */
export class CompactorWorld {
  readonly world = new FetchWorld();
  readonly process: FetchProcess;
  readonly topic: TopicPlacement;
  settings: SegmentSettings;
  isTopicKnown = true;
  #seed = 40;

  constructor(options: { readonly settings?: Partial<SegmentSettings>; readonly replicationFactor?: number } = {}) {
    this.settings = { ...DEFAULTS, ...options.settings };
    this.process = this.world.process({ tailCacheBytes: 0 });
    this.topic = this.world.addTopic(topicOf(1, { replicationFactor: options.replicationFactor ?? 1 }));
  }

  worker(options: WorkerProcessOptions = {}): WorkerProcess {
    return new WorkerProcess(this, options, this.#seed++);
  }

  /** What `ClusterView.topic` answers. */
  view(): { readonly name: string; readonly settings: TopicSettings } | undefined {
    return this.isTopicKnown ? { name: "rivers", settings: { ...UNUSED, ...this.settings } } : undefined;
  }

  /** Commits one flush; `inline`: in the journal record. */
  async append(
    parts: readonly (readonly [partitionIndex: number, batches: readonly Uint8Array[]])[],
    options: { readonly inline?: boolean } = {},
  ): Promise<ObjectKey> {
    const appended = parts.map(([partitionIndex, batches]) => ({ topic: this.topic, partitionIndex, batches }));
    return this.world.run(this.process.append(appended, { ...options, cache: false }));
  }

  advance(ms: number): Promise<void> {
    return this.world.clock.advance(ms);
  }

  /** As the writer's process sees it, after a look at the journals. */
  async partition(partitionIndex = 0): Promise<PartitionState> {
    for (const journal of this.process.journals.allOpened()) await this.world.run(journal.readBarrier(NEVER));
    return stateOf(this.process, this.topic, partitionIndex);
  }

  /** Everything that a consumer gets from the log start on. */
  async fetchAll(partitionIndex = 0): Promise<Uint8Array> {
    const { logStartOffset, logEndOffset } = await this.partition(partitionIndex);
    const batches: Uint8Array[] = [];
    for (let offset = logStartOffset; offset < logEndOffset; ) {
      const fetched = await this.process.fetchOne(this.topic, partitionIndex, offset);
      if (fetched.error !== 0) throw new Error(`error ${fetched.error} at ${offset}`);
      const split = splitBatches(joined(fetched.records));
      batches.push(...split.batches);
      const last = readBatchHeader(defined(split.batches.at(-1), "no batch"));
      offset = lastOffsetOf(last) + 1;
    }
    return joined(batches);
  }

  /** The files of the partition's segments, verified in each store that has them; answers the logs. */
  async logs(partitionIndex = 0): Promise<Uint8Array> {
    const { segments } = await this.partition(partitionIndex);
    const logs: Uint8Array[] = [];
    for (const segment of segments) {
      for (const id of segment.copies) {
        const file = (suffix: SegmentSuffix) => this.file(id, segment, suffix);
        const files = {
          log: [file("log")],
          index: file("index"),
          timeIndex: file("timeindex"),
          txnIndex: file("txnindex"),
        };
        const problems = verifySegment(files, segment);
        if (problems.length > 0) throw new Error(JSON.stringify(problems));
      }
      logs.push(this.file(defined(segment.copies[0]), segment, "log"));
    }
    return joined(logs);
  }

  file(store: number, segment: LogSegment, suffix: SegmentSuffix): Uint8Array {
    const object = this.world.storeServices[store]?.objects.get(segmentKey(segment, suffix));
    return object?.bytes ?? new Uint8Array(0);
  }

  /** Keys of segment files and gathered objects that no partition refers to. */
  async unreferenced(): Promise<readonly string[]> {
    const used = new Set<string>();
    for (const journal of this.process.journals.allOpened()) {
      await this.world.run(journal.readBarrier(NEVER));
      for (const { segments, entries } of journal.state.partitions.values()) {
        for (const segment of segments) for (const { key } of segmentFiles(segment)) used.add(key);
        for (const { place } of entries) if (place.kind === "object") used.add(place.key);
      }
    }
    return this.world.storeServices.flatMap(({ objects }) => [...objects.keys()].filter((key) => !used.has(key)));
  }
}

/** A batch of `valueBytes` random bytes, so that no two are alike. */
export function batchOf(valueBytes: number, timestampMs = 1_000): Uint8Array {
  const value = Buffer.from(bytes.bytes(valueBytes));
  return buildBatch([{ timestampMs, key: null, value, headers: [] }], { partitionLeaderEpoch: 0 });
}

const bytes = new SeededRandom(7);
