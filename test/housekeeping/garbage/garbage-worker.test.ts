import { describe, expect, test } from "vitest";
import { UnknownJournalsError } from "#lib/housekeeping/garbage/garbage-worker.ts";
import { logJournalId } from "#lib/log/log-journals.ts";
import { placeIdOf, segmentFiles, segmentInput } from "#lib/log/segments.ts";
import { segmentDirectory, segmentFileKey } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import { objectKey } from "#lib/util/branded.ts";
import { topicOf } from "../../log/append-harness.ts";
import { GarbageWorld, HOUR_MS, TOPIC } from "./garbage-world.ts";

const { topicId } = TOPIC;

/** One object that a record lies in, and one that nothing refers to. */
async function started(storeCount = 1) {
  const world = new GarbageWorld(storeCount);
  await world.openTopic();
  const live = world.upload(1);
  await world.refer(1, live);
  const orphan = world.upload(2);
  return { world, live, orphan };
}

describe("what no journal refers to", () => {
  test("goes when its upload epoch is three hours old, from every store, and the rest stays", async () => {
    const { world, live } = await started(3);
    const collector = world.collector();
    expect(await collector.run()).toBe(0);
    await world.clock.advance(3 * HOUR_MS);
    expect(await collector.run()).toBe(3);
    for (const store of [0, 1, 2]) expect(world.keys(store)).toEqual([live]);
  });

  test("goes at once by hand", async () => {
    const { world, live } = await started();
    expect(await world.collector().runOut()).toBe(1);
    expect(world.keys()).toEqual([live]);
  });

  test("goes by hand twice in an hour, though objects are numbered behind the floor then", async () => {
    const { world, live } = await started();
    expect(await world.collector().runOut()).toBe(1);
    world.upload(3, world.hour + 1);
    expect(await world.collector().runOut()).toBe(1);
    expect(world.keys()).toEqual([live]);
  });

  test("goes with its topic", async () => {
    const { world } = await started();
    await world.propose(0, { kind: "drop", topicId, clusterSeq: 20 });
    expect(await world.collector().runOut()).toBe(2);
    expect(world.keys()).toEqual([]);
  });

  test("goes when the log start has moved behind it", async () => {
    const { world } = await started();
    await world.propose(0, { kind: "advance-log-start", topicId, partitionIndex: 0, logStartOffset: 1 });
    expect(await world.collector().runOut()).toBe(2);
  });

  test("goes in many steps where there is much of it", async () => {
    const { world, live } = await started();
    for (let n = 10; n < 2_510; n++) world.upload(n);
    const collector = world.collector();
    await world.clock.advance(3 * HOUR_MS);
    expect(await collector.run()).toBe(2_501);
    expect(collector.calls.filter(({ operation }) => operation === "deleteAll")).toHaveLength(3);
    expect(world.keys()).toEqual([live]);
  });

  test("is looked for by schedule once in an hour at most, less often while there is none, and by hand always", async () => {
    const { world } = await started();
    const collector = world.collector();
    await world.clock.advance(3 * HOUR_MS);
    const listings: number[] = [];
    for (let quarters = 0; quarters < 40; quarters++) {
      await collector.run();
      listings.push(collector.count("list"));
      await world.clock.advance(HOUR_MS / 4);
    }
    // Two prefixes each time: after what it finds at first an hour, then two, then four.
    expect(listings.at(-1)).toBe(8);
    expect(await collector.run(true)).toBe(0);
    expect(collector.count("list")).toBe(10);
  });
});

test("an object that somebody brings back while it is deleted is taken by the next run", async () => {
  const { world, live, orphan } = await started(2);
  const collector = world.collector();
  await world.clock.advance(3 * HOUR_MS);
  expect(await collector.run()).toBe(2);
  world.put(orphan);
  await world.clock.advance(HOUR_MS);
  expect(await collector.run()).toBe(2);
  for (const store of [0, 1]) expect(world.keys(store)).toEqual([live]);
});

