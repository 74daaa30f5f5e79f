import { describe, expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { CorruptRecordError, DivergenceError, FeatureLevelError } from "#lib/journal/journal-errors.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { add, counterMachine } from "../support/counter-machine.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { inLane, JOURNAL, NEVER, World } from "./support.ts";

describe("determinism (J4)", () => {
  test("a process that computes other outcomes stops before it answers", async () => {
    const world = new World();
    const { state } = await world.open();
    const machine = counterMachine();
    const broken = new ReplicatedState({
      id: JOURNAL,
      machine: {
        ...machine,
        fold: (counters, command, context) => {
          const outcome = machine.fold(counters, command, context);
          return context.seq === 2 ? { ...outcome, value: outcome.value + 1 } : outcome;
        },
      },
      journal: world.service.connect(),
      objects: world.objects,
      clock: world.clock,
      random: new SeededRandom(99),
      logger: SILENT_LOGGER,
    });
    await world.run(broken.open(NEVER));
    await world.fill(state, 3);
    await expect(world.run(broken.readBarrier(NEVER))).rejects.toThrow(DivergenceError);
    expect(broken.seq).toBe(2);
    await expect(world.run(broken.propose(add("a"), inLane("x")))).rejects.toThrow(DivergenceError);
    await expect(world.run(broken.catchUp(NEVER))).rejects.toThrow(DivergenceError);
  });

  test("a command in flight behind a divergence is refused with it, and those queued too", async () => {
    const world = new World();
    const { state } = await world.open();
    const other = await world.open();
    await world.fill(state, 1);
    // The other process' record claims another past.
    await world.fill(state, 1);
    const second = world.service.recordsOf(JOURNAL)[1];
    world.service.tamper(JOURNAL, 1, second?.bytes);
    const first = other.state.propose(add("a"), inLane("x"));
    const queued = other.state.propose(add("b", 1, new Uint8Array(262_000)), inLane("x"));
    for (const settled of await world.run(Promise.allSettled([first, queued]))) {
      expect(settled).toMatchObject({ status: "rejected", reason: expect.any(DivergenceError) });
    }
  });

  test("two processes with the same records have the same checksum", async () => {
    const world = new World();
    const one = await world.open();
    const other = await world.open();
    await world.fill(one.state, 5);
    await world.run(other.state.catchUp(NEVER));
    expect(other.state.checksum).toBe(one.state.checksum);
    await world.fill(one.state, 1);
    expect(other.state.checksum).not.toBe(one.state.checksum);
  });

  test("a damaged record stops its readers", async () => {
    const world = new World();
    const { state } = await world.open();
    await world.fill(state, 2);
    const bytes = Uint8Array.from(world.service.recordsOf(JOURNAL)[1]?.bytes ?? []);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    world.service.tamper(JOURNAL, 2, bytes);
    const reader = world.process({ journal: world.service.connect() });
    await expect(world.run(reader.open(NEVER))).rejects.toThrow(CorruptRecordError);
    await expect(world.run(reader.open(NEVER))).rejects.toThrow(/record 2/);
  });

  test("a process that meets a level above its own stops and says what to do", async () => {
    const world = new World();
    const old = await world.open();
    const modern = world.process({ journal: world.service.connect(), featureLevel: 3 });
    await world.run(modern.open(NEVER));
    await world.run(modern.propose(add("a"), inLane("x")));
    await world.run(modern.raiseFeatureLevel(2, NEVER));
    expect(modern.featureLevel).toBe(2);
    await world.run(modern.propose(add("a"), inLane("x")));
    await expect(world.run(old.state.propose(add("b"), inLane("x")))).rejects.toThrow(FeatureLevelError);
    expect(old.state.state.counters.get("a")).toBe(1);
    await expect(world.run(old.state.readBarrier(NEVER))).rejects.toThrow(/level 2.*understands 1.*newer version/);
    await expect(world.run(world.process({ journal: world.service.connect() }).open(NEVER))).rejects.toThrow(
      FeatureLevelError,
    );
  });

  test("a snapshot keeps the level", async () => {
    const world = new World();
    const modern = world.process({ journal: world.service.connect(), featureLevel: 2 });
    await world.run(modern.open(NEVER));
    await world.run(modern.raiseFeatureLevel(2, NEVER));
    await world.fill(modern, 256);
    expect(await world.run(modern.takeSnapshot(NEVER))).toBe(true);
    const old = world.process({ journal: world.service.connect() });
    await expect(world.run(old.open(NEVER))).rejects.toThrow(FeatureLevelError);
    const next = world.process({ journal: world.service.connect(), featureLevel: 2 });
    await world.run(next.open(NEVER));
    expect(next.featureLevel).toBe(2);
  });

  test("a command proposed together with a rise of the level keeps its place", async () => {
    const world = new World();
    const modern = world.process({ journal: world.service.connect(), featureLevel: 2 });
    await world.run(modern.open(NEVER));
    const [, committed] = await world.run(
      Promise.all([modern.raiseFeatureLevel(2, NEVER), modern.propose(add("a"), inLane("x"))]),
    );
    expect(committed).toEqual({ outcome: { kind: "counted", value: 1 }, seq: 1, indexInRecord: 1 });
    expect(modern.state.history).toEqual(["a@1.1"]);
  });

  test("commands carry the journal service's time, not that of a host a day fast", async () => {
    const world = new World();
    const hostClock = new ManualClock(world.clock.nowMs() + 24 * 3_600_000);
    const state = world.process({ journal: world.service.connect(), clock: hostClock });
    await world.run(state.open(NEVER));
    await world.run(state.propose(add("a"), inLane("x")));
    expect(state.state.lastProposedAtMs).toBe(world.clock.nowMs());
    await hostClock.advance(1_500);
    expect(state.nowMs()).toBe(world.clock.nowMs() + 1_500);
  });

  test("the same commands make the same journal", async () => {
    const run = async () => {
      const world = new World();
      const { state } = await world.open();
      await world.fill(state, 10);
      return world.service.recordsOf(JOURNAL).map((record) => Buffer.from(record.bytes).toString("hex"));
    };
    expect(await run()).toEqual(await run());
    expect(new MemoryJournalService(new ManualClock()).recordsOf(JOURNAL)).toEqual([]);
  });
});
