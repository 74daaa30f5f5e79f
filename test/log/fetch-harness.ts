import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreFaultPlan,
} from "#lib/adapters/memory/memory-object-store.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { AppendPath, type AppendSettings, DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { PartitionDescriptions } from "#lib/log/describe-partitions.ts";
import { JournalInlineReader } from "#lib/log/entry-inline-reader.ts";
import { EntryReader } from "#lib/log/entry-reader.ts";
import { ByteBudget } from "#lib/log/fetch-budget.ts";
import { observeFolds } from "#lib/log/fetch-observer.ts";
import { PartitionAccess } from "#lib/log/fetch-partitions.ts";
import { FetchPath } from "#lib/log/fetch-path.ts";
import { FetchWaiters } from "#lib/log/fetch-waiters.ts";
import { OffsetSearch } from "#lib/log/list-offsets.ts";
import type { FetchedPartition, FetchOptions, FoundOffset, OffsetSpec, PartitionFetch } from "#lib/log/log-api.ts";
import type { AppendPart, LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import { type LogJournal, type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { journalOfPartition, type PartitionDirectory, type TopicPlacement } from "#lib/log/partition-directory.ts";
import type { RecentPart } from "#lib/log/recent-bytes.ts";
import { SegmentReader } from "#lib/log/segment-reader.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import { RangeReader } from "#lib/storage/range-reader.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { type JournalId, type ObjectKey, objectKey, type TopicId } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { flushIdOf, topicIdOf } from "./log-fixtures.ts";

export const NEVER = new AbortController().signal;

/** The topic number `n`: four partitions in two journals unless told otherwise. */
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

/** What one process has seen of the topics. */
class SeenTopics implements PartitionDirectory {
  readonly #truth: ReadonlyMap<TopicId, TopicPlacement>;
  #seen: ReadonlyMap<TopicId, TopicPlacement>;
  refreshCount = 0;

  constructor(truth: ReadonlyMap<TopicId, TopicPlacement>) {
    this.#truth = truth;
    this.#seen = new Map(truth);
  }

  find(topicId: TopicId): TopicPlacement | undefined {
    return this.#seen.get(topicId);
  }

  async refresh(): Promise<void> {
    this.refreshCount++;
    this.#seen = new Map(this.#truth);
  }
}

class LineLogger implements Logger {
  readonly lines: string[] = [];
  debug(): void {}
  info(): void {}
  warn(message: string, fields?: LogFields): void {
    this.lines.push(`warn ${message} ${JSON.stringify(fields)}`);
  }
  error(message: string, fields?: LogFields): void {
    this.lines.push(`error ${message} ${JSON.stringify(fields)}`);
  }
}

/** One journal service, one store and a list of topics, with as many processes as a test starts. */
export class FetchWorld {
  readonly clock = new ManualClock();
  readonly journalService = new MemoryJournalService(this.clock);
  /** Two stores; every object is in both. */
  readonly storeServices = [new MemoryObjectService(this.clock), new MemoryObjectService(this.clock)] as const;
  readonly topics = new Map<TopicId, TopicPlacement>();
  readonly journalObjects = new MemoryJournalObjects();
  #nextFlush = 1;

  addTopic(topic: TopicPlacement): TopicPlacement {
    this.topics.set(topic.topicId, topic);
    return topic;
  }

  process(options: ProcessOptions = {}): FetchProcess {
    return new FetchProcess(this, options);
  }

  nextFlush(): number {
    return this.#nextFlush++;
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}

export interface ProcessOptions {
  readonly journalPollMs?: number;
  readonly tailCacheBytes?: number;
  readonly readBytesInFlightMax?: number;
  readonly readAheadBytes?: number;
  readonly journalFaults?: JournalFaultPlan;
  readonly storeFaults?: StoreFaultPlan;
}

export interface AppendedBatches {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  readonly batches: readonly Uint8Array[];
}

export class FetchProcess {
  readonly world: FetchWorld;
  readonly logger = new LineLogger();
  readonly directory: SeenTopics;
  readonly journals: LogJournals;
  readonly tailCache: TailCache;
  readonly waiters = new FetchWaiters();
  readonly budget: ByteBudget;
  readonly fetcher: FetchPath;
  readonly lister: OffsetSearch;
  readonly describer: PartitionDescriptions;
  /** Reads of stores, by key. */
  readonly storeReads: ObjectKey[] = [];
  readonly lostCopies: LostCopy[] = [];
  readonly #stores: ReadonlyMap<number, MemoryObjectStore>;

  constructor(world: FetchWorld, options: ProcessOptions) {
    const { clock } = world;
    this.world = world;
    this.directory = new SeenTopics(world.topics);
    const journal = world.journalService.connect(options.journalFaults);
    const create = (id: JournalId) =>
      new ReplicatedState({
        id,
        machine: logStateMachine,
        journal,
        objects: world.journalObjects,
        clock,
        random: new SeededRandom(world.nextFlush()),
        logger: this.logger,
      });
    this.journals = newLogJournals({ count: 2, create, signal: NEVER });
    this.tailCache = new TailCache(options.tailCacheBytes ?? 1_000_000);
    const faults: StoreFaultPlan = (call) => {
      if (call.operation === "get" || call.operation === "getRange") this.storeReads.push(objectKey(call.key));
      return options.storeFaults?.(call);
    };
    this.#stores = new Map(
      world.storeServices.map((service, id) => [id, new MemoryObjectStore(service, { clock, faults })]),
    );
    const { journals, directory, logger, tailCache, waiters } = this;
    observeFolds({ journals, waiters, recentBytes: tailCache });
    const access = new PartitionAccess({ journals, directory, logger });
    const onCopyLost = (lost: LostCopy) => this.lostCopies.push(lost);
    const { readAheadBytes = 0 } = options;
    const objects = new RangeReader({ stores: new StoreSet(this.#stores), clock, logger, readAheadBytes, onCopyLost });
    const inlined = new JournalInlineReader({ journal, tailCache, clock });
    const entries = new EntryReader({ tailCache, inlined, objects });
    const segments = new SegmentReader(objects, { readAheadBytes });
    this.budget = new ByteBudget(options.readBytesInFlightMax ?? 1_000_000_000);
    const deps = { access, entries, segments, budget: this.budget };
    this.lister = new OffsetSearch(deps);
    this.describer = new PartitionDescriptions(access);
    const settings = { journalPollMs: options.journalPollMs ?? 100 };
    this.fetcher = new FetchPath({ ...deps, waiters, clock, logger, readAheadBytes }, settings);
  }

  /** The real write path over the same journals, stores and tail cache. */
  appendPath(settings: Partial<AppendSettings> = {}): AppendPath {
    const { journals, directory, logger, tailCache } = this;
    const { clock } = this.world;
    const random = new SeededRandom(this.world.nextFlush());
    const stores = new StoreSet(this.#stores);
    return new AppendPath(
      {
        journals,
        directory,
        storeIds: stores.ids,
        writer: new ReplicatedWriter({ stores, clock, random, logger }),
        recent: tailCache,
        memory: new SegmentMemory(64 * 1024),
        clock,
        random,
        logger,
        signal: NEVER,
      },
      { ...DEFAULT_APPEND_SETTINGS, ...settings },
    );
  }

  /** Commits a flush to the journal of its partitions, which must be the same one. */
  async append(
    parts: readonly AppendedBatches[],
    options: { readonly inline?: boolean; readonly cache?: boolean } = {},
  ): Promise<ObjectKey> {
    const { topic, partitionIndex } = defined(parts[0]);
    const n = this.world.nextFlush();
    const key = objectKey(`wal/${n}`);
    const commandParts: AppendPart[] = [];
    const recentParts: RecentPart[] = [];
    const chunks: Uint8Array[] = [];
    let position = 0;
    for (const part of parts) {
      const byteLength = part.batches.reduce((sum, batch) => sum + batch.byteLength, 0);
      commandParts.push(commandPartOf(part, position));
      recentParts.push({ position, chunks: part.batches, byteLength });
      chunks.push(...part.batches);
      position += byteLength;
    }
    const flushId = flushIdOf(n);
    if (options.inline === true) {
      const source = { kind: "inline", bytes: Buffer.concat(chunks) } as const;
      await this.propose(topic, partitionIndex, { kind: "append", flushId, source, parts: commandParts });
      return key;
    }
    for (const store of this.#stores.values()) await store.putIfAbsent(key, chunks, NEVER);
    if (options.cache !== false) this.tailCache.addObject(key, recentParts, undefined);
    const source = { kind: "object", key, byteLength: position, copies: [0, 1] } as const;
    await this.propose(topic, partitionIndex, { kind: "append", flushId, source, parts: commandParts });
    return key;
  }

  /** Proposes to the journal of that partition, which gets its replicas and the topic's partitions first. */
  async propose(topic: TopicPlacement, partitionIndex: number, command: LogCommand): Promise<LogOutcome> {
    const journal = await this.journals.journal(journalOfPartition(topic, partitionIndex), NEVER);
    if (journal.state.replicas.length === 0) await send(journal, { kind: "place-replicas", replicas: [0, 1] });
    if (command.kind === "append") await this.open(topic, partitionIndex);
    return send(journal, command);
  }

  async open(topic: TopicPlacement, partitionIndex: number): Promise<void> {
    const journal = await this.journals.journal(journalOfPartition(topic, partitionIndex), NEVER);
    const { topicId, replicationFactor, minInsyncReplicas, clusterSeq } = topic;
    const partitionIndexes = [0, 1, 2, 3].filter(
      (index) => journalOfPartition(topic, index) === journalOfPartition(topic, partitionIndex),
    );
    await send(journal, { kind: "open", topicId, partitionIndexes, replicationFactor, minInsyncReplicas, clusterSeq });
  }

  fetch(
    partitions: readonly PartitionFetch[],
    options: Partial<FetchOptions> = {},
  ): Promise<readonly FetchedPartition[]> {
    return this.fetcher.fetch(partitions, {
      bytesMax: 50_000_000,
      bytesMin: 1,
      waitMsMax: 0,
      readCommitted: false,
      signal: NEVER,
      ...options,
    });
  }

  /** One partition, answered at once. */
  async fetchOne(
    topic: TopicPlacement,
    partitionIndex: number,
    fetchOffset: number,
    options: Partial<FetchOptions> = {},
  ): Promise<FetchedPartition> {
    const request = { topic, partitionIndex, fetchOffset, bytesMax: 1_000_000 };
    return defined((await this.world.run(this.fetch([request], options)))[0]);
  }

  async offsetOf(topic: TopicPlacement, partitionIndex: number, spec: OffsetSpec): Promise<FoundOffset> {
    return defined((await this.world.run(this.lister.listOffsets([{ topic, partitionIndex, spec }], NEVER)))[0]);
  }
}

async function send(journal: LogJournal, command: LogCommand): Promise<LogOutcome> {
  return (await journal.propose(command, { lane: "test", signal: NEVER })).outcome;
}

function commandPartOf(part: AppendedBatches, position: number): AppendPart {
  const { topic, partitionIndex } = part;
  const batches = part.batches.map((batch) => {
    const header = readBatchHeader(batch);
    return {
      byteLength: batch.byteLength,
      offsetCount: header.lastOffsetDelta + 1,
      maxTimestampMs: header.maxTimestamp,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      isTransactional: false,
      requireMinInsync: true,
    };
  });
  return { topicId: topic.topicId, partitionIndex, position, batches };
}
