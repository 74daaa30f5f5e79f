import { expect, test } from "vitest";
import type { SeriesEnds } from "#lib/housekeeping/workers/worker.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { TailCache } from "#lib/log/tail-cache.ts";
import { objectKey } from "#lib/util/branded.ts";
import { GATHERED_INLINE_AGE_MS, MIB } from "#lib/util/limits.ts";
import { batchOf, CompactorWorld, DAY_MS, HOUR_MS, MINUTE_MS } from "./compactor-world.ts";
import { entriesOf, partitionOf } from "./plan-fixtures.ts";

/** Three partitions with entries in objects and in records; the first two are of different journals. */
async function filled(options: ConstructorParameters<typeof CompactorWorld>[0] = {}): Promise<CompactorWorld> {
  const world = new CompactorWorld(options);
  await world.append([
    [0, [batchOf(100), batchOf(3_000)]],
    [2, [batchOf(50)]],
  ]);
  await world.append([[0, [batchOf(10)]]], { inline: true });
  await world.append([[1, [batchOf(20)]]], { inline: true });
  await world.append([[0, [batchOf(200), batchOf(1)]]]);
  return world;
}

const PARTITIONS = [0, 1, 2];

function recordsOf(world: CompactorWorld): Promise<readonly Uint8Array[]> {
  return PARTITIONS.reduce<Promise<readonly Uint8Array[]>>(
    async (before, partition) => [...(await before), await world.fetchAll(partition)],
    Promise.resolve([]),
  );
}

test("a forced run makes a segment of each partition's entries, and a consumer reads the same bytes", async () => {
  const world = await filled({ replicationFactor: 2 });
  const records = await recordsOf(world);
  const worker = world.worker();
  expect(await worker.run(true)).toBe(3);
  for (const partition of PARTITIONS) {
    const { segments, entries, logEndOffset } = await world.partition(partition);
    expect(entries).toEqual([]);
    expect(segments).toHaveLength(1);
    expect(segments[0]).toMatchObject({ baseOffset: 0, nextOffset: logEndOffset, copies: [0, 1], isCleaned: false });
    expect(await world.logs(partition)).toEqual(records[partition]);
  }
  expect(await recordsOf(world)).toEqual(records);
  expect(worker.warnings).toEqual([]);
});

test("a forced run that is repeated finds nothing, and asks no store", async () => {
  const world = await filled();
  const worker = world.worker();
  await worker.run(true);
  worker.calls.length = 0;
  expect(await worker.run(true)).toBe(0);
  expect(worker.calls).toEqual([]);
});

test("a segment costs one object for the log and one for each index, in each of its stores", async () => {
  const world = new CompactorWorld({ replicationFactor: 2 });
  await world.append([[0, [batchOf(100)]]]);
  const worker = world.worker();
  await worker.run(true);
  const [segment] = (await world.partition()).segments;
  const files = ["log", "index", "timeindex"].map((suffix) => `${segment?.directory}/00000000000000000000.${suffix}`);
  const puts = worker.calls.filter((call) => call.includes("putIfAbsent"));
  expect(puts.sort()).toEqual([0, 1].flatMap((id) => files.map((key) => `${id} putIfAbsent ${key}`)).sort());
  expect(segment?.directory).toMatch(/^segments\/\d{10}\/[0-9a-f]{32}\/rivers-0$/);
});

test("what lies in one object is read once, for however many partitions", async () => {
  const world = new CompactorWorld();
  await world.append([
    [0, [batchOf(1.5 * MIB)]],
    [2, [batchOf(1.2 * MIB)]],
  ]);
  await world.append([
    [0, [batchOf(100)]],
    [2, [batchOf(100)]],
  ]);
  const worker = world.worker();
  expect(await worker.run(true)).toBe(2);
  expect(worker.count("getRange")).toBe(2);
});

test("inlined entries are read a page of the journal at a time", async () => {
  const world = new CompactorWorld();
  for (let index = 0; index < 20; index++) await world.append([[0, [batchOf(30)]]], { inline: true });
  const records = await world.fetchAll();
  let reads = 0;
  const worker = world.worker({
    journalFaults: {
      next: ({ method, seq }) => {
        if (method === "read" && seq > 1 && seq < 20) reads++;
        return undefined;
      },
    },
  });
  await worker.run(true);
  expect(await world.logs()).toEqual(records);
  expect(reads).toBe(1);
});

/** A worker that has folded the journal, and from where it reads records that it has folded. */
async function pageReader(world: CompactorWorld, tailCache: TailCache) {
  const from: number[] = [];
  let folded: LogJournal | undefined;
  const worker = world.worker({
    tailCache,
    journalFaults: {
      next: ({ method, journal, seq }) => {
        if (method === "read" && folded?.id === journal && seq <= folded.seq) from.push(seq);
        return undefined;
      },
    },
  });
  folded = await world.world.run(worker.journals.journal(0, worker.stop.signal));
  return { worker, journal: folded, from };
}

