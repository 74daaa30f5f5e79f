import { expect, test } from "vitest";
import { segmentKey } from "#lib/log/segments.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { CleanerWorld } from "./cleaner-harness.ts";
import { keyed, NOON } from "./keyed-batches.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test.each(COMPRESSION_CODECS)("the last record of each key is left, in %s", async (codec) => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1 c=1", { codec }), keyed(3, "a=2 d=1", { codec })]);
  await world.addSegment([keyed(5, "b=2 e=1", { codec })]);
  expect(await world.run()).toBe(1);
  expect(await world.records()).toEqual(["c=1@2", "a=2@3", "d=1@4", "b=2@5", "e=1@6"]);
  expect(world.segments).toMatchObject([{ baseOffset: 0, nextOffset: 7, isCleaned: true }]);
  const codecs = (await world.batches()).map((batch) => readBatchHeader(batch).codecId);
  expect(new Set(codecs)).toEqual(new Set([COMPRESSION_CODECS.indexOf(codec)]));
  expect(await world.run()).toBe(0);
});

test("what was cleaned before is cleaned again by what came later, and batches with nothing to drop stay byte for byte", async () => {
  const world = new CleanerWorld();
  const kept = keyed(2, "c=1 d=1", { codec: "gzip" });
  await world.addSegment([keyed(0, "a=1 b=1", { codec: "gzip" }), kept]);
  await world.run();
  await world.addSegment([keyed(4, "b=2 e=1"), keyed(6, "f=1")]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "c=1@2", "d=1@3", "b=2@4", "e=1@5", "f=1@6"]);
  expect(Buffer.from(defined((await world.batches())[1]))).toEqual(kept);
  expect(world.segments).toHaveLength(1);
});

test("a segment in which nothing is to be dropped stays where it is, and counts as cleaned", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "c=1")]);
  const [before] = world.segments;
  expect(await world.run()).toBe(1);
  expect(world.segments).toEqual([{ ...before, isCleaned: true }]);
  expect(world.puts).toEqual([]);
});

test("one that lies in an object too old to be named again is written anew", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1")]);
  const [before] = world.segments;
  const floor = Math.floor(world.world.clock.nowMs() / HOUR_MS);
  await world.world.run(world.process.propose(world.topic, 0, { kind: "retire", floor }));
  expect(await world.run()).toBe(1);
  expect(world.segments[0]?.directory).not.toBe(before?.directory);
  expect(await world.records()).toEqual(["a=1@0", "b=1@1"]);
});

test("a log goes on until its end although no record of its last batches is left", async () => {
  const world = new CleanerWorld({ settings: { deleteRetentionMs: 0 } });
  await world.addSegment([keyed(0, "a=1"), keyed(1, "b="), keyed(2, "b= b= b=")]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=null@4"]);
  await world.addSegment([keyed(5, "b=1")]);
  await world.addSegment([keyed(6, "b=")]);
  await world.run();
  await world.addSegment([keyed(7, "c= c=")]);
  await world.run();
  await world.addSegment([keyed(9, "c=")]);
  await world.run();
  await world.addSegment([keyed(10, "a=2")]);
  await world.run();
  expect(await world.records()).toEqual(["a=2@10"]);
  expect(world.segments).toMatchObject([{ baseOffset: 0, nextOffset: 11 }]);
});

test("an emptied log keeps an empty batch that ends where it does, and a second look changes nothing", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "=1 =2"), keyed(2, "=3 =4 =5")]);
  expect(await world.run()).toBe(1);
  const [batch, ...others] = await world.batches();
  expect(others).toEqual([]);
  expect(readBatchHeader(defined(batch))).toMatchObject({ baseOffset: 2, lastOffsetDelta: 2, recordCount: 0 });
  expect(world.segments).toMatchObject([{ baseOffset: 0, nextOffset: 5, maxTimestampMs: -1 }]);
  await world.addSegment([keyed(5, "a=1")]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@5"]);
});

