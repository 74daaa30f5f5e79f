import { describe, expect, test } from "vitest";
import { CommandTooLateError } from "#lib/journal/journal-errors.ts";
import type { JournalObjectRef, JournalObjects } from "#lib/journal/journal-objects.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { LARGE_COMMAND_RECORDS_MAX, SNAPSHOT_RECORDS_MIN, TRIM_DELAY_MS } from "#lib/util/limits.ts";
import { add } from "../support/counter-machine.ts";
import type { CounterJournal } from "./support.ts";
import { FaultList, inLane, JOURNAL, NEVER, World } from "./support.ts";

const LARGE = new Uint8Array(500_000);

/** Waits before each call of one kind, as a process does that falls asleep there. */
class SlowObjects implements JournalObjects {
  readonly #objects: JournalObjects;
  readonly #slow: "put" | "get";
  readonly gate = deferred<void>();

  constructor(objects: JournalObjects, slow: "put" | "get") {
    this.#objects = objects;
    this.#slow = slow;
  }

  async put(...call: Parameters<JournalObjects["put"]>): Promise<JournalObjectRef> {
    const ref = await this.#objects.put(...call);
    if (this.#slow === "put") await this.gate.promise;
    return ref;
  }

  async get(...call: Parameters<JournalObjects["get"]>): Promise<Uint8Array> {
    if (this.#slow === "get") await this.gate.promise;
    return await this.#objects.get(...call);
  }
}

async function start(
  world: World,
  objects: JournalObjects,
  journal = world.service.connect(),
): Promise<CounterJournal> {
  const state = world.process({ journal, objects });
  await world.run(state.open(NEVER));
  return state;
}

/** A large command whose upload begins in front of `between` records of another process. */
async function proposedAfter(between: number) {
  const world = new World();
  const { state } = await world.open();
  await world.fill(state, 3);
  const objects = new SlowObjects(world.objects, "put");
  const slow = await start(world, objects);
  const proposing = slow.propose(add("big", 5, LARGE), inLane("x"));
  const settled = Promise.allSettled([proposing]);
  await world.fill(state, between);
  await world.run(slow.readBarrier(NEVER));
  objects.gate.resolve();
  const [result] = await world.run(settled);
  return { world, state, slow, result };
}

describe("a large command that comes to stand late (J2)", () => {
  test("counts as long as its record is within the span", async () => {
    const { result } = await proposedAfter(LARGE_COMMAND_RECORDS_MAX - 1);
    expect(result).toMatchObject({ status: "fulfilled", value: { seq: 3 + LARGE_COMMAND_RECORDS_MAX } });
  });

  test("is refused beyond it, by all who fold it, and nobody reads its object", async () => {
    const { world, state, slow, result } = await proposedAfter(LARGE_COMMAND_RECORDS_MAX);
    expect(result).toMatchObject({ status: "rejected", reason: expect.any(CommandTooLateError) });
    for (const key of world.objects.keys) world.objects.delete(key);
    await world.run(state.readBarrier(NEVER));
    expect(state.seq).toBe(4 + LARGE_COMMAND_RECORDS_MAX);
    expect(state.checksum).toBe(slow.checksum);
    expect(state.state.counters.has("big")).toBe(false);
    expect(await world.run(slow.propose(add("big", 5, LARGE), inLane("x")))).toMatchObject({ outcome: { value: 5 } });
    await world.run(state.readBarrier(NEVER));
    expect(state.checksum).toBe(slow.checksum);
  });
});

describe("a command's object that is gone", () => {
  async function withLargeCommand() {
    const world = new World();
    const { state } = await world.open();
    await world.run(state.propose(add("big", 5, LARGE), inLane("x")));
    const [key = ""] = world.objects.keys;
    return { world, state, key };
  }

  async function trimmed(world: World, state: CounterJournal): Promise<void> {
    for (let left = 2; left > 0; left--) {
      await world.fill(state, SNAPSHOT_RECORDS_MIN, new Uint8Array(150));
      expect(await world.run(state.takeSnapshot(NEVER))).toBe(true);
    }
    await world.clock.advance(TRIM_DELAY_MS);
    expect(await world.run(state.trim(NEVER))).toBeGreaterThan(1);
  }

  test("with its record trimmed makes a reader that slept since it read the record load anew", async () => {
    const { world, state, key } = await withLargeCommand();
    const objects = new SlowObjects(world.objects, "get");
    const sleeper = world.process({ journal: world.service.connect(), objects });
    const opening = sleeper.open(NEVER);
    await world.clock.advance(10);
    await trimmed(world, state);
    world.objects.delete(key);
    objects.gate.resolve();
    await world.run(opening);
    await world.run(state.readBarrier(NEVER));
    expect(sleeper.checksum).toBe(state.checksum);
  });

  test("does the same to a follower, and to a proposer that meets the record as a conflict", async () => {
    for (const meets of ["read", "conflict"] as const) {
      const world = new World();
      const { state } = await world.open();
      const objects = new SlowObjects(world.objects, "get");
      const sleeper = await start(world, objects, world.service.connect(new FaultList()));
      await world.run(state.propose(add("big", 5, LARGE), inLane("x")));
      const [key = ""] = world.objects.keys;
      const following =
        meets === "read"
          ? sleeper.readBarrier(NEVER)
          : sleeper.propose(add("small"), inLane("x")).then(() => undefined);
      const settled = Promise.allSettled([following]);
      await world.clock.advance(10);
      await trimmed(world, state);
      world.objects.delete(key);
      objects.gate.resolve();
      expect((await world.run(settled))[0].status).toBe("fulfilled");
      await world.run(Promise.all([state.readBarrier(NEVER), sleeper.readBarrier(NEVER)]));
      expect(sleeper.checksum).toBe(state.checksum);
      expect(sleeper.state).toEqual(state.state);
    }
  });

  test("while its record is needed stops whoever must fold it", async () => {
    const { world, key } = await withLargeCommand();
    world.objects.delete(key);
    const opening = world.run(world.process({ journal: world.service.connect() }).open(NEVER));
    await expect(opening).rejects.toThrow(/record 1: a command's object is lost/);
    expect(world.service.recordsOf(JOURNAL)).toHaveLength(1);
  });
});
