import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { assembleBroker, type Broker } from "#lib/broker/assemble-broker.ts";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { LOG_JOURNALS_DEFAULT, MIB } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

// Days of produce on a simulated clock, with every worker on its own period, and stores and journals that fail now and
// then. What stays must be what is retained: objects, records of journals and state come to a level and keep it.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Journals are trimmed a day after their snapshots, so only then can their length be at its level. */
const HOURS = 60;
const FIRST_LEVEL_HOUR = 40;
const RETENTION_MS = 2 * HOUR_MS;
const KEYS = 20;
const FAULTY_CALLS = 200;
const never = new AbortController().signal;

/** What of it all there is at the end of an hour. */
interface Level {
  readonly objects: number;
  readonly bytes: number;
  readonly journalRecords: number;
  /** Segments and entries of all partitions. */
  readonly references: number;
  readonly producers: number;
}

class World {
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(7);
  readonly journals = new MemoryJournalService(this.clock);
  readonly objects = new MemoryObjectService(this.clock);

  /** One call in some hundreds fails, with its effect or without. */
  #fault<T>(faults: readonly T[]): T | undefined {
    return this.random.below(FAULTY_CALLS) === 0 ? faults[this.random.below(faults.length)] : undefined;
  }

  start(): Promise<Broker> {
    const { clock, random } = this;
    const storeFaults: readonly StoreFault[] = [{ kind: "lost-answer" }, { kind: "unavailable" }];
    const journalFaults: readonly JournalFault[] = [{ kind: "lost-answer" }, { kind: "failure" }, { kind: "throttle" }];
    const journal = this.journals.connect({ next: () => this.#fault(journalFaults) });
    const store = new MemoryObjectStore(this.objects, { clock, faults: () => this.#fault(storeFaults) });
    return assembleBroker(
      { journal, stores: new StoreSet(new Map([[0, store]])), clock, random, logger: SILENT_LOGGER },
      {
        identity: { brokerId: 0, rack: null },
        startConfigs: new Map([["producer.id.expiration.ms", String(2 * HOUR_MS)]]),
        append: { ...DEFAULT_APPEND_SETTINGS, inlineBytesMax: 4_096 },
        tailCacheBytesMax: MIB,
        blockCacheBytesMax: MIB,
        journalPollMs: 0,
        workers: ["compactor", "cleaner", "retention", "expirer", "garbage"],
      },
    );
  }

  level({ services }: Broker): Level {
    let bytes = 0;
    for (const object of this.objects.objects.values()) bytes += object.bytes.byteLength;
    let journalRecords = 0;
    for (let number = 0; number < LOG_JOURNALS_DEFAULT; number++) {
      journalRecords += this.journals.recordsOf(logJournalId(number)).length;
    }
    let references = 0;
    let producers = 0;
    for (const { state } of services.journals.allOpened()) {
      for (const partition of state.partitions.values()) {
        references += partition.segments.length + partition.entries.length;
        producers += partition.producers.size;
      }
    }
    return { objects: this.objects.objects.size, bytes, journalRecords, references, producers };
  }
}

interface Producer {
  readonly topic: TopicView;
  readonly everyMinutes: number;
  readonly valueBytes: number;
  readonly keyed: boolean;
  /** By offset, what was acknowledged. */
  readonly acknowledged: Map<number, string>;
}

/** Every record that a reader gets from the log start to the log end, and both ends. */
async function readAll(world: World, { services }: Broker, topic: TopicView) {
  const found = new Map<number, string>();
  const partition = { topic: topic.placement, partitionIndex: 0, bytesMax: MIB };
  const [first] = await world.clock.run(
    services.offsets.listOffsets([{ ...partition, spec: { kind: "earliest" } }], never),
  );
  const logStart = defined(first).offset;
  const [last] = await world.clock.run(
    services.offsets.listOffsets([{ ...partition, spec: { kind: "latest", readCommitted: false } }], never),
  );
  const logEnd = defined(last).offset;
  const options = { bytesMin: 1, bytesMax: MIB, waitMsMax: 0, readCommitted: false, signal: never };
  for (let fetchOffset = logStart; fetchOffset < logEnd; ) {
    const [answer] = await world.clock.run(services.fetcher.fetch([{ ...partition, fetchOffset }], options));
    const walk = new BatchWalk(defined(answer).records);
    const from = fetchOffset;
    while (walk.next()) {
      for (const record of readRecords(joinChunks(walk.views(0)))) {
        if (record.offset >= from) found.set(record.offset, text(record));
      }
      fetchOffset = walk.header.baseOffset + walk.header.lastOffsetDelta + 1;
    }
    expect(fetchOffset, `${defined(answer).error} at ${from}`).toBeGreaterThan(from);
  }
  return { found, logStart, logEnd };
}

function text({ key, value }: { readonly key: Uint8Array | null; readonly value: Uint8Array | null }): string {
  return `${key === null ? "" : Buffer.from(key).toString()}=${value === null ? "" : Buffer.from(value).toString()}`;
}

test("two days and a half of produce, compaction, cleaning, retention and garbage stay on one level", async () => {
  const world = new World();
  const { clock, random } = world;
  const broker = await clock.run(world.start());
  const { services } = broker;
  const create = async (name: string, configs: Record<string, string>): Promise<TopicView> => {
    const topic = { name, partitionCount: 1, replicationFactor: 1, configs: new Map(Object.entries(configs)) };
    await clock.run(services.topicAdmin.createTopic(topic, { validateOnly: false, signal: never }));
    return defined(services.cluster.topicByName(name));
  };
  const retention = { "retention.ms": String(RETENTION_MS), "segment.bytes": "1048576" };
  const producers: readonly Producer[] = [
    {
      topic: await create("busy", retention),
      everyMinutes: 1,
      valueBytes: 20_000,
      keyed: false,
      acknowledged: new Map(),
    },
    {
      topic: await create("quiet", retention),
      everyMinutes: 20,
      valueBytes: 100,
      keyed: false,
      acknowledged: new Map(),
    },
    {
      topic: await create("last", {
        "cleanup.policy": "compact",
        "segment.ms": String(HOUR_MS),
        "delete.retention.ms": "0",
      }),
      everyMinutes: 5,
      valueBytes: 200,
      keyed: true,
      acknowledged: new Map(),
    },
  ];
  let producerId = 0;
  const produce = async ({ topic, keyed, valueBytes, acknowledged }: Producer): Promise<void> => {
    const key = keyed ? Buffer.from(`key ${random.below(KEYS)}`) : null;
    const value = Buffer.from(`${acknowledged.size} `.padEnd(valueBytes, "x"));
    // A new producer each time: what a partition remembers of them must not grow for ever.
    const bytes = buildBatch([{ timestampMs: clock.nowMs(), key, value }], {
      producer: { producerId: producerId++, producerEpoch: 0, baseSequence: 0 },
    });
    const append = { topic: topic.placement, partitionIndex: 0, header: readBatchHeader(bytes), bytes };
    const answers = services.appender.append([append], { signal: never, requireMinInsync: true });
    const [answer] = await clock.run(answers);
    if (answer?.kind === "appended") acknowledged.set(answer.baseOffset, text({ key, value }));
  };

  const levels: Level[] = [];
  for (let minute = 1; minute <= HOURS * 60; minute++) {
    for (const producer of producers) if (minute % producer.everyMinutes === 0) await produce(producer);
    await clock.advance(MINUTE_MS);
    if (minute % 60 === 0) levels.push(world.level(broker));
  }

  const settled = levels.slice(FIRST_LEVEL_HOUR);
  const half = settled.length / 2;
  const peak = (some: readonly Level[], field: keyof Level): number => Math.max(...some.map((each) => each[field]));
  for (const field of ["objects", "bytes", "journalRecords", "references", "producers"] as const) {
    const before = peak(settled.slice(0, half), field);
    expect(
      peak(settled.slice(half), field),
      `${field} of each hour: ${levels.map((each) => each[field])}`,
    ).toBeLessThanOrEqual(1.1 * before);
  }

  for (const { topic, acknowledged, keyed } of producers) {
    const { found, logStart, logEnd } = await readAll(world, broker, topic);
    for (const [offset, record] of found) {
      // What was not acknowledged, for its answer was lost, may be there all the same.
      if (acknowledged.has(offset)) expect(record).toBe(acknowledged.get(offset));
    }
    if (keyed) {
      const newest = new Map([...acknowledged.values()].map((record) => [record.split("=")[0], record]));
      for (const record of newest.values()) expect([...found.values()]).toContain(record);
      // All but the last hours has been cleaned: two segments are dirty enough, and each may hold 100 minutes, for what is
      // gathered after 40 minutes is as old as the newest of it.
      expect(found.size).toBeLessThanOrEqual(KEYS + 60);
      continue;
    }
    for (const [offset, record] of acknowledged) {
      if (offset >= logStart) expect(found.get(offset)).toBe(record);
    }
    expect(logEnd - logStart).toBeLessThan(0.2 * logEnd);
  }
  const state = services.journals.allOpened().map((journal) => journal.state);
  expect(state.flatMap(({ partitions }) => [...partitions.keys()]).toSorted()).toEqual(
    producers.map(({ topic }) => partitionKey(topic.topicId, 0)).toSorted(),
  );
  await clock.run(broker.stop(AbortSignal.abort()));
}, 120_000);