test("a tombstone stays for delete.retention.ms after the first cleaning that it stays in, whatever is forced", async () => {
  const world = new CleanerWorld({ settings: { deleteRetentionMs: DAY_MS } });
  const { clock } = world.world;
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "a= c=1")]);
  await world.run();
  expect(await world.records()).toEqual(["b=1@1", "a=null@2", "c=1@3"]);
  const header = readBatchHeader(defined((await world.batches())[1]));
  expect(header).toMatchObject({ hasDeleteHorizon: true, baseTimestamp: clock.nowMs() + DAY_MS });
  await clock.advance(DAY_MS - 2_000);
  await world.addSegment([keyed(4, "d=1")]);
  await world.run();
  expect(await world.records()).toEqual(["b=1@1", "a=null@2", "c=1@3", "d=1@4"]);
  await clock.advance(2_000);
  await world.addSegment([keyed(5, "e=1")]);
  await world.run();
  expect(await world.records()).toEqual(["b=1@1", "c=1@3", "d=1@4", "e=1@5"]);
});

test("cleaning waits until more than min.cleanable.dirty.ratio of the log is dirty", async () => {
  const world = new CleanerWorld({ settings: { minCleanableDirtyRatio: 0.5 } });
  await world.addSegment([keyed(0, `a=${"x".repeat(1_000)} b=1`)]);
  expect(await world.run(false)).toBe(1);
  await world.addSegment([keyed(2, "b=2")]);
  expect(await world.run(false)).toBe(0);
  await world.addSegment([keyed(3, `c=${"x".repeat(1_000)}`)]);
  expect(await world.run(false)).toBe(1);
  expect((await world.records()).map((text) => text.slice(0, 3))).toEqual(["a=x", "b=2", "c=x"]);
});

test("segments with records younger than min.compaction.lag.ms are held back, but not by hand", async () => {
  const world = new CleanerWorld({ settings: { minCompactionLagMs: HOUR_MS } });
  const { clock } = world.world;
  const nowMs = clock.nowMs();
  await world.addSegment([keyed(0, "a=1 b=1", { timestampMs: nowMs - HOUR_MS - 1_000 })]);
  await world.addSegment([keyed(2, "a=2 b=2", { timestampMs: nowMs })]);
  await world.addSegment([keyed(4, "a=3", { timestampMs: nowMs - HOUR_MS - 1_000 })]);
  expect(await world.run(false)).toBe(1);
  expect(world.segments.map(({ isCleaned }) => isCleaned)).toEqual([true, false, false]);
  expect(await world.records()).toHaveLength(5);
  await clock.advance(HOUR_MS + 1_000);
  expect(await world.run(false)).toBe(1);
  expect(await world.records()).toEqual(["b=2@3", "a=3@4"]);

  const forced = new CleanerWorld({ settings: { minCompactionLagMs: HOUR_MS } });
  await forced.addSegment([keyed(0, "a=1 a=2", { timestampMs: nowMs })]);
  expect(await forced.run(false)).toBe(0);
  expect(await forced.run(true)).toBe(1);
});

test("a record older than max.compaction.lag.ms is reason enough, however little is dirty", async () => {
  const settings = { minCleanableDirtyRatio: 1, maxCompactionLagMs: HOUR_MS };
  const world = new CleanerWorld({ settings });
  const { clock } = world.world;
  const nowMs = clock.nowMs();
  await world.addSegment([keyed(0, "a=1", { timestampMs: nowMs - 1_000 }), keyed(1, "a=2", { timestampMs: nowMs })]);
  expect(await world.run(false)).toBe(0);
  // The newest record is still young enough.
  await clock.advance(HOUR_MS - 500);
  expect(await world.run(false)).toBe(1);
  expect(await world.records()).toEqual(["a=2@1"]);
});

test("what does not fit in the map of keys is left for the next run, and no key is lost over it", async () => {
  const world = new CleanerWorld({ keysMax: 3 });
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "a=2 c=1"), keyed(4, "d=1 b=2"), keyed(6, "e=1 a=3")]);
  expect(await world.run()).toBe(2);
  expect(world.segments).toMatchObject([
    { baseOffset: 0, nextOffset: 4, isCleaned: true },
    { baseOffset: 4, nextOffset: 8, isCleaned: false },
  ]);
  expect(await world.records()).toEqual(["b=1@1", "a=2@2", "c=1@3", "d=1@4", "b=2@5", "e=1@6", "a=3@7"]);
  let changed = 1;
  for (let round = 0; changed > 0 && round < 10; round++) changed = await world.run();
  expect(changed).toBe(0);
  expect(await world.records()).toEqual(["c=1@3", "d=1@4", "b=2@5", "e=1@6", "a=3@7"]);
});

