import { describe, expect, test } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { JournalObjectsGarbage } from "#lib/housekeeping/journal-objects-garbage.ts";
import { objectName } from "#lib/journal/object-names.ts";
import { encodePointer, type SnapshotPointer, snapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { journalId, objectKey } from "#lib/util/branded.ts";
import {
  GARBAGE_AGE_HOURS,
  GARBAGE_REST_MS_MAX,
  LARGE_COMMAND_RECORDS_MAX,
  SNAPSHOT_RECORDS_MIN,
  TRIM_DELAY_MS,
} from "#lib/util/limits.ts";
import { type CounterJournal, JOURNAL, NEVER, SNAPSHOTS } from "../journal/support.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { StoredObjectsWorld } from "./stored-objects-world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = TRIM_DELAY_MS;

function collector(world: StoredObjectsWorld, faults?: JournalFaultPlan, journalIds = [JOURNAL]) {
  const garbage = new JournalObjectsGarbage({
    journal: world.service.connect(faults),
    stores: world.stores,
    journalIds: () => journalIds,
    clock: world.clock,
    random: new SeededRandom(5),
    logger: SILENT_LOGGER,
  });
  return (isForced = false) => world.run(garbage.runOnce({ isForced, signal: NEVER }));
}

async function mebibyteMore(world: StoredObjectsWorld, state: CounterJournal): Promise<void> {
  await world.fill(state, 6, new Uint8Array(200_000));
  expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
}

/** Enough records for a snapshot. */
async function snapshotMore(world: StoredObjectsWorld, state: CounterJournal): Promise<void> {
  await world.fill(state, SNAPSHOT_RECORDS_MIN, new Uint8Array(150));
  expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
}

async function started() {
  const world = new StoredObjectsWorld();
  return { world, state: await world.start() };
}

/** Keeps a process asleep in its next append of a pointer. */
function sleepsOverPointer(ms: number): JournalFaultPlan {
  let isFirst = true;
  return {
    next: ({ method, journal }) => {
      if (method !== "append" || journal !== SNAPSHOTS || !isFirst) return undefined;
      isFirst = false;
      return { kind: "freeze", ms };
    },
  };
}

async function expectColdOpen(world: StoredObjectsWorld, state: CounterJournal): Promise<void> {
  await world.run(state.readBarrier(NEVER));
  expect((await world.start()).checksum).toBe(state.checksum);
}

describe("snapshots and archives", () => {
  test("stay while a pointer names them, and go when a trim has taken the last one that does", async () => {
    const { world, state } = await started();
    for (let left = 4; left > 0; left--) await mebibyteMore(world, state);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(18);
    expect(await collector(world)(true)).toBe(0);
    await snapshotMore(world, state);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(24);
    expect(await collector(world)(true)).toBe(0);
    await snapshotMore(world, state);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(280);
    expect(world.keys()).toHaveLength(6);
    // A snapshot and three chunks, in two stores.
    expect(await collector(world)()).toBe(8);
    expect(world.keys()).toEqual(world.pointers().map(({ object }) => object.key));
    expect(await collector(world)(true)).toBe(0);
    await expectColdOpen(world, state);
  });

  test("that lost the race for their number go after three hours, or at once by hand", async () => {
    for (const isForced of [false, true]) {
      const { world, state } = await started();
      await world.fill(state, SNAPSHOT_RECORDS_MIN);
      const other = await world.start();
      await world.run(Promise.all([state.takeSnapshot(NEVER), other.takeSnapshot(NEVER)]));
      expect(world.keys()).toHaveLength(2);
      if (!isForced) {
        await world.clock.advance((GARBAGE_AGE_HOURS - 1) * HOUR_MS);
        expect(await collector(world)()).toBe(0);
        await world.clock.advance(HOUR_MS);
      }
      expect(await collector(world)(isForced)).toBe(2);
      expect(world.keys()).toEqual(world.pointers().map(({ object }) => object.key));
    }
  });

  test("stay while their pointer may still become the newest, however old they are", async () => {
    const { world, state } = await started();
    await snapshotMore(world, state);
    await world.run(world.stored.put(objectName(JOURNAL, "snapshots", 257), [new Uint8Array(9)], NEVER));
    await world.run(world.stored.put(objectName(JOURNAL, "archive", 300), [new Uint8Array(9)], NEVER));
    await world.clock.advance(30 * DAY_MS);
    expect(await collector(world)(true)).toBe(0);
    expect(world.keys()).toHaveLength(3);
    await snapshotMore(world, state);
    expect(await collector(world)(true)).toBe(4);
  });

  test("a snapshot whose pointer comes late is gone, and nobody misses it", async () => {
    const { world, state } = await started();
    await world.fill(state, SNAPSHOT_RECORDS_MIN);
    const sleeper = await world.start(world.service.connect(sleepsOverPointer(3 * DAY_MS)));
    const taking = sleeper.takeSnapshot(NEVER);
    await world.clock.advance(10);
    await world.fill(state, 1);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    await snapshotMore(world, state);
    expect(await collector(world)(true)).toBe(2);
    await world.clock.advance(3 * DAY_MS);
    expect(await world.run(taking)).toBe(true);
    expect(world.pointers().map(({ seq }) => seq)).toEqual([256, 257, 513]);
    await expectColdOpen(world, state);
    expect(await world.run(state.trim(NEVER))).toBe(257);
    await expectColdOpen(world, state);
  });

  test("an archive's pointer that comes a day late names garbage; the one before it and the next snapshot make up for it", async () => {
    const { world, state } = await started();
    await mebibyteMore(world, state);
    await mebibyteMore(world, state);
    await world.fill(state, 6, new Uint8Array(200_000));
    const sleeper = await world.start(world.service.connect(sleepsOverPointer(5 * DAY_MS)));
    await world.run(state.readBarrier(NEVER));
    const taking = sleeper.takeSnapshot(NEVER);
    await world.clock.advance(100);
    // Meanwhile others have pointers that do without its snapshot, all below the sleeper's number.
    const records = world.service.recordsOf(JOURNAL);
    for (const seq of [14, 16]) await putSnapshotAt(world, seq, records);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(14);
    expect(await collector(world)(true)).toBeGreaterThan(0);
    await world.clock.advance(5 * DAY_MS);
    expect(await world.run(taking)).toBe(true);
    expect(world.pointers().map(({ seq }) => seq)).toEqual([14, 16, 18]);
    await expectColdOpen(world, state);
    await expect(world.run(state.trim(NEVER))).rejects.toThrow(/does not exist/);
    await expectColdOpen(world, state);
    await world.fill(state, 1);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    expect(world.pointers().at(-1)).toMatchObject({ seq: 19, chunks: [] });
    expect(await world.run(state.trim(NEVER))).toBe(16);
    await expectColdOpen(world, state);
  });
});

/** A snapshot as a process takes it that has folded no further. */
async function putSnapshotAt(world: StoredObjectsWorld, seq: number, records: readonly { bytes: Uint8Array }[]) {
  const other = new StoredObjectsWorld();
  for (const [index, { bytes }] of records.slice(0, seq).entries()) other.service.append(JOURNAL, index + 1, bytes);
  const state = await other.start();
  expect(await other.run(state.takeSnapshot(NEVER))).toBe(true);
  const { object, ...pointer } = defined(other.pointers()[0]);
  const bytes = defined(other.services[0]?.objects.get(objectKey(object.key))).bytes;
  const copied = await world.run(world.stored.put(objectName(JOURNAL, "snapshots", seq), [bytes], NEVER));
  world.service.append(SNAPSHOTS, seq, encodePointer({ ...pointer, takenAtMs: world.clock.nowMs(), object: copied }));
}

describe("large commands", () => {
  const SPAN = LARGE_COMMAND_RECORDS_MAX;

  /** A journal that is trimmed to begin at `first`, with the pointers given. */
  async function journalFrom(first: number, pointers: readonly Pick<SnapshotPointer, "seq" | "snapshotSeq">[]) {
    const world = new StoredObjectsWorld();
    const command = (seq: number) => world.stored.put(objectName(JOURNAL, "commands", seq), [new Uint8Array(9)], NEVER);
    for (const seq of [0, 5]) await world.run(command(seq));
    for (let seq = first; seq < first + 3; seq++) world.service.append(JOURNAL, seq, new Uint8Array(1));
    const object = await world.run(world.stored.put(objectName(JOURNAL, "snapshots", 1), [new Uint8Array(1)], NEVER));
    for (const { seq, snapshotSeq } of pointers) {
      const pointer = snapshotPointer({ seq, takenAtMs: 0, journalBytes: 0, object });
      const chunks = seq === snapshotSeq ? [] : [{ lastSeq: seq, object }];
      world.service.append(SNAPSHOTS, seq, encodePointer({ ...pointer, snapshotSeq, chunks }));
    }
    return { world, commands: () => world.keys().filter((key) => key.includes("/commands/")).length };
  }

  const at = (seq: number, snapshotSeq = seq) => ({ seq, snapshotSeq });

  test.each([
    { why: "while its record may stand", first: SPAN, pointers: [at(SPAN + 100), at(SPAN + 200)], left: 2 },
    { why: "no more when it is trimmed", first: SPAN + 1, pointers: [at(SPAN), at(SPAN + 200)], left: 1 },
    { why: "while an archive may hold its record", first: SPAN + 9, pointers: [at(SPAN + 8, SPAN - 1)], left: 2 },
    { why: "while no pointer stands", first: 1, pointers: [], left: 2 },
    { why: "no more when neither holds", first: SPAN + 6, pointers: [at(SPAN + 5), at(SPAN + 7, SPAN + 5)], left: 0 },
  ])("an object is kept $why", async ({ first, pointers, left }) => {
    const { world, commands } = await journalFrom(first, pointers);
    await collector(world)(true);
    expect(commands()).toBe(left);
  });
});

describe("what is not ours to delete", () => {
  async function withGarbage() {
    const { world, state } = await started();
    await world.run(world.stored.put(objectName(JOURNAL, "snapshots", 7), [new Uint8Array(9)], NEVER));
    await snapshotMore(world, state);
    return world;
  }

  test("stays: strangers' keys, keys of an older form, and other journals' objects", async () => {
    const world = await withGarbage();
    const keys = [
      "journals/notes.txt",
      "journals/0000000001/counters/snapshots/0011223344556677",
      "journals/0000000001/counters/snapshots/00000000000000000007/001122334455667",
      "journals/0000000001/counters/diary/00000000000000000007/0011223344556677",
      "journals/0000000001/counters/snapshots/99999999999999999999/0011223344556677",
      "journals/1/counters/snapshots/00000000000000000007/0011223344556677",
      "wal/0000000001/counters/snapshots/00000000000000000007/0011223344556677",
    ].map((key) => objectKey(key));
    for (const key of keys) world.services[0]?.put(key, new Uint8Array(3));
    await world.run(world.stored.put(objectName(journalId("log-9"), "snapshots", 7), [new Uint8Array(9)], NEVER));
    expect(await collector(world)(true)).toBe(2);
    for (const key of keys) expect(world.keys()).toContain(key);
    expect(world.keys()).toHaveLength(keys.length + 2);
  });

  test("stays while a pointer cannot be read", async () => {
    const world = await withGarbage();
    world.service.append(SNAPSHOTS, 300, Buffer.from("a pointer of a later version, perhaps"));
    expect(await collector(world)(true)).toBe(0);
  });

  test("stays while the journal does not answer; the others' garbage goes", async () => {
    const world = await withGarbage();
    const down: JournalFaultPlan = {
      next: ({ journal }) => (journal === SNAPSHOTS ? { kind: "failure" } : undefined),
    };
    expect(await collector(world, down)(true)).toBe(0);
    const other = journalId("log-9");
    await world.run(world.stored.put(objectName(other, "snapshots", 1), [new Uint8Array(9)], NEVER));
    const pointer = snapshotPointer({
      seq: 2,
      takenAtMs: 0,
      journalBytes: 0,
      object: defined(world.pointers()[0]).object,
    });
    world.service.append(journalId("log-9/snapshots"), 2, encodePointer(pointer));
    expect(await collector(world, down, [JOURNAL, other])(true)).toBe(2);
  });

  test("a store that is down keeps nobody from the other's garbage", async () => {
    const world = await withGarbage();
    defined(world.services[0]).isDown = true;
    const collect = collector(world);
    expect(await collect(true)).toBe(1);
    defined(world.services[0]).isDown = false;
    expect(await collect(true)).toBe(1);
  });
});

test("a schedule looks at the stores once an hour, and less often while there is nothing", async () => {
  const { world, state } = await started();
  await snapshotMore(world, state);
  const calls: string[] = [];
  const collect = collector(world, {
    next: ({ method, journal }) => {
      calls.push(`${method} ${journal}`);
      return undefined;
    },
  });
  const looks = async () => {
    calls.length = 0;
    await collect();
    return calls.length > 0;
  };
  expect(await looks()).toBe(true);
  expect(await looks()).toBe(false);
  await world.clock.advance(HOUR_MS);
  expect(await looks()).toBe(false);
  await world.clock.advance(HOUR_MS);
  expect(await looks()).toBe(true);
  await world.clock.advance(GARBAGE_REST_MS_MAX);
  expect(await looks()).toBe(true);
});
