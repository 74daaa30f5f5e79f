import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type CoordinatorProcess, CoordinatorWorld } from "./coordinator-world.ts";
import { GROUP, TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

// Members to which a new target brings nothing but an epoch hear of it without a record, and are taken for what they are
// wherever they show it.

const { NONE, STALE_MEMBER_EPOCH, FENCED_MEMBER_EPOCH } = ErrorCode;

function seqAt({ journals }: CoordinatorProcess): number {
  return journals.opened(0)?.seq ?? 0;
}

function journaledEpochAt({ journals }: CoordinatorProcess, memberId: string): number | undefined {
  const membership = journals.opened(0)?.state.groups.get(GROUP)?.membership;
  return membership?.type === "consumer" ? membership.members.get(memberId)?.memberEpoch : undefined;
}

/** Four members with a partition each, and a fifth that gets none. */
async function fullGroup() {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const members = ["a", "b", "c", "d"].map((id) => new TestConsumer(here, id, { isQuiet: true }));
  const beat = async () => {
    for (const member of members) await world.run(member.beat());
  };
  for (let round = 0; round < 6; round++) await beat();
  expect(members.map(({ partitions }) => partitions.length)).toEqual([1, 1, 1, 1]);
  const [first] = members;
  if (first === undefined) throw new Error("a member");
  const { memberEpoch } = first;
  const idle = new TestConsumer(here, "e", { isQuiet: true });
  return { world, here, there, members, first, beat, memberEpoch, idle };
}

function commit({ coordinator }: CoordinatorProcess, { memberId, memberEpoch }: TestConsumer, partitionIndex: number) {
  const partition = { partitionIndex, offset: 1, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
  const member = { groupId: GROUP, memberId, groupInstanceId: undefined, generationIdOrMemberEpoch: memberEpoch };
  return coordinator.offsets.commit(
    { ...member, knowsMemberEpochs: true },
    async () => ({ clusterSeq: 1, topics: [{ topicId: TOPIC, partitions: [partition] }] }),
    NEVER,
  );
}

test("one record takes a newcomer in and sets the target with its part", async () => {
  const world = new CoordinatorWorld();
  const here = world.start();
  const [a, b] = [new TestConsumer(here, "a"), new TestConsumer(here, "b")];
  await world.run(a.beat());
  await world.run(a.beat());
  const before = seqAt(here);
  await world.run(b.beat());
  expect(seqAt(here)).toBe(before + 1);
  expect(b.memberEpoch).toBe(a.memberEpoch + 1);
});

test("newcomers at once have their parts of the one target that counts", async () => {
  const world = new CoordinatorWorld();
  const here = world.start();
  const members = ["a", "b", "c", "d"].map((id) => new TestConsumer(here, id));
  const [a, ...others] = members;
  await world.run(a?.beat() ?? Promise.resolve());
  await world.run(Promise.all(others.map((member) => member.beat())));
  for (let round = 0; round < 4; round++) await world.run(Promise.all(members.map((member) => member.beat())));
  expect(members.map(({ partitions }) => partitions.length)).toEqual([1, 1, 1, 1]);
  expect(new Set(members.map(({ memberEpoch }) => memberEpoch)).size).toBe(1);
});

test("members that keep what they own come to a new epoch without a record", async () => {
  const { world, here, beat, members, memberEpoch, idle } = await fullGroup();
  await world.run(idle.beat());
  const before = seqAt(here);
  await beat();
  expect(members.map((member) => member.memberEpoch)).toEqual(members.map(() => memberEpoch + 1));
  expect(seqAt(here)).toBe(before);
  expect(journaledEpochAt(here, "a")).toBe(memberEpoch);
  expect(members.map(({ partitions }) => partitions.length)).toEqual([1, 1, 1, 1]);
});

test("an administrator sees the group Stable at the epoch that its members have come to", async () => {
  const { world, here, beat, memberEpoch, idle } = await fullGroup();
  await world.run(idle.beat());
  await beat();
  const described = await world.run(here.coordinator.admin.describeConsumers(GROUP, NEVER));
  if (typeof described !== "object") throw new Error("a consumer group");
  expect(described.state).toBe("Stable");
  expect(new Set(described.members.map(({ member }) => member.memberEpoch))).toEqual(new Set([memberEpoch + 1]));
});

test("they commit and fetch at that epoch, also where it was not known", async () => {
  const { world, here, there, beat, first, idle } = await fullGroup();
  await world.run(there.coordinator.observeAll(NEVER));
  await world.run(idle.beat());
  await beat();
  const [partition = -1] = first.partitions;
  // Its state there is from before the newcomer.
  expect(await world.run(commit(there, first, partition))).toBe(NONE);
  expect(await world.run(commit(here, first, partition))).toBe(NONE);
  const { memberId, memberEpoch } = first;
  const fetched = await world.run(there.coordinator.offsets.fetch(GROUP, { memberId, memberEpoch }, NEVER));
  expect(typeof fetched).toBe("object");
});

test("they beat on at another process that has not heard of it, and are not fenced", async () => {
  const { world, there, beat, members, idle } = await fullGroup();
  await world.run(there.coordinator.observeAll(NEVER));
  await world.run(idle.beat());
  await beat();
  for (const member of members) member.process = there;
  await beat();
  expect(members.map(({ error }) => error)).toEqual(members.map(() => NONE));
});

test("an epoch that no target has is nobody's", async () => {
  const { world, here, first } = await fullGroup();
  first.memberEpoch += 1;
  const [partition = -1] = first.partitions;
  expect(await world.run(commit(here, first, partition))).toBe(STALE_MEMBER_EPOCH);
  await world.run(first.beat());
  expect(first.error).toBe(FENCED_MEMBER_EPOCH);
});

test("a member that is to give something up stays at the epoch that it was told until it has", async () => {
  const world = new CoordinatorWorld();
  const here = world.start();
  const [a, b, c] = ["a", "b", "c"].map((id) => new TestConsumer(here, id));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three members");
  for (let round = 0; round < 4; round++) for (const member of [a, b]) await world.run(member.beat());
  expect([a.partitions.length, b.partitions.length]).toEqual([2, 2]);
  const { memberEpoch } = a;
  // Whoever leaves again before the others hear of it leaves them a target that is what they have.
  await world.run(c.beat());
  await world.run(c.leave());
  await world.run(b.beat());
  await world.run(a.beat());
  expect([a.memberEpoch > memberEpoch, a.partitions.length]).toEqual([true, 2]);
  const told = a.memberEpoch;
  await world.run(c.beat());
  const epochs: number[] = [];
  for (let round = 0; round < 4; round++) {
    for (const member of [a, b, c]) await world.run(member.beat());
    epochs.push(a.memberEpoch);
  }
  expect(epochs.every((epoch, index) => epoch >= (epochs[index - 1] ?? told))).toBe(true);
  expect([a, b, c].map(({ partitions }) => partitions.length).toSorted()).toEqual([1, 1, 2]);
  expect(a.error).toBe(NONE);
});
