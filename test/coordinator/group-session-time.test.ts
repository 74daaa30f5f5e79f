import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
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
