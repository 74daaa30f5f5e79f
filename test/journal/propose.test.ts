import { describe, expect, test } from "vitest";
import { QueueFullError, UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { add } from "../support/counter-machine.ts";
import { FaultList, inLane, JOURNAL, NEVER, World } from "./support.ts";

describe("proposing (J1, J2)", () => {
  test("a command's outcome comes from the fold, with its place", async () => {
    const world = new World();
    const { state } = await world.open();
    expect(await world.run(state.propose(add("a", 5), inLane("x")))).toEqual({
      outcome: { kind: "counted", value: 5 },
      seq: 1,
      indexInRecord: 0,
    });
    expect(await world.run(state.propose(add("a", 2), inLane("x")))).toMatchObject({
      outcome: { value: 7 },
      seq: 2,
    });
    expect(state.seq).toBe(2);
  });

  test("a lost race is folded and proposed again at once at the next number", async () => {
    const world = new World();
    const faults = new FaultList();
    const one = await world.open(faults);
    const other = await world.open();
    await world.run(other.state.propose(add("a", 5), inLane("x")));
    faults.calls.length = 0;
    const started = world.clock.monotonicMs();
    const committed = await world.run(one.state.propose(add("a", 1), inLane("x")));
    expect(committed).toMatchObject({ outcome: { value: 6 }, seq: 2 });
    expect(faults.calls).toEqual([`append ${JOURNAL} 1`, `append ${JOURNAL} 2`]);
    expect(world.clock.monotonicMs()).toBe(started);
    await world.run(other.state.catchUp(NEVER));
    expect(other.state.checksum).toBe(one.state.checksum);
    expect(other.state.state).toEqual(one.state.state);
  });

  test("a lost answer is settled by the identical call", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "lost-answer" });
    expect(await world.run(state.propose(add("a"), inLane("x")))).toMatchObject({ outcome: { value: 1 }, seq: 1 });
    expect(world.service.recordsOf(JOURNAL)).toHaveLength(1);
  });

  test("a command given up in flight is unknown, and folds once when it lands late", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "late-effect", afterMs: 60_000 });
    for (let count = 0; count < 200; count++) faults.push({ kind: "failure" });
    await expect(world.run(state.propose(add("a"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    await world.clock.advance(60_000);
    await world.run(state.readBarrier(NEVER));
    expect(state.state.counters.get("a")).toBe(1);
  });

  test("what finds the queue full is refused as unavailable, and the others go on", async () => {
    const world = new World();
    const state = world.process({ journal: world.service.connect(), queuedCommandsMax: 2 });
    await world.run(state.open(NEVER));
    const [first, second, third] = ["a", "b", "c"].map((name) => state.propose(add(name), inLane("x")));
    await expect(third).rejects.toThrow(QueueFullError);
    await expect(third).rejects.toMatchObject({ kind: "unavailable" });
    expect(await world.run(Promise.all([first, second]))).toMatchObject([{ seq: 1 }, { seq: 1 }]);
    expect(await world.run(state.propose(add("c"), inLane("x")))).toMatchObject({ seq: 2 });
  });
});
