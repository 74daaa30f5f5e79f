import { describe, expect, test } from "vitest";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { UnknownOutcomeError } from "#lib/journal/journal-errors.ts";
import { PROPOSE_MS_MAX } from "#lib/util/limits.ts";
import { add } from "../support/counter-machine.ts";
import { FaultList, inLane, JOURNAL, NEVER, World } from "./support.ts";

describe("ambiguity (J3)", () => {
  test("a conflict that bears our own bytes is a success", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "lost-answer" }, { kind: "lost-answer" }, { kind: "lost-answer" });
    const committed = await world.run(state.propose(add("a"), inLane("x")));
    expect(committed).toMatchObject({ outcome: { value: 1 }, seq: 1 });
    expect(world.service.recordsOf(JOURNAL)).toHaveLength(1);
  });

  test("the identical call is sent at the same number, the first time at once", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.calls.length = 0;
    faults.push({ kind: "failure" });
    const startMs = world.clock.monotonicMs();
    await world.run(state.propose(add("a"), inLane("x")));
    expect(faults.calls).toEqual([`append ${JOURNAL} 1`, `append ${JOURNAL} 1`]);
    expect(world.clock.monotonicMs()).toBe(startMs);
  });

  test("a throttle is answered by a back-off", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "throttle" });
    const startMs = world.clock.monotonicMs();
    await world.run(state.propose(add("a"), inLane("x")));
    expect(world.clock.monotonicMs()).toBeGreaterThan(startMs);
  });

  test("a foreign record after a lost answer means that we have lost: fold it and propose again", async () => {
    const world = new World();
    const faults = new FaultList();
    const one = await world.open(faults);
    const other = await world.open();
    faults.push({ kind: "failure" });
    const proposing = one.state.propose(add("a"), inLane("x"));
    await world.run(other.state.propose(add("b"), inLane("x")));
    expect(await world.run(proposing)).toMatchObject({ outcome: { value: 1 }, seq: 2 });
    expect(one.state.state.history).toEqual(["b@1.0", "a@2.0"]);
  });

  test("a command that was never accepted fails as unavailable, not as unknown", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    for (let count = 0; count < 500; count++) faults.push({ kind: "throttle" });
    await expect(world.run(state.propose(add("a"), inLane("x")))).rejects.toThrow(JournalUnavailableError);
  });

  test("a record without a fate is given up in time, and its number goes to the next one", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    for (let count = 0; count < 500; count++) faults.push({ kind: "failure" });
    const startMs = world.clock.monotonicMs();
    await expect(world.run(state.propose(add("a"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(PROPOSE_MS_MAX + 5_000);
    faults.clear();
    expect(await world.run(state.propose(add("b"), inLane("x")))).toMatchObject({ seq: 1 });
    expect(state.state.counters.has("a")).toBe(false);
  });

  test("a late effect of a command given up folds exactly once, before what is proposed after it", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "late-effect", afterMs: 2 * PROPOSE_MS_MAX });
    for (let count = 0; count < 500; count++) faults.push({ kind: "failure" });
    await expect(world.run(state.propose(add("a"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    faults.clear();
    await world.clock.advance(2 * PROPOSE_MS_MAX);
    expect(await world.run(state.propose(add("a", 10), inLane("x")))).toMatchObject({ outcome: { value: 11 }, seq: 2 });
    expect(state.state.history).toEqual(["a@1.0", "a@2.0"]);
  });

  test("a late effect behind another record at its number has no effect", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "late-effect", afterMs: 2 * PROPOSE_MS_MAX });
    for (let count = 0; count < 500; count++) faults.push({ kind: "failure" });
    await expect(world.run(state.propose(add("a"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    faults.clear();
    await world.run(state.propose(add("b"), inLane("x")));
    await world.clock.advance(2 * PROPOSE_MS_MAX);
    await world.run(state.readBarrier(NEVER));
    expect(state.state.history).toEqual(["b@1.0"]);
  });

  test("a caller that gives up in flight hears that the outcome is unknown, at once", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "slow", ms: 1_000 });
    const controller = new AbortController();
    const proposing = state.propose(add("a"), inLane("x", controller.signal));
    await world.clock.advance(100);
    controller.abort(new Error("connection closed"));
    await expect(proposing).rejects.toThrow(UnknownOutcomeError);
    await world.clock.advance(1_000);
    expect(state.state.history).toEqual(["a@1.0"]);
  });

  test("a command given up in flight that then loses its race is not proposed again", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    const other = await world.open();
    faults.push({ kind: "freeze", ms: 1_000 });
    const controller = new AbortController();
    const given = state.propose(add("a"), inLane("x", controller.signal));
    const kept = state.propose(add("b"), inLane("x"));
    await world.clock.advance(100);
    controller.abort(new Error("connection closed"));
    await expect(given).rejects.toThrow(UnknownOutcomeError);
    await world.run(other.state.propose(add("c"), inLane("x")));
    await world.run(kept);
    expect(state.state.history).toEqual(["c@1.0", "b@2.0"]);
  });

  test("a reader that meets our record first settles it", async () => {
    const world = new World();
    const faults = new FaultList();
    const { state } = await world.open(faults);
    faults.push({ kind: "slow", ms: 5_000 });
    const proposing = state.propose(add("a"), inLane("x"));
    await world.clock.advance(100);
    await state.readBarrier(NEVER);
    expect(await proposing).toMatchObject({ outcome: { value: 1 }, seq: 1 });
    await world.clock.advance(5_000);
    expect(await world.run(state.propose(add("a"), inLane("x")))).toMatchObject({ outcome: { value: 2 }, seq: 2 });
  });

  test("a dead process' commands are unknown and its record counts if it landed", async () => {
    const world = new World();
    const faults = new FaultList();
    const dying = await world.open(faults);
    const other = await world.open();
    faults.push({ kind: "death", hasEffect: true });
    await expect(world.run(dying.state.propose(add("a"), inLane("x")))).rejects.toThrow(UnknownOutcomeError);
    expect(dying.journal.isDead).toBe(true);
    expect(await world.run(other.state.propose(add("a"), inLane("x")))).toMatchObject({ outcome: { value: 2 } });
  });
});
