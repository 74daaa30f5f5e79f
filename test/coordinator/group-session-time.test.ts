import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { CoordinatorWorld } from "./coordinator-world.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

// The session time-out of a consumer group changes while it has members.

const SESSION = "group.consumer.session.timeout.ms";

test("a shorter session time-out does not expel a member before the heartbeat by which it learns the new pace", async () => {
  const world = new CoordinatorWorld();
  const settings: Record<string, number> = { [SESSION]: 45_000 };
  const process = world.start(settings);
  const [a, b] = [new TestConsumer(process, "a"), new TestConsumer(process, "b")];
  for (const member of [a, b, a, b]) await world.run(member.beat());
  settings[SESSION] = 6_000;
  for (let passedMs = 0; passedMs < 10_000; passedMs += 2_000) {
    await world.clock.advance(2_000);
    await world.run(b.beat());
  }
  await world.run(a.beat());
  expect([a.error, a.partitions.length]).toEqual([ErrorCode.NONE, 2]);
  for (let passedMs = 0; passedMs < 10_000; passedMs += 2_000) {
    await world.clock.advance(2_000);
    await world.run(b.beat());
  }
  await world.run(a.beat());
  expect([a.error, b.partitions]).toEqual([ErrorCode.UNKNOWN_MEMBER_ID, [0, 1, 2, 3]]);
});

test("a process that does not know of a longer session time-out yet looks before it expels", async () => {
  const world = new CoordinatorWorld();
  const longer = { [SESSION]: 300_000 };
  const here = world.start(longer);
  const stale: Record<string, number> = { [SESSION]: 45_000 };
  const there = world.start(stale, undefined, world.clock, async () => {
    Object.assign(stale, longer);
  });
  const member = new TestConsumer(here, "a");
  await world.run(member.beat());
  await world.run(there.coordinator.observeAll(NEVER));
  for (let passedMs = 0; passedMs < 90_000; passedMs += 15_000) {
    await world.clock.advance(15_000);
    await world.run(member.beat());
    expect(member.error).toBe(ErrorCode.NONE);
  }
  expect(stale).toEqual(longer);
});

test("a session time-out of weeks, watched from another process, is waited for within what a timer takes", async () => {
  const world = new CoordinatorWorld();
  const settings = { [SESSION]: 2 ** 31 - 1 };
  const waits: number[] = [];
  const { clock } = world;
  const watching: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    endOfTurn: () => clock.endOfTurn(),
    schedule(ms, action) {
      waits.push(ms);
      return clock.schedule(ms, action);
    },
  };
  const member = new TestConsumer(world.start(settings), "a");
  await world.run(member.beat());
  await world.run(world.start(settings, undefined, watching).coordinator.observeAll(NEVER));
  // Node's timers ring at once when they are to wait for longer.
  expect(Math.max(...waits)).toBe(2 ** 31 - 1);
});