test("a batch with more keys than fit in the map is told of, and its log left as it is", async () => {
  const world = new CleanerWorld({ keysMax: 2 });
  await world.addSegment([keyed(0, "a=1 b=1 c=1 a=2")]);
  expect(await world.run()).toBe(0);
  expect(await world.records()).toHaveLength(4);
  expect(world.process.logger.lines).toMatchObject([expect.stringContaining("more than 2 keys")]);
});

test("segments become as large as segment.bytes lets them", async () => {
  const value = "x".repeat(400);
  const world = new CleanerWorld({ settings: { segmentBytes: 1_200 } });
  for (let index = 0; index < 5; index++) await world.addSegment([keyed(index, `k${index}=${value}`)]);
  expect(await world.run()).toBe(3);
  expect(world.segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset])).toEqual([
    [0, 2],
    [2, 4],
    [4, 5],
  ]);
});

test("a lost segment stays a hole between its neighbours", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1 a=2")]);
  await world.addSegment([keyed(3, "a=3 b=2")]);
  await world.addSegment([keyed(5, "c=1 c=2")]);
  const key = segmentKey(defined(world.segments[1]), "log");
  const { topicId } = world.topic;
  const lost = { kind: "declare-lost", topicId, partitionIndex: 0, key } as const;
  await world.world.run(world.process.propose(world.topic, 0, lost));
  expect(await world.run()).toBe(2);
  expect(await world.records()).toEqual(["b=1@1", "a=2@2", "c=2@6"]);
  expect(world.segments.map(({ copies }) => copies.length)).toEqual([1, 0, 1]);
  expect(await world.run()).toBe(0);
});

test("nothing is read of a log that need not be cleaned yet, unless its records may only wait for so long", async () => {
  const operations: string[] = [];
  const storeFaults = ({ operation }: { readonly operation: string }) => void operations.push(operation);
  const readsOf = async (maxCompactionLagMs: number) => {
    const settings = { minCleanableDirtyRatio: 1, maxCompactionLagMs };
    const world = new CleanerWorld({ settings, storeFaults });
    await world.addSegment([keyed(0, "a=1 a=2")]);
    operations.length = 0;
    expect(await world.run(false)).toBe(0);
    return operations.length;
  };
  expect(await readsOf(Number.MAX_SAFE_INTEGER)).toBe(0);
  expect(await readsOf(20 * 365 * DAY_MS)).toBe(1);
});

test("a log whose age cannot be read does not keep the others of its journal from being cleaned", async () => {
  const settings = { minCleanableDirtyRatio: 0.9, maxCompactionLagMs: 20 * 365 * DAY_MS };
  const world = new CleanerWorld({ settings });
  await world.addSegment([keyed(0, "a=1 b=1 c=1 d=1")]);
  expect(await world.run()).toBe(1);
  await world.addSegment([keyed(4, "a=2")]);
  await world.addSegment([keyed(0, "a=1 a=2")], 2);
  world.world.storeServices[0].delete(segmentKey(defined(world.segments[1]), "log"));
  expect(await world.run(false)).toBe(1);
  expect(await world.records(2)).toEqual(["a=2@1"]);
  expect(world.process.logger.lines.filter((line) => line.includes("is not cleaned"))).toHaveLength(1);
});

test("a damaged copy is left for another one", async () => {
  const world = new CleanerWorld({ replicationFactor: 2 });
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "a=2")]);
  world.world.storeServices[0].damage(segmentKey(defined(world.segments[0]), "log"), 70);
  expect(await world.run()).toBe(1);
  expect(await world.records()).toEqual(["b=1@1", "a=2@2"]);
});

test("a damaged log is told of and left alone for a while, and the others are cleaned", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 a=2")]);
  await world.addSegment([keyed(0, "a=1 a=2")], 2);
  world.world.storeServices[0].damage(segmentKey(defined(world.segments[0]), "log"), 70);
  expect(await world.run(false)).toBe(1);
  expect(await world.records(2)).toEqual(["a=2@1"]);
  expect(await world.run(false)).toBe(0);
  await world.world.clock.advance(DAY_MS);
  expect(await world.run(false)).toBe(0);
  const told = world.process.logger.lines.filter((line) => line.includes("a log is not cleaned"));
  // At once, and a day later: a minute after the first time it was still resting.
  expect(told).toHaveLength(2);
  expect(told[0]).toContain("a damaged batch at position 0");
  expect(world.segments).toMatchObject([{ isCleaned: false }]);
});