test("journals that nobody has opened yet retire as well", async () => {
  const world = new GarbageWorld();
  const orphan = world.upload(1);
  expect(await world.collector().runOut()).toBe(1);
  await world.openTopic();
  expect(await world.refer(1, orphan, 0)).toMatchObject({ kind: "retired" });
  expect(await world.refer(1, orphan, 1)).toMatchObject({ kind: "retired" });
});

test("a listing ends where younger objects begin", async () => {
  const { world } = await started();
  for (let n = 10; n < 2_510; n++) world.upload(n, world.hour + 1);
  const collector = world.collector();
  expect(await collector.runOut()).toBe(1);
  // Two prefixes, in the run that finds one and in the one that finds nothing.
  expect(collector.count("list")).toBe(4);
});

describe("segments", () => {
  test("stay with all their files while the state names them", async () => {
    const { world } = await started();
    const segment = world.uploadSegment({ baseOffset: 0, nextOffset: 1 });
    const entry = defined((await entriesOf(world))[0]);
    await world.propose(0, {
      kind: "replace",
      ...{ topicId, partitionIndex: 0 },
      inputs: [{ kind: "entry", baseOffset: 0, nextOffset: 1, place: placeIdOf(entry.place) }],
      segments: [segment],
    });
    // A file of a live segment that the segment does not have.
    world.put(segmentFileKey(segment.directory, 0, "txnindex"));
    expect(await world.collector().runOut()).toBe(3);
    expect(world.keys()).toEqual(
      segmentFiles(segment)
        .map(({ key }) => key)
        .toSorted(),
    );
    const merged = world.uploadSegment({ baseOffset: 0, nextOffset: 1 }, world.hour + 1);
    const inputs = [segmentInput(segment)];
    await world.propose(0, { kind: "replace", topicId, partitionIndex: 0, inputs, segments: [merged] });
    expect(await world.collector().runOut()).toBe(3);
    expect(world.keys()).toEqual(
      segmentFiles(merged)
        .map(({ key }) => key)
        .toSorted(),
    );
  });

  test("whose command never came go, and it is refused when it comes", async () => {
    const { world } = await started();
    const segment = world.uploadSegment({ baseOffset: 0, nextOffset: 1 });
    const entry = defined((await entriesOf(world))[0]);
    await world.clock.advance(26 * HOUR_MS);
    expect(await world.collector().run()).toBe(4);
    const inputs = [{ kind: "entry", baseOffset: 0, nextOffset: 1, place: placeIdOf(entry.place) } as const];
    const replace = { kind: "replace", topicId, partitionIndex: 0, inputs, segments: [segment] } as const;
    expect(await world.propose(0, replace)).toEqual({ kind: "retired", floor: world.hour - 3 });
  });
});

describe("a sleeper", () => {
  test("who wakes a day after its upload is refused, and nothing is lost", async () => {
    const { world, live, orphan } = await started();
    await world.clock.advance(24 * HOUR_MS);
    expect(await world.collector().run()).toBe(1);
    expect(await world.refer(2, orphan)).toEqual({ kind: "retired", floor: world.hour - 3 });
    expect(await world.refer(2, orphan, 1)).toEqual({ kind: "retired", floor: world.hour - 3 });
    expect((await entriesOf(world)).map(({ place }) => place)).toMatchObject([{ key: live }]);
  });

  test("whose command comes while journals retire either counts or is refused", async () => {
    const { world, orphan } = await started();
    let outcome: unknown;
    // Between the listing and the first retiring: nobody knows of the object yet.
    const collector = world.collector({
      storeFaults: ({ operation, key }) =>
        operation === "list" && key === "wal/" ? { kind: "slow", delayMs: 1_000 } : undefined,
    });
    world.clock.schedule(500, () => void world.refer(2, orphan).then((one) => (outcome = one)));
    expect(await collector.run(true)).toBe(0);
    expect(outcome).toMatchObject({ kind: "appended" });
    expect(world.keys()).toContain(orphan);
  });

  test("with a clock that is days behind writes above the floor next time, one that is ahead keeps its object until its time has come", async () => {
    const { world } = await started();
    const behind = world.upload(3, world.hour - 100);
    const ahead = world.upload(4, world.hour + 5);
    await world.clock.advance(3 * HOUR_MS);
    const collector = world.collector();
    expect(await collector.run()).toBe(2);
    expect(await world.refer(3, behind)).toMatchObject({ kind: "retired" });
    expect(world.keys()).toContain(ahead);
    expect(await world.refer(4, ahead)).toMatchObject({ kind: "appended" });
    await world.clock.advance(24 * HOUR_MS);
    expect(await collector.run()).toBe(0);
    expect(world.keys()).toContain(ahead);
  });
});

