import { describe, expect, test } from "vitest";
import type { JournalRecord } from "#lib/journal/journal.ts";
import { StateUnreachableError } from "#lib/journal/journal-errors.ts";
import { decodePointer } from "#lib/journal/snapshot-shelf.ts";
import { SNAPSHOT_RECORDS_MIN } from "#lib/util/limits.ts";
import { add } from "../support/counter-machine.ts";
import type { CounterJournal } from "./support.ts";
import { FaultList, inLane, JOURNAL, NEVER, SNAPSHOTS, World } from "./support.ts";

async function withSnapshots(count: number) {
  const world = new World();
  const { state } = await world.open();
  for (let left = count; left > 0; left--) {
    // Each snapshot grows, and the next is due after as many bytes: large commands keep the test short.
    await world.fill(state, SNAPSHOT_RECORDS_MIN, new Uint8Array(100));
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
  }
  await world.fill(state, 3);
  return { world, state };
}

function pointersOf(world: World) {
  return world.service.recordsOf(SNAPSHOTS).map((record: JournalRecord) => decodePointer(record));
}

async function coldOpen(world: World): Promise<{ state: CounterJournal; calls: string[] }> {
  const faults = new FaultList();
  const { state } = await world.open(faults);
  return { state, calls: faults.calls };
}

describe("snapshots (J5)", () => {
  test("a snapshot is due after 256 records", async () => {
    const world = new World();
    const { state } = await world.open();
    await world.fill(state, SNAPSHOT_RECORDS_MIN - 1);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(false);
    await world.fill(state, 1);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(false);
    expect(pointersOf(world).map((pointer) => pointer.seq)).toEqual([SNAPSHOT_RECORDS_MIN]);
  });

  test("a snapshot larger than 256 records is due again after as many bytes as it has", async () => {
    const world = new World();
    const { state } = await world.open();
    await world.run(state.propose(add("n".repeat(60_000)), inLane("x")));
    await world.fill(state, SNAPSHOT_RECORDS_MIN);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    await world.fill(state, SNAPSHOT_RECORDS_MIN);
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(false);
    await world.run(state.propose(add("p", 1, new Uint8Array(200_000)), inLane("x")));
    expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
  });

  test("a cold open is one pointer, one object and one page, and folds on as the old state does", async () => {
    const { world, state } = await withSnapshots(2);
    const opened = await coldOpen(world);
    expect(opened.calls).toEqual([`last ${SNAPSHOTS} 0`, `read ${JOURNAL} 513`]);
    expect(opened.state.state).toEqual(state.state);
    expect(opened.state.checksum).toBe(state.checksum);
    const [a, b] = await world.run(
      Promise.all([state.propose(add("a"), inLane("x")), opened.state.propose(add("a"), inLane("x"))]),
    );
    expect([a.outcome.value, b.outcome.value].sort()).toEqual([1, 2]);
    await world.run(Promise.all([state.readBarrier(NEVER), opened.state.readBarrier(NEVER)]));
    expect(opened.state.checksum).toBe(state.checksum);
  });

  test("two processes that take a snapshot at one number leave one pointer", async () => {
    const world = new World();
    const one = await world.open();
    await world.fill(one.state, SNAPSHOT_RECORDS_MIN);
    const other = await world.open();
    const taken = await world.run(Promise.all([one.state.takeSnapshot(NEVER), other.state.takeSnapshot(NEVER)]));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(pointersOf(world)).toHaveLength(1);
  });

  test("a late pointer below the newest changes nothing", async () => {
    const { world, state } = await withSnapshots(2);
    const [first] = world.service.recordsOf(SNAPSHOTS);
    world.service.append(SNAPSHOTS, 300, first?.bytes ?? new Uint8Array(0));
    const opened = await coldOpen(world);
    expect(opened.calls).toEqual([`last ${SNAPSHOTS} 0`, `read ${JOURNAL} 513`]);
    expect(opened.state.checksum).toBe(state.checksum);
  });

  test.each(["missing", "corrupt"])("a %s object leads to the pointer before it", async (damage) => {
    const { world, state } = await withSnapshots(2);
    const key = pointersOf(world)[1]?.object.key ?? "";
    if (damage === "missing") world.objects.delete(key);
    else world.objects.damage(key);
    const opened = await coldOpen(world);
    expect(opened.calls).toContain(`read ${JOURNAL} 257`);
    expect(opened.state.checksum).toBe(state.checksum);
    expect(opened.state.state).toEqual(state.state);
  });

  test("a damaged pointer leads to the one before it", async () => {
    const { world, state } = await withSnapshots(2);
    world.service.tamper(SNAPSHOTS, 512, Buffer.from("rubbish that is long enough"));
    const opened = await coldOpen(world);
    expect(opened.state.checksum).toBe(state.checksum);
  });

  test("without any snapshot that can be read, a whole journal is folded from its beginning", async () => {
    const { world, state } = await withSnapshots(1);
    for (const key of world.objects.keys) world.objects.damage(key);
    expect((await coldOpen(world)).state.checksum).toBe(state.checksum);
  });

  test("without any snapshot and with a trimmed journal the error names what is damaged", async () => {
    const { world } = await withSnapshots(2);
    for (const key of world.objects.keys) world.objects.damage(key);
    world.service.trim(JOURNAL, 200);
    const opening = world.run(world.process({ journal: world.service.connect() }).open(NEVER));
    await expect(opening).rejects.toThrow(StateUnreachableError);
    await expect(opening).rejects.toThrow(/snapshot 512: .*hash.*snapshot 256: .*hash.*trimmed/);
  });

  test("a pointer whose answer was lost stands once", async () => {
    const world = new World();
    let isFirst = true;
    const { state } = await world.open({
      next: ({ method, journal }) => {
        if (method !== "append" || journal !== SNAPSHOTS || !isFirst) return undefined;
        isFirst = false;
        return { kind: "lost-answer" };
      },
    });
    await world.fill(state, SNAPSHOT_RECORDS_MIN);
    await world.run(state.takeSnapshot(NEVER));
    expect(pointersOf(world)).toHaveLength(1);
    expect(isFirst).toBe(false);
  });
});

