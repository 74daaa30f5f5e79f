import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  GIVEN_MEMBER_ID_MS,
  GIVEN_MEMBER_IDS_MAX,
  GIVEN_MEMBER_NAMES_LENGTH_MAX,
  SYNC_GATHER_MS,
} from "#lib/util/limits.ts";
import { type CoordinatorProcess, CoordinatorWorld, TestMember } from "./coordinator-world.ts";
import { GROUP } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";

// What members of classic groups are answered before the journal has it, or without: ids of their own, and assignments
// that their leader's record holds.

const { NONE, MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS } = ErrorCode;
const SETTINGS = { "group.initial.rebalance.delay.ms": 0 };

function seqAt({ journals }: CoordinatorProcess): number {
  return journals.opened(0)?.seq ?? 0;
}

function classicGroupAt({ journals }: CoordinatorProcess) {
  const membership = journals.opened(0)?.state.groups.get(GROUP)?.membership;
  if (membership?.type !== "classic") throw new Error("no classic group");
  return membership;
}

async function stableGroup() {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(SETTINGS), world.start(SETTINGS)];
  const first = new TestMember(here);
  await world.run(first.joinAndSync());
  return { world, here, there, first };
}

/** Both join, and come for what they are given; the leader last. */
async function rebalanced() {
  const { world, here, there, first } = await stableGroup();
  const second = new TestMember(here);
  const joining = second.join();
  await world.clock.advance(100);
  await world.run(Promise.all([first.join(), joining]));
  return { world, here, there, first, second };
}

test("a new id costs no record when its client joins with it at once", async () => {
  const { world, here } = await stableGroup();
  const newcomer = new TestMember(here, { knowsMemberIdRequired: true });
  await world.clock.advance(100);
  const before = seqAt(here);
  expect((await world.run(newcomer.join())).error).toBe(MEMBER_ID_REQUIRED);
  expect(seqAt(here)).toBe(before);
  const joining = newcomer.join();
  await world.clock.advance(GIVEN_MEMBER_ID_MS * 2);
  expect(seqAt(here)).toBe(before + 1);
  expect([...classicGroupAt(here).members.keys()]).toContain(newcomer.memberId);
  joining.catch(() => undefined);
});

test("a new id is unknown elsewhere until the journal has it, and known everywhere then", async () => {
  const { world, here, there } = await stableGroup();
  const [hasty, slow] = [1, 2].map(() => new TestMember(here, { knowsMemberIdRequired: true }));
  if (hasty === undefined || slow === undefined) throw new Error("two members");
  await world.run(Promise.all([hasty.join(), slow.join()]));
  hasty.process = there;
  expect((await world.run(hasty.join())).error).toBe(UNKNOWN_MEMBER_ID);
  await world.clock.advance(GIVEN_MEMBER_ID_MS + 50);
  expect([...classicGroupAt(here).pendingMembers.keys()]).toContain(slow.memberId);
  slow.process = there;
  slow.join().catch(() => undefined);
  await world.clock.advance(200);
  expect([...classicGroupAt(there).members.keys()]).toContain(slow.memberId);
});

test("of a client that says much of itself nothing is kept: its id is reserved at once", async () => {
  const { world, here } = await stableGroup();
  const long = { name: "n".repeat(GIVEN_MEMBER_NAMES_LENGTH_MAX), metadata: new Uint8Array(0) };
  const protocols = [{ name: "range", metadata: new Uint8Array(0) }, long];
  const newcomer = new TestMember(here, { knowsMemberIdRequired: true, protocols });
  expect((await world.run(newcomer.join())).error).toBe(MEMBER_ID_REQUIRED);
  expect([...classicGroupAt(here).pendingMembers.keys()]).toEqual([newcomer.memberId]);
});

test("a long name of the client counts as well", async () => {
  const { world, here } = await stableGroup();
  const newcomer = new TestMember(here, {
    knowsMemberIdRequired: true,
    clientId: "c".repeat(GIVEN_MEMBER_NAMES_LENGTH_MAX),
  });
  await world.run(newcomer.join());
  expect([...classicGroupAt(here).pendingMembers.keys()]).toEqual([newcomer.memberId]);
});

test("ids that are on their way into a slow journal count, so that they cannot gather without a bound", async () => {
  let isSlow = false;
  const world = new CoordinatorWorld();
  const here = world.start(SETTINGS, {
    next: ({ method }) => (isSlow && method === "append" ? { kind: "slow", ms: 10_000 } : undefined),
  });
  await world.run(new TestMember(here).joinAndSync());
  isSlow = true;
  const newcomer = () => new TestMember(here, { knowsMemberIdRequired: true }).join();
  await world.run(Promise.all(Array.from({ length: GIVEN_MEMBER_IDS_MAX }, newcomer)));
  await world.clock.advance(GIVEN_MEMBER_ID_MS * 2);
  let isAnswered = false;
  const last = newcomer().then(() => {
    isAnswered = true;
  });
  await world.clock.advance(1_000);
  expect(isAnswered).toBe(false);
  await world.clock.advance(60_000);
  await last;
});

test("an id is good for one joining: whoever has left is unknown by it", async () => {
  const { world, here } = await stableGroup();
  const newcomer = new TestMember(here, { knowsMemberIdRequired: true });
  await world.run(newcomer.join());
  const { memberId } = newcomer;
  newcomer.join().catch(() => undefined);
  await world.clock.advance(100);
  await world.run(here.coordinator.members.leave(GROUP, [{ memberId, groupInstanceId: undefined }], NEVER));
  newcomer.memberId = memberId;
  expect((await world.run(newcomer.join())).error).toBe(UNKNOWN_MEMBER_ID);
});

test("a round that is under way waits for whoever has been given an id", async () => {
  const { world, here, first } = await stableGroup();
  const second = new TestMember(here);
  second.join().catch(() => undefined);
  await world.clock.advance(100);
  expect(await world.run(first.heartbeat())).toBe(REBALANCE_IN_PROGRESS);
  const third = new TestMember(here, { knowsMemberIdRequired: true });
  expect((await world.run(third.join())).error).toBe(MEMBER_ID_REQUIRED);
  expect(classicGroupAt(here).pendingMembers.size).toBe(1);
});

test("members that come for their assignments after the leader has spoken wait for no record", async () => {
  const { world, here, first, second } = await rebalanced();
  expect(await world.run(first.sync())).toBe(`for ${first.memberId}`);
  await world.clock.advance(SYNC_GATHER_MS * 2);
  const before = seqAt(here);
  expect(await world.run(second.sync())).toBe(`for ${second.memberId}`);
  expect(seqAt(here)).toBe(before);
});

test("that they have come is journaled all the same, so nobody is expelled for not coming", async () => {
  const { world, here, first, second } = await rebalanced();
  await world.run(Promise.all([first.sync(), second.sync()]));
  await world.clock.advance(SYNC_GATHER_MS * 3);
  expect([...classicGroupAt(here).members.values()].map(({ hasSynced }) => hasSynced)).toEqual([true, true]);
});

test("a follower waits for its leader, at any process", async () => {
  const { world, there, first, second } = await rebalanced();
  second.process = there;
  await world.run(there.coordinator.observeAll(NEVER));
  let answered = "";
  const syncing = second.sync().then((assignment) => {
    answered = assignment;
  });
  await world.clock.advance(1_000);
  expect(answered).toBe("");
  await world.run(Promise.all([first.sync(), syncing]));
  expect(answered).toBe(`for ${second.memberId}`);
  expect(await world.run(second.heartbeat())).toBe(NONE);
});