test("what is read of the journal stays out of the tail cache, and what is in the tail cache is not read", async () => {
  for (const isCached of [false, true]) {
    const world = new CompactorWorld();
    const batch = batchOf(30);
    for (let index = 0; index < 20; index++) await world.append([[0, [batch]]], { inline: true });
    const tailCache = new TailCache(MIB);
    const { worker, journal, from } = await pageReader(world, tailCache);
    for (const { place } of isCached ? (await world.partition()).entries : []) {
      if (place.kind === "inline") tailCache.addInline(journal.id, place.seq, place.indexInRecord, batch);
    }
    const { retainedBytes } = tailCache;
    expect(await worker.run(true)).toBe(1);
    expect(tailCache.retainedBytes).toBe(retainedBytes);
    expect(from).toHaveLength(isCached ? 0 : 1);
    expect(await world.logs()).toEqual(await world.fetchAll());
  }
});

test("a page of the journal is read once, however many partitions have entries in it", async () => {
  const world = new CompactorWorld();
  for (let index = 0; index < 60; index++)
    await world.append([[2 * (index % 2), [batchOf(100_000)]]], { inline: true });
  const { worker, from } = await pageReader(world, new TailCache(0));
  expect(await worker.run(true)).toBe(2);
  // 6 MB of them, in pages of at most a mebibyte.
  expect(from).toHaveLength(6);
  expect(new Set(from).size).toBe(6);
});

test("by schedule nothing is done before it is due, and no store is asked", async () => {
  const world = await filled();
  const worker = world.worker();
  for (const ms of [5_000, MINUTE_MS, 30 * MINUTE_MS]) {
    await world.advance(ms);
    expect(await worker.run()).toBe(0);
  }
  expect(worker.calls).toEqual([]);
});

test("a quiet partition's entries are gathered within the hour, and become a segment after a day", async () => {
  const world = await filled({ replicationFactor: 2 });
  const records = await recordsOf(world);
  const worker = world.worker();
  await world.advance(45 * MINUTE_MS);
  expect(await worker.run()).toBe(2);
  const gathered = await world.partition();
  expect(gathered.entries.map(({ place, nextOffset }) => [place.kind, nextOffset])).toEqual([
    ["object", 2],
    ["object", 3],
    ["object", 5],
  ]);
  expect(await recordsOf(world)).toEqual(records);
  await world.advance(DAY_MS);
  expect(await worker.run()).toBe(3);
  expect(await world.logs()).toEqual(records[0]);
  expect(await recordsOf(world)).toEqual(records);
  expect(worker.warnings).toEqual([]);
});

test("what is to be gathered is looked for once a minute, however often the journal moves", async () => {
  const world = new CompactorWorld();
  await world.append([[0, [batchOf(10)]]], { inline: true });
  await world.append([[2, [batchOf(10)]]], { inline: true });
  const worker = world.worker();
  await world.advance(GATHERED_INLINE_AGE_MS - MINUTE_MS / 4);
  const journal = await world.world.run(worker.journals.journal(0, worker.stop.signal));
  expect(await worker.run()).toBe(0);
  await world.append([[0, [batchOf(10)]]], { inline: true });
  await world.advance(MINUTE_MS / 2);
  await world.world.run(journal.catchUp(worker.stop.signal));
  expect(await worker.run()).toBe(0);
  await world.advance(MINUTE_MS / 2);
  expect(await worker.run()).toBe(2);
});

test("a look at many entries lets others have their turns", async () => {
  const world = await filled();
  const worker = world.worker();
  await world.world.run(worker.journals.openAll(worker.stop.signal));
  const { state } = await world.world.run(worker.journals.journal(0, worker.stop.signal));
  for (let partitionIndex = 100; partitionIndex < 106; partitionIndex++) {
    const entries = entriesOf(...Array.from({ length: 6_000 }, () => ({ ageMs: 0 })));
    state.partitions.set(`many ${partitionIndex}`, partitionOf({ partitionIndex, entries }));
  }
  let turns = 0;
  let isOver = false;
  const countTurns = (): void => {
    turns++;
    if (!isOver) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  await worker.compactor.runOnce({ isForced: false, signal: worker.stop.signal });
  isOver = true;
  expect(turns).toBeGreaterThan(1);
});

test("an object of which little is left is gathered, and then nobody refers to it any more", async () => {
  const world = new CompactorWorld();
  const big = await world.append([
    [0, [batchOf(5_000)]],
    [2, [batchOf(100), batchOf(200)]],
  ]);
  const records = await world.fetchAll(2);
  await world.advance(MINUTE_MS);
  const process = world.process;
  await world.world.run(
    process.propose(world.topic, 0, {
      kind: "advance-log-start",
      topicId: world.topic.topicId,
      partitionIndex: 0,
      logStartOffset: 1,
    }),
  );
  await world.advance(HOUR_MS);
  const worker = world.worker();
  expect(await worker.run()).toBe(1);
  expect(await world.fetchAll(2)).toEqual(records);
  expect((await world.partition(2)).entries[0]).toMatchObject({ baseOffset: 0, nextOffset: 2, position: 28 });
  expect(await world.unreferenced()).toEqual([big, big]);
  await world.advance(2 * HOUR_MS);
  expect(await worker.run()).toBe(0);
});

test("small segments become one, byte for byte", async () => {
  const world = new CompactorWorld({ settings: { retentionMs: -1 }, replicationFactor: 2 });
  const worker = world.worker();
  for (let day = 0; day < 8; day++) {
    await world.append([[0, [batchOf(500), batchOf(5_000)]]]);
    await world.advance(DAY_MS);
    expect(await worker.run()).toBe(day === 7 ? 2 : 1);
  }
  const { segments } = await world.partition();
  expect(segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset])).toEqual([[0, 16]]);
  expect(await world.logs()).toEqual(await world.fetchAll());
});

