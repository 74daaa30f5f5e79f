import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreCall,
  type StoreFault,
  type StoreFaultPlan,
} from "#lib/adapters/memory/memory-object-store.ts";
import { decodeRecord } from "#lib/journal/command-record.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, type AppendSettings, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import type { AppendAnswer, PartitionAppend } from "#lib/log/log-api.ts";
import { type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import type { PartitionDirectory, TopicPlacement } from "#lib/log/partition-directory.ts";
import type { RecentBytes, RecentPart } from "#lib/log/recent-bytes.ts";
import { type BatchProducer, buildBatch } from "#lib/record/batch-builder.ts";
import { BATCH_HEADER_BYTES, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq, ObjectKey, TopicId } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { topicIdOf } from "./log-fixtures.ts";

export const NEVER = new AbortController().signal;

export function topicOf(n: number, fields: Partial<TopicPlacement> = {}): TopicPlacement {
  return {
    topicId: topicIdOf(n),
    partitionCount: 4,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    baseJournal: 0,
    journalCount: 2,
    clusterSeq: 10,
    ...fields,
  };
}

/** What the cluster journal says, and what one process has seen of it. */
export class TestDirectory implements PartitionDirectory {
  readonly truth: Map<TopicId, TopicPlacement>;
  #seen = new Map<TopicId, TopicPlacement>();
  refreshCount = 0;

  constructor(truth: Map<TopicId, TopicPlacement>) {
    this.truth = truth;
    this.#seen = new Map(truth);
  }

  find(topicId: TopicId): TopicPlacement | undefined {
    return this.#seen.get(topicId);
  }

  async refresh(): Promise<void> {
    this.refreshCount++;
    this.#seen = new Map(this.truth);
  }
}

export class RecordedBytes implements RecentBytes {
  readonly objects = new Map<ObjectKey, readonly RecentPart[]>();

  addObject(key: ObjectKey, parts: readonly RecentPart[]): void {
    this.objects.set(key, parts);
  }

  addInline(): void {}
}

/** One journal service and a few stores, with as many processes as a test starts. */
export class LogWorld {
  readonly clock = new ManualClock();
  readonly journalService = new MemoryJournalService(this.clock);
  readonly storeServices: readonly MemoryObjectService[];
  readonly topics = new Map<TopicId, TopicPlacement>();
  readonly #journalObjects = new MemoryJournalObjects();
  #seed = 1;

  constructor(storeCount = 1) {
    this.storeServices = Array.from({ length: storeCount }, () => new MemoryObjectService(this.clock));
  }

  addTopic(topic: TopicPlacement): TopicPlacement {
    this.topics.set(topic.topicId, topic);
    return topic;
  }

  process(
    options: {
      readonly settings?: Partial<AppendSettings>;
      readonly journalFaults?: JournalFaultPlan;
      /** `store`: whose call it is. */
      readonly storeFaults?: (call: StoreCall & { readonly store: number }) => StoreFault | undefined;
      readonly journalCount?: number;
      /** The stores that the process was given; all of them unless told otherwise. */
      readonly storeIds?: readonly number[];
    } = {},
  ): LogProcess {
    return new LogProcess(this, options, this.#seed++);
  }

  journals(journalFaults: JournalFaultPlan | undefined, seed: number, count = 2): LogJournals {
    const journal = this.journalService.connect(journalFaults);
    const create = (id: JournalId) =>
      new ReplicatedState({
        id,
        machine: logStateMachine,
        journal,
        objects: this.#journalObjects,
        clock: this.clock,
        random: new SeededRandom(seed * 1_000),
        logger: SILENT_LOGGER,
      });
    return newLogJournals({ count, create, signal: NEVER });
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}

export class LogProcess {
  readonly stop = new AbortController();
  readonly directory: TestDirectory;
  readonly recent = new RecordedBytes();
  readonly journals: LogJournals;
  readonly path: AppendPath;
  readonly health: StoreHealth;
  readonly writer: ReplicatedWriter;

  constructor(world: LogWorld, options: Parameters<LogWorld["process"]>[0] & object, seed: number) {
    const { clock } = world;
    const random = new SeededRandom(seed);
    this.health = new StoreHealth(clock);
    const stores = new StoreSet(
      new Map(
        (options.storeIds ?? [...world.storeServices.keys()]).map((id) => {
          const service = defined(world.storeServices[id]);
          const faults = options.storeFaults;
          const plan: StoreFaultPlan | undefined = faults && ((call) => faults({ ...call, store: id }));
          return [id, new MemoryObjectStore(service, plan === undefined ? { clock } : { clock, faults: plan })];
        }),
      ),
    );
    this.directory = new TestDirectory(world.topics);
    const { health } = this;
    const watched = watchStores(stores, health);
    this.writer = new ReplicatedWriter({ stores: watched, clock, random, logger: SILENT_LOGGER, health });
    this.journals = world.journals(options.journalFaults, seed, options.journalCount);
    this.path = new AppendPath(
      {
        journals: this.journals,
        directory: this.directory,
        storeIds: stores.ids,
        writer: this.writer,
        health: this.health,
        recent: this.recent,
        memory: new SegmentMemory(64 * 1024),
        clock,
        random,
        logger: SILENT_LOGGER,
        signal: this.stop.signal,
      },
      { ...DEFAULT_APPEND_SETTINGS, ...options.settings },
    );
  }

  append(
    appends: readonly PartitionAppend[],
    options: { readonly signal?: AbortSignal; readonly requireMinInsync?: boolean } = {},
  ): Promise<readonly AppendAnswer[]> {
    const { signal = NEVER, requireMinInsync = true } = options;
    return this.path.append(appends, { signal, requireMinInsync });
  }

  partition(topic: TopicPlacement, partitionIndex: number): PartitionState {
    const journal = defined(this.journals.opened((topic.baseJournal + partitionIndex) % topic.journalCount));
    return defined(journal.state.partitions.get(partitionKey(topic.topicId, partitionIndex)), "partition");
  }
}

/** A batch of one record that carries `text`. */
export function appendOf(
  topic: TopicPlacement,
  partitionIndex: number,
  text: string,
  producer?: BatchProducer,
): PartitionAppend {
  const record = { timestampMs: 1_000, key: null, value: Buffer.from(text), headers: [] };
  const bytes = buildBatch([record], {
    partitionLeaderEpoch: 0,
    ...(producer === undefined ? {} : { producer }),
  });
  return { topic, partitionIndex, header: readBatchHeader(bytes), bytes };
}

/** The texts that a partition holds, in the order of their offsets, read from the stores and the journal. */
export function textsOf(world: LogWorld, process: LogProcess, topic: TopicPlacement, partitionIndex: number): string[] {
  const journal = defined(process.journals.opened((topic.baseJournal + partitionIndex) % topic.journalCount));
  return process.partition(topic, partitionIndex).entries.flatMap(({ place, position, byteLength }) => {
    if (place.kind === "lost") return [];
    const bytes =
      place.kind === "inline"
        ? inlinedBytes(world, journal.id, place)
        : defined(world.storeServices[defined(place.copies[0])]?.objects.get(place.key), "object").bytes;
    const { batches } = splitBatches(bytes.subarray(position, position + byteLength));
    return batches.map(textOf);
  });
}

function textOf(batch: Uint8Array): string {
  // The value of the only record ends before its header count; its length takes one byte.
  return Buffer.from(batch.subarray(BATCH_HEADER_BYTES + 6, -1)).toString();
}

function inlinedBytes(
  world: LogWorld,
  journal: JournalId,
  place: { readonly seq: JournalSeq; readonly indexInRecord: number },
): Uint8Array {
  const record = defined(world.journalService.recordsOf(journal).find((one) => one.seq === place.seq));
  const envelope = defined(decodeRecord(record.bytes).commands[place.indexInRecord]);
  const command = logStateMachine.decodeCommand(new ByteReader(envelope.body));
  if (command.kind !== "append" || command.source.kind !== "inline") throw new Error("nothing is inlined there");
  return command.source.bytes;
}