test("a log that has changed meanwhile is left as it is", async () => {
  let advance: Promise<unknown> | undefined;
  const world: CleanerWorld = new CleanerWorld({
    storeFaults: ({ operation }) => {
      if (operation !== "getRange" || advance !== undefined) return undefined;
      const command = { kind: "advance-log-start", topicId: world.topic.topicId, partitionIndex: 0, logStartOffset: 2 };
      advance = world.process.propose(world.topic, 0, { ...command, kind: "advance-log-start" });
      return undefined;
    },
  });
  await world.addSegment([keyed(0, "a=1 a=2")]);
  await world.addSegment([keyed(2, "a=3 a=4")]);
  expect(await world.run()).toBe(0);
  await world.world.run(defined(advance));
  expect(await world.records()).toEqual(["a=3@2", "a=4@3"]);
  expect(await world.run()).toBe(1);
  expect(await world.records()).toEqual(["a=4@3"]);
});

test("nothing behind a segment that has changed meanwhile is cleaned: its older records would stay for ever", async () => {
  let isHooked = false;
  let rewriting: Promise<void> | undefined;
  const world: CleanerWorld = new CleanerWorld({
    settings: { segmentBytes: 130 },
    storeFaults: ({ operation }) => {
      if (!isHooked || operation !== "putIfAbsent") return undefined;
      isHooked = false;
      rewriting = world.rewrite(defined(world.segments[0]));
      // Meanwhile the cleaner uploads what it made of it.
      return { kind: "slow", delayMs: 1_000 };
    },
  });
  await world.addSegment([keyed(0, "a=1 b=1 c=1 d=1")]);
  await world.run();
  await world.addSegment([keyed(4, "a=2 b=2 e=1 f=1 e=2")]);
  isHooked = true;
  expect(await world.run()).toBe(0);
  await world.world.run(defined(rewriting));
  expect(world.segments.map(({ isCleaned }) => isCleaned)).toEqual([true, false]);
  expect(await world.run()).toBe(2);
  expect(await world.records()).toEqual(["c=1@2", "d=1@3", "a=2@4", "b=2@5", "f=1@7", "e=2@8"]);
});

test("two runs at once of one cleaner do not mix up the keys of two logs", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "b=2")]);
  await world.addSegment([keyed(0, "c=1 c=2 c=3 c=4"), keyed(4, "a=5 b=5")], 1);
  await Promise.all([world.run(), world.run(false), world.run()]);
  expect(await world.records()).toEqual(["a=1@0", "b=2@2"]);
  expect(await world.records(1)).toEqual(["c=4@3", "a=5@4", "b=5@5"]);
});

test("entries are not touched, and a key's last record among them does not count yet", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1 a=2")]);
  const { process, topic } = world;
  await world.world.run(process.append([{ topic, partitionIndex: 0, batches: [keyed(0, "b=2 a=3")] }]));
  const { entries } = world.partition();
  await world.run();
  expect(await world.records()).toEqual(["b=1@1", "a=2@2"]);
  expect(world.partition().entries).toEqual(entries);
});

test("times and headers of LogAppendTime batches stay", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1 a=2", { logAppendTimeMs: NOON + 77 })]);
  await world.run();
  const [batch] = await world.batches();
  expect(readBatchHeader(defined(batch))).toMatchObject({ timestampType: "LogAppendTime", maxTimestamp: NOON + 77 });
});

test("requests come in between: a turn of the event loop ends after some thousand records", async () => {
  const world = new CleanerWorld();
  for (let index = 0; index < 4; index++) {
    const texts = Array.from({ length: 1_500 }, (_, at) => `k${at}=${index}`).join(" ");
    await world.addSegment([keyed(index * 1_500, texts)]);
  }
  const { clock } = world.world;
  const endOfTurn = clock.endOfTurn.bind(clock);
  let turnCount = 0;
  const cleaning = world.cleaner.runOnce({ isForced: true, signal: new AbortController().signal });
  clock.endOfTurn = () => {
    turnCount++;
    return endOfTurn();
  };
  await cleaning;
  // Four batches, looked at twice.
  expect(turnCount).toBeGreaterThanOrEqual(8);
  expect(await world.records()).toHaveLength(1_500);
});
