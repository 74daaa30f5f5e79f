import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { encodeAssignment, encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { assert } from "#lib/util/assert.ts";
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

test("members that come together have their target computed and proposed once", async () => {
  const world = new CoordinatorWorld();
  const here = world.start();
  const kinds: string[] = [];
  here.journals.onFold((_, { kind }) => kinds.push(kind));
  const members = ["a", "b", "c", "d"].map((memberId) => new TestConsumer(here, memberId));
  await world.run(Promise.all(members.map((member) => member.beat())));
  expect(kinds.filter((kind) => kind === "set-target-assignment")).toHaveLength(1);
  expect(members.map(({ partitions }) => partitions.length)).toEqual([1, 1, 1, 1]);
});

test("a target whose proposer has gone is proposed by another member that waits for it", async () => {
  const world = new CoordinatorWorld();
  const faults: JournalFault[] = [];
  const here = world.start({}, { next: ({ method }) => (method === "append" ? faults.shift() : undefined) });
  const [a, b] = [new TestConsumer(here, "a"), new TestConsumer(here, "b")];
  await world.run(a.beat());
  const gone = new AbortController();
  const going = new TestConsumer(here, "going", { signal: gone.signal });
  faults.push({ kind: "slow", ms: 10 }, { kind: "slow", ms: 100 });
  const lost = expect(going.beat()).rejects.toThrow("gone");
  const joining = b.beat();
  await world.clock.advance(50);
  gone.abort(new Error("gone"));
  await lost;
  await world.run(joining);
  const membership = here.journals.opened(0)?.state.groups.get(GROUP)?.membership;
  assert(membership?.type === "consumer", "a consumer group");
  expect(membership.assignmentEpoch).toBe(membership.groupEpoch);
  expect(b.memberEpoch).toBe(membership.groupEpoch);
});

test("a consumer that joins reads nothing before: its joining is journaled in any case", async () => {
  const world = new CoordinatorWorld();
  const calls: string[] = [];
  const recorder = {
    next({ method }: { readonly method: string }) {
      calls.push(method);
      return undefined;
    },
  };
  const here = world.start({}, recorder);
  await world.run(new TestConsumer(here, "a").beat());
  await world.clock.advance(1_000);
  calls.length = 0;
  await world.run(new TestConsumer(here, "b").beat());
  expect(calls[0]).toBe("append");
});
