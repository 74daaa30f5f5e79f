import { MemoryObjectStore, type StoreFaultPlan } from "#lib/adapters/memory/memory-object-store.ts";
import { Cleaner } from "#lib/housekeeping/cleaner/cleaner.ts";
import type { CleaningSettings } from "#lib/housekeeping/cleaner/cleaning-plan.ts";
import type { PassLimits } from "#lib/housekeeping/cleaner/partition-cleaner.ts";
import { SegmentWriter } from "#lib/housekeeping/workers/segment-writer.ts";
import { type LogSegment, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { entryInput, isLost, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import type { OpenTransactions } from "#lib/storage/segments/transaction-index.ts";
import { verifySegment } from "#lib/storage/segments/verify-segment.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { type FetchProcess, FetchWorld, NEVER, topicOf } from "../../log/fetch-harness.ts";
import { replaceInputs, stateOf } from "../../log/segment-fixtures.ts";
import { emptyBatch } from "../../storage/segments/crafted-batches.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const DAY_MS = 86_400_000;

export interface CleanerWorldOptions {
  readonly settings?: Partial<CleaningSettings>;
  readonly keysMax?: number;
  readonly limits?: Partial<PassLimits>;
  readonly replicationFactor?: number;
  readonly storeFaults?: StoreFaultPlan;
}

/** Partitions of one compacted topic, their segments made of whatever batches a test wants, and a cleaner. */
export class CleanerWorld {
  readonly world = new FetchWorld();
  readonly process: FetchProcess;
  readonly topic: TopicPlacement;
  readonly cleaner: Cleaner;
  /** One that knows nothing, as that of a new process. */
  readonly newCleaner: () => Cleaner;
  readonly settings: CleaningSettings;
  /** Keys that were written. */
  readonly puts: string[] = [];
  readonly #segments: SegmentWriter;
  readonly #stores: StoreSet;
  readonly #open = new Map<number, OpenTransactions>();

  constructor(options: CleanerWorldOptions = {}) {
    const { world } = this;
    const { clock } = world;
    this.process = world.process();
    this.topic = world.addTopic(topicOf(1, { replicationFactor: options.replicationFactor ?? 1 }));
    this.settings = {
      minCleanableDirtyRatio: 0.5,
      minCompactionLagMs: 0,
      maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
      deleteRetentionMs: DAY_MS,
      segmentBytes: 1_073_741_824,
      ...options.settings,
    };
    const faults: StoreFaultPlan = (call) => {
      if (call.operation === "putIfAbsent") this.puts.push(call.key);
      return options.storeFaults?.(call);
    };
    this.#stores = new StoreSet(
      new Map(world.storeServices.map((service, id) => [id, new MemoryObjectStore(service, { clock, faults })])),
    );
    const { journals, logger } = this.process;
    const random = new SeededRandom(5);
    const ports = { stores: this.#stores, clock, random, logger };
    const parts = {
      ...ports,
      journals,
      leads: () => true,
      cluster: { topic: () => ({ name: "places", settings: { ...OTHER_SETTINGS, ...this.settings } }) },
      writer: new ReplicatedWriter(ports),
      keysMax: options.keysMax ?? 100_000,
      ...(options.limits && { limits: options.limits }),
    };
    this.newCleaner = () => new Cleaner({ ...parts, objects: new RangeReader({ ...ports, readAheadBytes: 0 }) });
    this.cleaner = this.newCleaner();
    this.#segments = new SegmentWriter(parts);
  }

  /** Appends a segment of `batches`, whose offsets go on where the log ends. */
  async addSegment(batches: readonly Uint8Array[], partitionIndex = 0): Promise<void> {
    const { world, process, topic } = this;
    const at = { topic, partitionIndex };
    const baseOffset = this.endOffset(partitionIndex);
    const openTransactions = this.#open.get(partitionIndex) ?? new Map();
    const builder = new SegmentBuilder({ baseOffset, openTransactions });
    for (const batch of batches) builder.add([batch]);
    this.#open.set(partitionIndex, builder.openTransactions);
    const files = builder.finish();
    // Entries that take as many offsets: the segment comes in their place.
    const { bytes } = emptyBatch(0, files.nextOffset - baseOffset, -1);
    await world.run(process.append([{ ...at, batches: [bytes] }]));
    const { state } = defined(process.journals.opened(journalOfPartition(topic, partitionIndex)));
    const settings = this.partition(partitionIndex);
    const appendedAtMs = world.clock.nowMs();
    const segment = { files, topic: "places", partitionIndex, appendedAtMs, isCleaned: false };
    const segments = [await world.run(this.#segments.write(segment, { state, settings }, NEVER))];
    const inputs = settings.entries.map(entryInput);
    const outcome = await world.run(replaceInputs(process, topic, { partitionIndex, inputs, segments }));
    if (outcome.kind !== "done") throw new Error(`the segment is ${outcome.kind}`);
    this.puts.length = 0;
  }

  /** Puts the same bytes in a place of their own, as another worker may at any time. Not to be awaited but by the clock. */
  async rewrite(segment: LogSegment): Promise<void> {
    const { process, topic } = this;
    const range = { position: 0, byteLength: segment.byteLength };
    const store = this.#stores.store(defined(segment.copies[0]));
    const builder = new SegmentBuilder({ baseOffset: segment.baseOffset });
    builder.add([await store.getRange(segmentKey(segment, "log"), range, NEVER)]);
    const { state } = defined(process.journals.opened(journalOfPartition(topic, 0)));
    const { appendedAtMs, isCleaned } = segment;
    const copy = { files: builder.finish(), topic: "places", partitionIndex: 0, appendedAtMs, isCleaned };
    const segments = [await this.#segments.write(copy, { state, settings: this.partition() }, NEVER)];
    await replaceInputs(process, topic, { inputs: [segmentInput(segment)], segments });
  }

  partition(partitionIndex = 0): PartitionState {
    return stateOf(this.process, this.topic, partitionIndex);
  }

  /** 0 before the first append. */
  endOffset(partitionIndex = 0): number {
    const journal = this.process.journals.opened(journalOfPartition(this.topic, partitionIndex));
    return journal?.state.partitions.get(partitionKey(this.topic.topicId, partitionIndex))?.logEndOffset ?? 0;
  }

  get segments(): readonly LogSegment[] {
    return this.partition().segments;
  }

  run(isForced = true): Promise<number> {
    return this.world.run(this.cleaner.runOnce({ isForced, signal: NEVER }));
  }

  async read(segment: LogSegment, suffix: "log" | "index" | "timeindex" | "txnindex" = "log"): Promise<Uint8Array> {
    const lengths = {
      log: segment.byteLength,
      index: segment.indexByteLength,
      timeindex: segment.timeIndexByteLength,
      txnindex: segment.txnIndexByteLength,
    };
    if (lengths[suffix] === 0) return new Uint8Array(0);
    const store = this.#stores.store(defined(segment.copies[0]));
    const range = { position: 0, byteLength: lengths[suffix] };
    return this.world.run(store.getRange(segmentKey(segment, suffix), range, NEVER));
  }

  /** The batches of all segments; each segment's files are verified. */
  async batches(partitionIndex = 0): Promise<readonly Uint8Array[]> {
    const all: Uint8Array[] = [];
    for (const segment of this.partition(partitionIndex).segments) {
      if (isLost(segment)) continue;
      const [log, index, timeIndex, txnIndex] = [
        await this.read(segment),
        await this.read(segment, "index"),
        await this.read(segment, "timeindex"),
        await this.read(segment, "txnindex"),
      ];
      const problems = verifySegment({ log: [log], index, timeIndex, txnIndex }, segment);
      if (problems.length > 0) throw new Error(JSON.stringify(problems));
      all.push(...splitBatches(log).batches);
    }
    return all;
  }

  /** `key=value@offset` of every record that consumers see. */
  async records(partitionIndex = 0): Promise<readonly string[]> {
    const texts: string[] = [];
    for (const batch of await this.batches(partitionIndex)) {
      if (readBatchHeader(batch).isControl) continue;
      for (const { key, value, offset } of readRecords(batch)) texts.push(`${textOf(key)}=${textOf(value)}@${offset}`);
    }
    return texts;
  }
}

const OTHER_SETTINGS = {
  messageBytesMax: 1_048_588,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  minInsyncReplicas: 1,
  compressionType: "producer",
  isCompacted: true,
  isDeleted: false,
  retentionMs: -1,
  retentionBytes: -1,
  segmentMs: 604_800_000,
} as const;

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : Buffer.from(bytes).toString();
}
