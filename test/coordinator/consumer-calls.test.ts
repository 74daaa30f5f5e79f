import { expect, test } from "vitest";
import { encodeAssignment, encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { CoordinatorWorld, joinRequestOf } from "./coordinator-world.ts";
import { GROUP } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

async function beat(world: CoordinatorWorld, members: readonly TestConsumer[], ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
    await world.clock.advance(5_000);
    await world.run(Promise.all(members.map((member) => member.beat())));
  }
}

async function sharedGroup() {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const [a, b] = [new TestConsumer(here, "a"), new TestConsumer(there, "b")];
  await world.run(a.beat());
  await world.run(b.beat());
  await beat(world, [a, b], 20_000);
  return { world, here, there, a, b };
}

test("consumers at different processes come to own every partition once", async () => {
  const { a, b } = await sharedGroup();
  expect([a.partitions.length, b.partitions.length]).toEqual([2, 2]);
  expect([...a.partitions, ...b.partitions].toSorted()).toEqual([0, 1, 2, 3]);
  expect(a.memberEpoch).toBe(b.memberEpoch);
});

test("heartbeats of a settled group are journaled once in a third of the session time-out", async () => {
  const { world, here, a, b } = await sharedGroup();
  const before = here.journals.opened(0)?.seq ?? 0;
  await beat(world, [a, b], 60_000);
  const count = (here.journals.opened(0)?.seq ?? 0) - before;
  expect(count).toBeGreaterThanOrEqual(4);
  expect(count).toBeLessThanOrEqual(10);
});

test("a consumer that falls silent is expelled, and the other takes its partitions over at its next heartbeats", async () => {
  const { world, a, b } = await sharedGroup();
  await beat(world, [a], 70_000);
  expect(a.partitions).toEqual([0, 1, 2, 3]);
  await world.run(b.beat());
  expect(b.error).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
});

test("when a process dies its consumers go on at another one with what they own", async () => {
  const { world, here, there, a, b } = await sharedGroup();
  const before = [a.partitions, b.partitions, a.memberEpoch];
  there.kill();
  b.process = here;
  await beat(world, [a, b], 100_000);
  expect([a.partitions, b.partitions, a.memberEpoch]).toEqual(before);
  expect([a.error, b.error]).toEqual([ErrorCode.NONE, ErrorCode.NONE]);
});

test("a classic group becomes a consumer group under its members, who go on in it", async () => {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const protocols = [{ name: "range", metadata: encodeSubscription({ topics: ["orders"] }) }];
  const { memberId, generationId } = await world.run(here.coordinator.join(joinRequestOf({ protocols }), NEVER));
  const identity = { groupId: GROUP, memberId, groupInstanceId: undefined, generationId };
  const assignedPartitions = [{ topic: "orders", partitions: [0, 1, 2, 3] }];
  const assignments = [{ memberId, assignment: encodeAssignment({ assignedPartitions }) }];
  const unnamed = { protocolType: undefined, protocolName: undefined };
  await world.run(here.coordinator.members.sync({ ...identity, ...unnamed, assignments }, NEVER));

  const b = new TestConsumer(there, "b");
  await world.run(b.beat());
  expect([b.error, b.partitions]).toEqual([ErrorCode.NONE, []]);
  await world.clock.advance(200);
  expect(await world.run(here.coordinator.members.heartbeat(identity, NEVER))).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  expect(await world.run(here.coordinator.admin.describeConsumers(GROUP, NEVER))).toMatchObject({
    members: [{ member: { memberId } }, { member: { memberId: "b" } }],
  });
});
