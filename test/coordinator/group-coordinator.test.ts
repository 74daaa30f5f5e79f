import { expect, test } from "vitest";
import { NOT_A_MEMBER } from "#lib/coordinator/shell/offset-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { GIVEN_MEMBER_ID_MS } from "#lib/util/limits.ts";
import { CoordinatorWorld, joinRequestOf, TestMember } from "./coordinator-world.ts";
import { GROUP, TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";

const { NONE, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION } = ErrorCode;

/** Two members at two processes, in one generation. */
async function sharedGroup() {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const [a, b] = [new TestMember(here), new TestMember(there)];
  const assigned = await world.run(Promise.all([a.joinAndSync(), b.joinAndSync()]));
  return { world, here, there, a, b, assigned };
}

/** Lets time pass while these members send heartbeats. */
async function beat(world: CoordinatorWorld, members: readonly TestMember[], ms: number): Promise<readonly number[]> {
  let answers: readonly number[] = [];
  for (let passedMs = 0; passedMs < ms; passedMs += 3_000) {
    await world.clock.advance(3_000);
    answers = await world.run(Promise.all(members.map((member) => member.heartbeat())));
  }
  return answers;
}

test("members that join at different processes are in one generation, and each gets what the leader gave it", async () => {
  const { a, b, assigned } = await sharedGroup();
  expect(assigned).toEqual([`for ${a.memberId}`, `for ${b.memberId}`]);
  expect([a.generationId, b.generationId]).toEqual([1, 1]);
  expect([a.isLeader, b.isLeader].filter(Boolean)).toHaveLength(1);
  expect([a, b].find(({ isLeader }) => isLeader)?.joined?.members).toHaveLength(2);
});

test("an empty group waits for more members, and a group with members for none but its own", async () => {
  const world = new CoordinatorWorld();
  const process = world.start();
  const a = new TestMember(process);
  const startedMs = world.clock.monotonicMs();
  await world.run(a.joinAndSync());
  expect(world.clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(3_000);
  const b = new TestMember(process);
  const joining = b.join();
  await world.clock.advance(100);
  expect(await world.run(a.heartbeat())).toBe(REBALANCE_IN_PROGRESS);
  const rejoinedMs = world.clock.monotonicMs();
  await world.run(Promise.all([a.join(), joining]));
  expect(world.clock.monotonicMs() - rejoinedMs).toBeLessThan(1_000);
  expect([a.generationId, b.generationId]).toEqual([2, 2]);
});

test("heartbeats are journaled when a third of the session time-out has passed, and not in between", async () => {
  const { world, here, a, b } = await sharedGroup();
  const seqOf = () => here.journals.opened(0)?.seq ?? 0;
  // What they have synced is journaled when they have been answered.
  await beat(world, [a, b], 3_000);
  const before = seqOf();
  await beat(world, [a, b], 6_000);
  expect(seqOf()).toBe(before);
  await beat(world, [a, b], 30_000);
  expect(seqOf() - before).toBeGreaterThanOrEqual(4);
  expect(seqOf() - before).toBeLessThanOrEqual(8);
});

test("a member that sends heartbeats stays, however long it goes on", async () => {
  const { world, a, b } = await sharedGroup();
  expect(await beat(world, [a, b], 300_000)).toEqual([NONE, NONE]);
});

test("a member that falls silent is expelled after its session time-out, and the others go on without it", async () => {
  const { world, a, b } = await sharedGroup();
  expect(await beat(world, [a], 24_000)).toEqual([NONE]);
  expect(await beat(world, [a], 12_000)).toEqual([REBALANCE_IN_PROGRESS]);
  await world.run(a.joinAndSync());
  expect([a.generationId, a.isLeader]).toEqual([2, true]);
  expect(await world.run(b.heartbeat())).toBe(UNKNOWN_MEMBER_ID);
});

test("when a process dies its members go on at another one without a new generation", async () => {
  const { world, here, there, a, b } = await sharedGroup();
  await beat(world, [a, b], 6_000);
  there.kill();
  b.process = here;
  expect(await beat(world, [a, b], 60_000)).toEqual([NONE, NONE]);
  expect(await world.run(b.commit(5))).toBe(NONE);
});

test("the members of a dead process expire at one that has never heard of them", async () => {
  const { world, here, there } = await sharedGroup();
  here.kill();
  there.kill();
  const heir = world.start();
  await world.run(heir.coordinator.observeAll(NEVER));
  const list = async () => world.run(heir.coordinator.admin.list(NEVER));
  expect(await list()).toMatchObject([{ groupId: GROUP, state: "Stable" }]);
  // A third more than the session time-out, for what the dead process may have heard.
  await world.clock.advance(39_000);
  expect(await list()).toMatchObject([{ state: "Stable" }]);
  await world.clock.advance(2_000);
  expect(await list()).toMatchObject([{ state: "Empty" }]);
});

test("a process whose timers stand still between its calls expires members when it is called", async () => {
  const { world, here, there } = await sharedGroup();
  here.kill();
  there.kill();
  const frozen: Clock = {
    nowMs: () => world.clock.nowMs(),
    monotonicMs: () => world.clock.monotonicMs(),
    sleep: (...given) => world.clock.sleep(...given),
    endOfTurn: () => world.clock.endOfTurn(),
    schedule: () => ({ cancel() {} }),
  };
  const sleeper = world.start({}, undefined, frozen);
  const called = async () => world.run(sleeper.coordinator.expireOverdue(NEVER));
  const state = async () => {
    const groups = await world.run(sleeper.coordinator.admin.list(NEVER));
    return typeof groups === "number" ? groups : groups[0]?.state;
  };
  expect(await called()).toBe(1);
  await world.clock.advance(39_000);
  expect(await called()).toBe(1);
  expect(await state()).toBe("Stable");
  await world.clock.advance(2_000);
  expect(await state()).toBe("Stable");
  expect(await called()).toBe(0);
  expect(await state()).toBe("Empty");
});

test("a slow member is left behind when the rebalance time-out has passed", async () => {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const [fast, slow] = [here, there].map((process) => new TestMember(process, { rebalanceTimeoutMs: 20_000 }));
  if (fast === undefined || slow === undefined) throw new Error("two members");
  await world.run(Promise.all([fast.joinAndSync(), slow.joinAndSync()]));
  const third = new TestMember(here);
  const joining = Promise.all([third.join(), fast.join()]);
  // It is alive, but does not join.
  await beat(world, [slow], 15_000);
  expect(await world.run(slow.heartbeat())).toBe(REBALANCE_IN_PROGRESS);
  await world.run(joining);
  expect([fast.generationId, third.generationId]).toEqual([2, 2]);
  expect(await world.run(slow.heartbeat())).toBe(UNKNOWN_MEMBER_ID);
});

test("a member whose leader never assigns is told to join again", async () => {
  const world = new CoordinatorWorld();
  const process = world.start();
  const members = [0, 1].map(() => new TestMember(process, { rebalanceTimeoutMs: 10_000 }));
  await world.run(Promise.all(members.map((member) => member.join())));
  const follower = members.find(({ isLeader }) => !isLeader);
  const leader = members.find(({ isLeader }) => isLeader);
  const { generationId } = follower ?? { generationId: 0 };
  const identity = { groupId: GROUP, memberId: follower?.memberId ?? "", groupInstanceId: undefined, generationId };
  const request = { ...identity, protocolType: undefined, protocolName: undefined, assignments: [] };
  const { error } = await world.run(process.coordinator.members.sync(request, NEVER));
  expect(error).toBe(REBALANCE_IN_PROGRESS);
  await world.run(follower?.joinAndSync() ?? Promise.reject(new Error("no follower")));
  expect(await world.run(leader?.heartbeat() ?? Promise.resolve(-1))).toBe(UNKNOWN_MEMBER_ID);
});

test("a static member that comes back in time keeps its place, and its old self is fenced", async () => {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const old = new TestMember(here, { groupInstanceId: "instance 1" });
  const other = new TestMember(here, { groupInstanceId: "instance 2" });
  await world.run(Promise.all([old.joinAndSync(), other.joinAndSync()]));
  const fresh = new TestMember(there, { groupInstanceId: "instance 1" });
  await world.run(fresh.join());
  expect(fresh.generationId).toBe(1);
  expect(fresh.joined?.skipAssignment).toBe(old.isLeader);
  expect(await world.run(other.heartbeat())).toBe(NONE);
  // A poll later the old process knows too.
  await world.clock.advance(200);
  expect(await world.run(old.heartbeat())).toBe(ErrorCode.FENCED_INSTANCE_ID);
  expect(await world.run(fresh.sync())).toBe(`for ${old.memberId}`);
});

test("a commit of a generation that is over is refused at every process", async () => {
  const { world, here, there, a, b } = await sharedGroup();
  expect(await world.run(b.commit(5))).toBe(NONE);
  b.process = here;
  const third = new TestMember(there);
  const joining = third.join();
  await world.clock.advance(200);
  await world.run(Promise.all([a.join(), joining, b.join()]));
  b.generationId = 1;
  expect(await world.run(b.commit(6))).toBe(ILLEGAL_GENERATION);
  const offsets = await world.run(there.coordinator.offsets.fetch(GROUP, NOT_A_MEMBER, NEVER));
  expect(typeof offsets === "number" ? offsets : offsets.get(TOPIC)?.get(0)?.offset).toBe(5);
});

test("an id that was given out and never used is taken back, so that nobody waits for it", async () => {
  const world = new CoordinatorWorld();
  const { coordinator, journals } = world.start();
  const request = joinRequestOf({ knowsMemberIdRequired: true, sessionTimeoutMs: 6_000 });
  const reserved = await world.run(coordinator.join(request, NEVER));
  expect(reserved.error).toBe(ErrorCode.MEMBER_ID_REQUIRED);
  const membership = () => journals.opened(0)?.state.groups.get(GROUP)?.membership;
  expect(membership()).toBeUndefined();
  await world.clock.advance(GIVEN_MEMBER_ID_MS + 10);
  expect(membership()).toMatchObject({ pendingMembers: { size: 1 } });
  await world.clock.advance(9_000);
  expect(membership()).toMatchObject({ pendingMembers: { size: 0 } });
});

test("a wait ends with its connection and leaves nothing behind", async () => {
  const world = new CoordinatorWorld();
  const { coordinator } = world.start();
  const connection = new AbortController();
  const joining = coordinator.join(joinRequestOf(), connection.signal);
  await world.clock.advance(1_000);
  expect(coordinator.access.waiterCount).toBe(1);
  connection.abort(new Error("the client is gone"));
  await expect(joining).rejects.toThrow("the client is gone");
  expect(coordinator.access.waiterCount).toBe(0);
});

test("a stopped coordinator leaves no timer", async () => {
  const { world, here, there } = await sharedGroup();
  expect(here.coordinator.access.watches.count).toBe(1);
  expect(world.clock.timerCount).toBeGreaterThan(0);
  here.kill();
  there.kill();
  expect(world.clock.timerCount).toBe(0);
});

test("what is not allowed is refused at the door", async () => {
  const world = new CoordinatorWorld();
  const { coordinator } = world.start();
  const errorOf = async (fields: Parameters<typeof joinRequestOf>[0]) =>
    (await world.run(coordinator.join(joinRequestOf(fields), NEVER))).error;
  expect(await errorOf({ groupId: "" })).toBe(ErrorCode.INVALID_GROUP_ID);
  expect(await errorOf({ sessionTimeoutMs: 5_999 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
  expect(await errorOf({ sessionTimeoutMs: 1_800_001 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
  expect(await errorOf({ protocols: [] })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  expect(await errorOf({ memberId: "stranger" })).toBe(UNKNOWN_MEMBER_ID);
});