test("a forced run merges what an earlier one left, until there is one segment", async () => {
  const world = new CompactorWorld();
  const worker = world.worker();
  for (let round = 0; round < 3; round++) {
    await world.append([[0, [batchOf(500)]]]);
    expect(await worker.run(true)).toBe(round === 0 ? 1 : 2);
    expect((await world.partition()).segments).toHaveLength(1);
  }
  expect(await world.logs()).toEqual(await world.fetchAll());
});

test("a forced run leaves what comes while it works", async () => {
  const world = new CompactorWorld();
  await world.append([[0, [batchOf(100), batchOf(200)]]]);
  const worker = world.worker({
    storeFaults: ({ operation }) => {
      if (operation !== "putIfAbsent") return undefined;
      const flush = [{ topic: world.topic, partitionIndex: 0, batches: [batchOf(10)] }];
      void world.process.append(flush, { inline: true, cache: false });
      return { kind: "slow", delayMs: 50 };
    },
  });
  expect(await worker.run(true)).toBe(1);
  const { segments, entries } = await world.partition();
  expect(segments.map(({ nextOffset }) => nextOffset)).toEqual([2]);
  expect(entries.length).toBeGreaterThan(0);
});

test("a series of forced runs ends although records and segments come all the while", async () => {
  const world = new CompactorWorld();
  const ends: SeriesEnds = new Map();
  const worker = world.worker();
  const counts: number[] = [];
  for (let round = 0; round < 4; round++) {
    await world.append([
      [0, [batchOf(100)]],
      [2 * Math.min(round, 1), [batchOf(100)]],
    ]);
    counts.push(await worker.run(true, ends));
    if (round === 1) await world.worker().run(true);
  }
  expect(counts).toEqual([1, 0, 0, 0]);
  expect(await worker.run(true, new Map())).toBeGreaterThan(0);
  expect((await world.partition()).entries).toEqual([]);
});

test("segment.bytes bounds a segment, and an entry is never split", async () => {
  const world = new CompactorWorld({ settings: { segmentBytes: 2_000 } });
  for (const bytes of [900, 900, 900, 5_000, 10]) await world.append([[0, [batchOf(bytes)]]]);
  expect(await world.worker().run(true)).toBe(4);
  const { segments } = await world.partition();
  expect(segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset])).toEqual([
    [0, 2],
    [2, 3],
    [3, 4],
    [4, 5],
  ]);
  expect(await world.logs()).toEqual(await world.fetchAll());
});

test("entries that are lost become empty batches in the segment", async () => {
  const world = new CompactorWorld();
  await world.append([[0, [batchOf(100)]]]);
  const lost = await world.append([[0, [batchOf(100), batchOf(100)]]]);
  await world.append([[0, [batchOf(100)]]]);
  const { topicId } = world.topic;
  const command = { kind: "declare-lost", topicId, partitionIndex: 0, key: objectKey(lost) } as const;
  await world.world.run(world.process.propose(world.topic, 0, command));
  const records = await world.fetchAll();
  expect(await world.worker().run(true)).toBe(1);
  expect(await world.logs()).toEqual(records);
  expect(await world.fetchAll()).toEqual(records);
});

test("a journal that another process looks after is left to it", async () => {
  const world = await filled();
  const worker = world.worker({ leads: (state) => state.partitions.size === 0 });
  expect(await worker.run(true)).toBe(0);
  expect(worker.calls).toEqual([]);
});

test("the partitions of a topic that is being deleted are left alone", async () => {
  const world = await filled();
  world.isTopicKnown = false;
  expect(await world.worker().run(true)).toBe(0);
  await world.advance(2 * HOUR_MS);
  expect(await world.worker().run()).toBe(0);
});
