import { describe, expect, test } from "vitest";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { add } from "../support/counter-machine.ts";
import { FaultList, inLane, JOURNAL, NEVER, World } from "./support.ts";

describe("no stale no (J8)", () => {
  test("a barrier sees what an eventually consistent read does not", async () => {
    const world = new World();
    const faults = new FaultList("read");
    const { state } = await world.open(faults);
    const other = await world.open();
    await world.fill(other.state, 5);
    faults.push({ kind: "stale", recordsHidden: 3 }, { kind: "stale", recordsHidden: 3 });
    await world.run(state.catchUp(NEVER));
    expect(state.seq).toBe(2);
    await world.run(state.readBarrier(NEVER));
    expect(state.seq).toBe(5);
  });

  test("a barrier asked for while a read is under way waits for the next one, which all such share", async () => {
    const world = new World();
    const faults = new FaultList("read");
    const { state } = await world.open(faults);
    const other = await world.open();
    faults.push({ kind: "slow", ms: 100 });
    faults.calls.length = 0;
    const early = state.readBarrier(NEVER);
    await world.clock.advance(10);
    await world.run(other.state.propose(add("a"), inLane("x")));
    const late = [state.readBarrier(NEVER), state.readBarrier(NEVER), state.readBarrier(NEVER)];
    await world.run(Promise.all([early, ...late]));
    expect(state.seq).toBe(1);
    expect(faults.calls).toEqual([`read ${JOURNAL} 1`, `read ${JOURNAL} 1`]);
  });

  test("a caller that gives up does not take the shared read from the others", async () => {
    const world = new World();
    const faults = new FaultList("read");
    const { state } = await world.open(faults);
    const other = await world.open();
    await world.fill(other.state, 1);
    faults.push({ kind: "slow", ms: 100 });
    const controller = new AbortController();
    const given = state.readBarrier(controller.signal);
    const kept = state.readBarrier(NEVER);
    controller.abort(new Error("gone"));
    await expect(given).rejects.toThrow("gone");
    await world.run(kept);
    expect(state.seq).toBe(1);
  });

  test("a failed read is tried again, and fails for good after a few tries", async () => {
    const world = new World();
    const faults = new FaultList("read");
    const { state } = await world.open(faults);
    const other = await world.open();
    await world.fill(other.state, 1);
    faults.push({ kind: "failure" }, { kind: "lost-answer" }, { kind: "throttle" });
    await world.run(state.readBarrier(NEVER));
    expect(state.seq).toBe(1);
    for (let count = 0; count < 20; count++) faults.push({ kind: "failure" });
    await expect(world.run(state.readBarrier(NEVER))).rejects.toThrow(JournalUnavailableError);
    faults.clear();
    await world.run(state.readBarrier(NEVER));
  });

  test("reading over many pages folds every record once", async () => {
    const world = new World();
    const one = await world.open();
    const reader = await world.open();
    for (let count = 0; count < 20; count++) {
      await world.run(one.state.propose(add("a", 1, new Uint8Array(200_000)), inLane("x")));
    }
    const folds: number[] = [];
    reader.state.onFold((_command, _outcome, context) => folds.push(context.seq));
    await world.run(Promise.all([reader.state.readBarrier(NEVER), reader.state.catchUp(NEVER)]));
    expect(folds).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });
});