describe("large commands (J2)", () => {
  test("a 500 KB command goes to an object, and every process folds it", async () => {
    const world = new World();
    const one = await world.open();
    const other = await world.open();
    const padding = new Uint8Array(500_000).fill(7);
    expect(await world.run(one.state.propose(add("big", 5, padding), inLane("x")))).toMatchObject({
      outcome: { value: 5 },
      seq: 1,
    });
    expect(world.service.recordsOf(JOURNAL)[0]?.bytes.byteLength).toBeLessThan(1_000);
    expect(world.objects.keys).toHaveLength(1);
    await world.run(other.state.catchUp(NEVER));
    expect(other.state.checksum).toBe(one.state.checksum);
    expect(other.state.state.counters.get("big")).toBe(5);
  });

  test("its lost object stops whoever must fold it", async () => {
    const world = new World();
    const one = await world.open();
    await world.run(one.state.propose(add("big", 5, new Uint8Array(500_000)), inLane("x")));
    world.objects.damage(world.objects.keys[0] ?? "");
    const opening = world.run(world.process({ journal: world.service.connect() }).open(NEVER));
    await expect(opening).rejects.toThrow(/record 1: a command's object is lost/);
  });

  test("records end before they are too large, between commands and in order", async () => {
    const world = new World();
    const { state } = await world.open();
    const padding = new Uint8Array(100_000);
    const committed = await world.run(
      Promise.all([1, 2, 3, 4, 5].map((amount) => state.propose(add("a", amount, padding), inLane("x")))),
    );
    expect(committed.map(({ seq, indexInRecord }) => [seq, indexInRecord])).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [2, 1],
      [3, 0],
    ]);
    expect(committed.map(({ outcome }) => outcome.value)).toEqual([1, 3, 6, 10, 15]);
  });
});