describe("nothing is deleted", () => {
  test("while a journal does not answer, though others have retired; and then it is", async () => {
    const { world, orphan } = await started();
    let isAway = true;
    const collector = world.collector({
      journalFaults: {
        next: ({ method, journal }) =>
          isAway && method === "append" && journal === logJournalId(1) ? { kind: "failure" } : undefined,
      },
    });
    await world.clock.advance(3 * HOUR_MS);
    await expect(collector.run()).rejects.toThrow();
    expect(world.keys()).toContain(orphan);
    isAway = false;
    await world.clock.advance(HOUR_MS);
    expect(await collector.run()).toBe(1);
  });

  test("by a process that knows fewer journals than a topic lives in", async () => {
    const { world, orphan } = await started();
    world.addTopic(topicOf(2, { journalCount: 3 }));
    await world.clock.advance(3 * HOUR_MS);
    await expect(world.collector().run()).rejects.toThrow(UnknownJournalsError);
    expect(world.keys()).toContain(orphan);
    expect(await world.collector({ journalCount: 3 }).run()).toBe(1);
  });

  test("that others have put there, which is told once", async () => {
    const { world, live } = await started();
    const strangers = ["backup/x", "segments/README", "wal/0000000001/notes.txt", "wal/-", "zzz"].map(objectKey);
    for (const key of strangers) world.put(key);
    const collector = world.collector();
    expect(await collector.runOut()).toBe(1);
    await collector.runOut();
    expect(world.keys()).toEqual([...strangers, live].toSorted());
    expect(collector.log).toEqual([
      {
        message: "a store has objects among ours that we did not write; they stay",
        fields: { store: 0, count: 2, key: "wal/0000000001/notes.txt" },
      },
    ]);
  });

  test("and nothing is written, while everything is referred to", async () => {
    const { world, orphan } = await started();
    await world.refer(2, orphan, 1);
    const before = recordCount(world);
    await world.clock.advance(5 * HOUR_MS);
    expect(await world.collector().run()).toBe(0);
    expect(recordCount(world)).toBe(before);
  });
});

describe("a store that is away", () => {
  test("is left for later, and the others go on", async () => {
    const { world, live } = await started(2);
    let isAway = true;
    const collector = world.collector({
      storeFaults: ({ store }) => (isAway && store === 1 ? { kind: "unavailable" } : undefined),
    });
    await world.clock.advance(3 * HOUR_MS);
    expect(await collector.run()).toBe(1);
    expect(world.keys(0)).toEqual([live]);
    isAway = false;
    // The other store rests meanwhile.
    expect(await collector.run()).toBe(1);
    expect(world.keys(1)).toEqual([live]);
    expect(collector.calls.filter(({ store }) => store === 0)).toHaveLength(3);
  });

  test("in the middle of a listing, is cleared of what was found until then", async () => {
    const { world, live } = await started();
    for (let n = 10; n < 2_510; n++) world.upload(n);
    let isAway = true;
    const collector = world.collector({
      storeFaults: ({ operation, index }) =>
        isAway && operation === "list" && index >= 2 ? { kind: "unavailable" } : undefined,
    });
    await world.clock.advance(3 * HOUR_MS);
    expect(await collector.run()).toBe(999);
    isAway = false;
    expect(await collector.run()).toBe(1_502);
    expect(world.keys()).toEqual([live]);
  });

  test("while it is to delete, is asked again later", async () => {
    const { world, live } = await started();
    let isAway = true;
    const collector = world.collector({
      storeFaults: ({ operation }) => (isAway && operation === "deleteAll" ? { kind: "unavailable" } : undefined),
    });
    await world.clock.advance(3 * HOUR_MS);
    expect(await collector.run()).toBe(0);
    expect(collector.log.map(({ message }) => message)).toEqual(["a store does not delete garbage"]);
    isAway = false;
    await world.clock.advance(HOUR_MS);
    expect(await collector.run()).toBe(1);
    expect(world.keys()).toEqual([live]);
  });
});

