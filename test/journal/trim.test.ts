import { describe, expect, test } from "vitest";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { APPEND_DOUBT_MS, SNAPSHOT_RECORDS_MIN, TRIM_DELAY_MS } from "#lib/util/limits.ts";
import { add } from "../support/counter-machine.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { CounterJournal } from "./support.ts";
import { FaultList, inLane, JOURNAL, NEVER, SNAPSHOTS, World } from "./support.ts";

const DAY_MS = TRIM_DELAY_MS;

async function snapshotAfterMore(world: World, state: CounterJournal): Promise<void> {
  await world.fill(state, SNAPSHOT_RECORDS_MIN, new Uint8Array(150));
  expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
}

/** A writer with snapshots at 256 and 512, and the journal's first number. */
async function withTwoSnapshots(options = { checksTrimMark: true }) {
  const world = new World(options);
  const { state } = await world.open();
  await snapshotAfterMore(world, state);
  await snapshotAfterMore(world, state);
  return { world, state, first: () => world.service.recordsOf(JOURNAL)[0]?.seq };
}

describe("trimming (J6)", () => {
  test("goes up to the second newest pointer, a day after its snapshot", async () => {
    const { world, state, first } = await withTwoSnapshots();
    await world.clock.advance(DAY_MS - 1);
    expect(await world.run(state.trim(NEVER))).toBe(0);
    expect(first()).toBe(1);
    await world.clock.advance(1);
    expect(await world.run(state.trim(NEVER))).toBe(256);
    expect(first()).toBe(257);
  });

  test("goes on in a journal that takes several snapshots a day", async () => {
    const { world, state, first } = await withTwoSnapshots();
    for (let sixths = 0; sixths < 4; sixths++) {
      await world.clock.advance(DAY_MS / 6);
      await snapshotAfterMore(world, state);
    }
    expect(await world.run(state.trim(NEVER))).toBe(0);
    await world.clock.advance(DAY_MS / 3);
    // The pointers stand at 256, 512 (both a day old) and four times later.
    expect(await world.run(state.trim(NEVER))).toBe(512);
    expect(first()).toBe(513);
  });

  test("does nothing with one pointer, however old", async () => {
    const world = new World();
    const { state } = await world.open();
    await snapshotAfterMore(world, state);
    await world.clock.advance(10 * DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(0);
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(1);
  });

  test("counts the age by the service's clock, not by the host's", async () => {
    const { world, first } = await withTwoSnapshots();
    const hostClock = new ManualClock(world.clock.nowMs() + 30 * DAY_MS);
    const state = world.process({ journal: world.service.connect(), clock: hostClock });
    await world.run(state.open(NEVER));
    expect(await world.run(state.trim(NEVER))).toBe(0);
    expect(first()).toBe(1);
  });

  test("spares a record whose bytes the newest state still needs", async () => {
    const { world, state, first } = await withTwoSnapshots();
    const other = await world.open();
    await world.clock.advance(DAY_MS);
    // Another process' command: the trimming one has to read it first.
    await world.run(other.state.propose(add("need", 100), inLane("x")));
    expect(await world.run(state.trim(NEVER))).toBe(99);
    expect(first()).toBe(100);
  });

  test("is refused while one of the two snapshots cannot be read", async () => {
    for (const damaged of [0, 1]) {
      const { world, state, first } = await withTwoSnapshots();
      world.objects.damage(world.objects.keys[damaged] ?? "");
      await world.clock.advance(DAY_MS);
      await expect(world.run(state.trim(NEVER))).rejects.toThrow(/hash/);
      expect(first()).toBe(1);
    }
  });

  test("leaves pointers that still lead somewhere", async () => {
    const { world, state } = await withTwoSnapshots();
    await snapshotAfterMore(world, state);
    await world.clock.advance(DAY_MS);
    expect(await world.run(state.trim(NEVER))).toBe(512);
    expect(world.service.recordsOf(SNAPSHOTS).map((record) => record.seq)).toEqual([512, 768]);
    expect(await world.run(state.trim(NEVER))).toBe(512);
  });

  test("a reader that finds its next record trimmed reloads from the snapshot and never folds on", async () => {
    const { world, state } = await withTwoSnapshots();
    const sleeper = world.process({ journal: world.service.connect() });
    await world.run(sleeper.open(NEVER));
    const events: string[] = [];
    sleeper.onReload(() => events.push(`reload at ${sleeper.seq}`));
    sleeper.onFold((_command, _outcome, context) => events.push(`fold ${context.seq}`));
    const before = sleeper.state;
    await snapshotAfterMore(world, state);
    await snapshotAfterMore(world, state);
    await world.fill(state, 2);
    world.service.trim(JOURNAL, 768);
    await world.run(sleeper.catchUp(NEVER));
    expect(events).toEqual(["reload at 1026"]);
    expect(sleeper.state).not.toBe(before);
    expect(sleeper.state).toEqual(state.state);
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("a hole in the middle of a page leads to a reload too", async () => {
    const { world, state } = await withTwoSnapshots();
    const sleeper = await world.open();
    await world.fill(state, 10);
    world.service.tamper(JOURNAL, 515, undefined);
    await expect(world.run(sleeper.state.catchUp(NEVER))).rejects.toThrow(/no state can be restored/);
    expect(sleeper.state.seq).toBeLessThan(515);
  });
});

/** A journal service that knows no trim mark, as DynamoDB: there only the rule of the doubtful hour helps. */
describe("the hour of doubt (J6)", () => {
  async function withSleeper() {
    const made = await withTwoSnapshots({ checksTrimMark: false });
    const faults = new FaultList();
    const sleeper = await made.world.open(faults);
    return { ...made, sleeper: sleeper.state, faults };
  }

  /** The writer goes on, and a day later frees the number that the sleeper would append next. */
  async function freeNumbers(world: World, state: CounterJournal, moreMs = DAY_MS): Promise<void> {
    await snapshotAfterMore(world, state);
    await snapshotAfterMore(world, state);
    await world.clock.advance(moreMs);
    expect(await world.run(state.trim(NEVER))).toBe(768);
  }

  test("a process frozen between check and signing does not win the number that a trim freed", async () => {
    const { world, state, sleeper, faults } = await withSleeper();
    faults.push({ kind: "freeze", ms: 3 * DAY_MS });
    const proposing = sleeper.propose(add("late"), inLane("x"));
    const outcome = expect(proposing).rejects.toThrow(UnknownOutcomeError);
    await freeNumbers(world, state);
    await world.clock.advance(3 * DAY_MS);
    await outcome;
    // The service let it in; the pointer has decided all the same.
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(513);
    expect(sleeper.state).toEqual(state.state);
    expect(sleeper.checksum).toBe(state.checksum);
    expect(sleeper.state.counters.has("late")).toBe(false);
  });

  test("a sleeper that thaws and proposes first is stopped by the pointer, and works on after its reload", async () => {
    const { world, state, sleeper } = await withSleeper();
    await freeNumbers(world, state);
    await expect(world.run(sleeper.propose(add("late"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(await world.run(sleeper.propose(add("a"), inLane("x")))).toMatchObject({
      outcome: { value: 1 },
      seq: state.seq + 1,
    });
    await world.run(state.readBarrier(NEVER));
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("a conflict with another sleeper's record at a freed number is not folded either", async () => {
    const { world, state, sleeper } = await withSleeper();
    await freeNumbers(world, state);
    const garbage = world.service.recordsOf(JOURNAL).at(-1)?.bytes ?? new Uint8Array(0);
    world.service.append(JOURNAL, 513, garbage);
    await expect(world.run(sleeper.propose(add("late"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("a resend is in doubt by its own time", async () => {
    const { world, state, sleeper, faults } = await withSleeper();
    faults.push({ kind: "failure" }, { kind: "freeze", ms: 3 * DAY_MS });
    const proposing = sleeper.propose(add("late"), inLane("x"));
    const outcome = expect(proposing).rejects.toThrow(UnknownOutcomeError);
    await freeNumbers(world, state);
    await world.clock.advance(3 * DAY_MS);
    await outcome;
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("an idle process' success stands when the pointer is below its number, and is sure for the next hour", async () => {
    const { world, sleeper, faults } = await withSleeper();
    await world.clock.advance(APPEND_DOUBT_MS + 1);
    faults.calls.length = 0;
    expect(await world.run(sleeper.propose(add("a"), inLane("x")))).toMatchObject({ seq: 513 });
    expect(faults.calls).toEqual([`append ${JOURNAL} 513`, `last ${SNAPSHOTS} 0`]);
    expect(await world.run(sleeper.propose(add("a"), inLane("x")))).toMatchObject({ seq: 514 });
    expect(faults.calls).toHaveLength(3);
  });

  test("within the hour no append is in doubt", async () => {
    const { world, sleeper, faults } = await withSleeper();
    await world.clock.advance(APPEND_DOUBT_MS);
    faults.calls.length = 0;
    await world.run(sleeper.propose(add("a"), inLane("x")));
    expect(faults.calls).toEqual([`append ${JOURNAL} 513`]);
  });

  test("a reader that slept does not fold a late record at a freed number", async () => {
    const { world, state, sleeper } = await withSleeper();
    const ghost = await world.open();
    await freeNumbers(world, state);
    // Another sleeper's record lands in the gap, and the numbers after it are still there.
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(769);
    await expect(world.run(ghost.state.propose(add("ghost"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(world.service.recordsOf(JOURNAL)[0]?.seq).toBe(513);
    await world.run(sleeper.catchUp(NEVER));
    expect(sleeper.state.counters.has("ghost")).toBe(false);
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("a reader that slept does not fold such a record even if no hole follows it", async () => {
    const { world, state, sleeper } = await withSleeper();
    const ghost = await world.open();
    await snapshotAfterMore(world, state);
    await world.clock.advance(DAY_MS);
    world.service.trim(JOURNAL, 513);
    await expect(world.run(ghost.state.propose(add("ghost"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(world.service.recordsOf(JOURNAL).map((record) => record.seq)[1]).toBe(514);
    await world.run(sleeper.catchUp(NEVER));
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("a state that could not be reloaded after a doubt is reloaded before anything else", async () => {
    const made = await withTwoSnapshots({ checksTrimMark: false });
    const { world, state } = made;
    const broken = { isOn: false };
    const { state: sleeper } = await world.open({
      next: ({ method }) => (broken.isOn && method === "read" ? { kind: "failure" } : undefined),
    });
    await freeNumbers(world, state);
    broken.isOn = true;
    await expect(world.run(sleeper.propose(add("late"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(sleeper.seq).toBe(512);
    broken.isOn = false;
    expect(await world.run(sleeper.propose(add("a"), inLane("x")))).toMatchObject({ seq: state.seq + 1 });
    await world.run(state.readBarrier(NEVER));
    expect(sleeper.checksum).toBe(state.checksum);
  });
});

describe("a trim that overtakes a record under way", () => {
  const overtake = async (world: World, state: CounterJournal) => {
    await snapshotAfterMore(world, state);
    world.service.trim(JOURNAL, 600);
  };

  test("leaves a success unknown once the state was reloaded from behind it", async () => {
    const { world, state } = await withTwoSnapshots();
    const faults = new FaultList();
    const { state: slow } = await world.open(faults);
    faults.push({ kind: "slow", ms: 5_000 });
    const proposing = slow.propose(add("a"), inLane("x"));
    const outcome = expect(proposing).rejects.toThrow(UnknownOutcomeError);
    await world.clock.advance(10);
    await overtake(world, state);
    await world.run(slow.readBarrier(NEVER));
    await world.clock.advance(5_000);
    await outcome;
    expect(slow.state.counters.get("a")).toBe(1);
  });

  test("leaves a lost answer unknown when the resend is refused as trimmed", async () => {
    const { world, state } = await withTwoSnapshots();
    const faults = new FaultList();
    const { state: slow } = await world.open(faults);
    faults.push({ kind: "lost-answer" }, { kind: "freeze", ms: 5_000 });
    const proposing = slow.propose(add("a"), inLane("x"));
    const outcome = expect(proposing).rejects.toThrow(UnknownOutcomeError);
    await world.clock.advance(10);
    await overtake(world, state);
    await world.clock.advance(5_000);
    await outcome;
    expect(slow.state.counters.get("a")).toBe(1);
    expect(slow.checksum).toBe(state.checksum);
  });

  test("a sleeper at a service that checks the trim mark is refused there and proposes again", async () => {
    const { world, state } = await withTwoSnapshots();
    const sleeper = (await world.open()).state;
    await world.fill(state, 1);
    world.service.trim(JOURNAL, 513);
    await snapshotAfterMore(world, state);
    world.service.trim(JOURNAL, 700);
    expect(await world.run(sleeper.propose(add("a"), inLane("x")))).toMatchObject({ seq: state.seq + 1 });
    await world.run(state.readBarrier(NEVER));
    expect(sleeper.checksum).toBe(state.checksum);
  });
});
