import { describe, expect, test } from "vitest";
import { StateClosedError, UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { add } from "../support/counter-machine.ts";
import { FaultList, inLane, JOURNAL, NEVER, World } from "./support.ts";

describe("group commit (J7)", () => {
  test("commands of one turn travel in one record, in order", async () => {
    const world = new World();
    const { state } = await world.open();
    const committed = await world.run(
      Promise.all([1, 2, 3].map((amount) => state.propose(add("a", amount), inLane("x")))),
    );
    expect(committed.map(({ seq, indexInRecord }) => [seq, indexInRecord])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(committed.map(({ outcome }) => outcome.value)).toEqual([1, 3, 6]);
  });

  test("one append is in flight; what comes meanwhile rides in the next record", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.calls.length = 0;
    faults.push({ kind: "slow", ms: 100 });
    const first = state.propose(add("a"), inLane("x"));
    await world.clock.advance(10);
    const meanwhile = [1, 2, 3, 4].map((lane) => state.propose(add("a"), inLane(`lane ${lane}`)));
    await world.clock.advance(10);
    expect(faults.calls).toEqual([`append ${JOURNAL} 1`]);
    expect(await world.run(first)).toMatchObject({ seq: 1 });
    for (const committed of await world.run(Promise.all(meanwhile))) expect(committed).toMatchObject({ seq: 2 });
    expect(faults.calls).toEqual([`append ${JOURNAL} 1`, `append ${JOURNAL} 2`]);
  });

  test("a place that is not ready holds up its own lane and no other", async () => {
    const world = new World();
    const { state } = await world.open();
    const slow = state.reserve("slow");
    const behind = state.propose(add("behind"), inLane("slow"));
    await world.run(state.propose(add("quick"), inLane("quick")));
    expect(state.state.history).toEqual(["quick@1.0"]);
    const first = slow.propose(add("slow"), NEVER);
    await world.run(Promise.all([first, behind]));
    expect(state.state.history).toEqual(["quick@1.0", "slow@2.0", "behind@2.1"]);
  });

  test("a released place lets its lane move on", async () => {
    const world = new World();
    const { state } = await world.open();
    const slot = state.reserve("x");
    const behind = state.propose(add("behind"), inLane("x"));
    await world.clock.advance(10);
    expect(state.seq).toBe(0);
    slot.release();
    expect(await world.run(behind)).toMatchObject({ seq: 1 });
  });

  test("a lost race keeps the order of a lane, with what came meanwhile behind", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    const other = await world.open();
    faults.push({ kind: "freeze", ms: 100 });
    const all = [state.propose(add("a"), inLane("x")), state.propose(add("b"), inLane("x"))];
    await world.clock.advance(10);
    await world.run(other.state.propose(add("other"), inLane("x")));
    all.push(state.propose(add("c"), inLane("x")));
    await world.run(Promise.all(all));
    expect(state.state.history).toEqual(["other@1.0", "a@2.0", "b@2.1", "c@2.2"]);
  });

  test("a command that gives up before it is in flight never happens", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "slow", ms: 100 });
    const first = state.propose(add("a"), inLane("x"));
    await world.clock.advance(10);
    const controller = new AbortController();
    const given = state.propose(add("given up"), inLane("x", controller.signal));
    const behind = state.propose(add("b"), inLane("x"));
    const reason = new Error("connection closed");
    controller.abort(reason);
    await expect(given).rejects.toBe(reason);
    await world.run(Promise.all([first, behind]));
    expect(state.state.history).toEqual(["a@1.0", "b@2.0"]);
  });

  test("a command whose signal has aborted already leaves its place", async () => {
    const world = new World();
    const { state } = await world.open();
    const reason = new Error("too late");
    await expect(state.propose(add("a"), inLane("x", AbortSignal.abort(reason)))).rejects.toBe(reason);
    expect(await world.run(state.propose(add("b"), inLane("x")))).toMatchObject({ seq: 1 });
  });

  test("after many lost races in a row the journal is read on instead of met record by record", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    const other = await world.open();
    await world.fill(other.state, 50);
    faults.calls.length = 0;
    expect(await world.run(state.propose(add("a"), inLane("x")))).toMatchObject({ seq: 51 });
    expect(faults.calls).toEqual([
      `append ${JOURNAL} 1`,
      `append ${JOURNAL} 2`,
      `read ${JOURNAL} 3`,
      `append ${JOURNAL} 51`,
    ]);
  });

  test("listeners hear every fold in order, before the proposer does", async () => {
    const world = new World();
    const { state } = await world.open();
    const other = await world.open();
    const heard: string[] = [];
    const stop = state.onFold((command, outcome, context) => {
      heard.push(`${command.name} ${outcome.value} at ${context.seq}`);
    });
    state.onFold(() => {
      throw new Error("a listener's fault");
    });
    await world.run(other.state.propose(add("a"), inLane("x")));
    await world.run(state.propose(add("a"), inLane("x")).then(() => heard.push("answered")));
    expect(heard).toEqual(["a 1 at 1", "a 2 at 2", "answered"]);
    stop();
    await world.run(state.propose(add("a"), inLane("x")));
    expect(heard).toHaveLength(3);
  });

  test("closing drops what is queued and calls unknown what is in flight", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "slow", ms: 100 });
    const first = state.propose(add("a"), inLane("x"));
    await world.clock.advance(10);
    const queued = state.propose(add("b"), inLane("x"));
    state.close();
    const [one, two] = await world.run(Promise.allSettled([first, queued]));
    expect(one).toMatchObject({ reason: expect.any(UnknownOutcomeError) });
    expect(two).toMatchObject({ reason: expect.any(StateClosedError) });
    await expect(state.propose(add("c"), inLane("x"))).rejects.toThrow(StateClosedError);
    expect(world.clock.timerCount).toBe(0);
  });
});