test("two collectors at once delete the same, and nothing else", async () => {
  const { world, live } = await started(2);
  const run = { isForced: true, signal: new AbortController().signal };
  const [one, other] = [world.collector(), world.collector()];
  await world.run(Promise.all([one.worker.runOnce(run), other.worker.runOnce(run)]));
  for (const store of [0, 1]) expect(world.keys(store)).toEqual([live]);
});

test("runs by hand go on where the last ones of the same hour did, and begin anew in a later one", async () => {
  const { world, live } = await started();
  const run = { isForced: true, signal: new AbortController().signal };
  const { worker } = world.collector();
  expect(await world.run(worker.runOnce(run))).toBe(1);
  await world.clock.advance(HOUR_MS);
  world.upload(4);
  expect(await world.run(worker.runOnce(run))).toBe(1);
  expect(await world.run(worker.runOnce(run))).toBe(0);
  expect(world.keys()).toEqual([live]);
});

test("a run by hand sees everything, although the last one was broken off in the middle", async () => {
  const { world, live } = await started();
  await world.run(world.collector().worker.runOnce({ isForced: true, signal: new AbortController().signal }));
  let isAway = true;
  const { worker } = world.collector({
    storeFaults: ({ operation, key }) =>
      isAway && operation === "list" && key === "wal/" ? { kind: "unavailable" } : undefined,
  });
  const run = { isForced: true, signal: new AbortController().signal };
  expect(await world.run(worker.runOnce(run))).toBe(0);
  isAway = false;
  const directory = segmentDirectory({
    uploadEpoch: world.hour,
    attemptId: "a".repeat(32),
    topic: "t",
    partitionIndex: 0,
  });
  world.put(segmentFileKey(directory, 0, "log"));
  expect(await world.run(worker.runOnce(run))).toBe(1);
  expect(world.keys()).toEqual([live]);
});

test("a collector that is killed anywhere leaves what the next one can finish", async () => {
  let count = 0;
  for (let dies = 0; ; dies++) {
    const { world, live } = await started(2);
    count = 0;
    const isDead = () => count++ >= dies;
    const killed = world.collector({
      journalFaults: { next: () => (isDead() ? { kind: "death", hasEffect: dies % 2 === 0 } : undefined) },
      storeFaults: () => (isDead() ? { kind: "unavailable" } : undefined),
    });
    await world.clock.advance(3 * HOUR_MS);
    await killed.run().catch(() => 0);
    for (const store of [0, 1]) expect(world.keys(store)).toContain(live);
    await world.collector().run();
    for (const store of [0, 1]) expect(world.keys(store)).toEqual([live]);
    if (count <= dies) break;
  }
  expect(count).toBeGreaterThan(10);
});

test("after a clock that ran years ahead for a while objects are collected by the store's own times", async () => {
  const { world, live } = await started();
  const yearMs = 366 * 24 * HOUR_MS;
  world.clock.jumpWall(yearMs);
  expect(await world.collector().run()).toBe(1);
  world.clock.jumpWall(-yearMs);
  const floor = world.hour + 366 * 24 - 3;
  const late = world.upload(3, floor + 1);
  const collector = world.collector();
  expect(await collector.run()).toBe(0);
  await world.clock.advance(4 * HOUR_MS);
  expect(await collector.run()).toBe(1);
  expect(world.keys()).toEqual([live]);
  expect(await world.refer(3, late)).toEqual({ kind: "retired", floor: floor + 1 });
});

async function entriesOf(world: GarbageWorld) {
  const { journals } = world.collector();
  const journal = await world.run(journals.journal(0, new AbortController().signal));
  return [...journal.state.partitions.values()].flatMap(({ entries }) => entries);
}

function recordCount(world: GarbageWorld): number {
  return [0, 1].reduce((sum, n) => sum + world.journalService.recordsOf(logJournalId(n)).length, 0);
}
