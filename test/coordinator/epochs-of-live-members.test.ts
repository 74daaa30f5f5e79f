import { expect, test } from "vitest";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import type { ConsumerHeartbeatRequest } from "#lib/coordinator/shell/consumer-request-check.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { type CoordinatorProcess, CoordinatorWorld } from "./coordinator-world.ts";
import { GROUP, TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

// Members that are told an epoch without a record, and targets that a newcomer's join is proposed with: nobody who lives is
// fenced for either, and no partition is left without an owner.

function heartbeat(
  { coordinator }: CoordinatorProcess,
  fields: Partial<ConsumerHeartbeatRequest> & Pick<ConsumerHeartbeatRequest, "memberId" | "memberEpoch">,
) {
  const isJoining = fields.memberEpoch === 0;
  const request: ConsumerHeartbeatRequest = {
    groupId: GROUP,
    instanceId: undefined,
    rackId: undefined,
    clientId: "client",
    clientHost: "/127.0.0.1",
    rebalanceTimeoutMs: isJoining ? 60_000 : -1,
    subscribedTopicNames: isJoining ? ["orders"] : undefined,
    subscribedTopicRegex: undefined,
    serverAssignor: undefined,
    owned: isJoining ? new Map() : undefined,
    makesOwnMemberId: true,
    ...fields,
  };
  return coordinator.consumers.heartbeat(request, NEVER);
}

type Answer = Awaited<ReturnType<typeof heartbeat>>;

function epochOf(answer: Answer): number {
  if (answer.kind === "refused") throw new Error(`refused: ${answer.error}`);
  return answer.memberEpoch;
}

/** A static member's next heartbeats, after its first answer. */
class Static {
  #memberEpoch: number;
  #owned: Assignment = new Map();
  readonly #fields: { readonly memberId: string; readonly instanceId: string };

  constructor(fields: { readonly memberId: string; readonly instanceId: string }, first: Answer) {
    this.#fields = fields;
    this.#memberEpoch = 0;
    this.#take(first);
  }

  async beat(process: CoordinatorProcess): Promise<void> {
    this.#take(await heartbeat(process, { ...this.#fields, memberEpoch: this.#memberEpoch, owned: this.#owned }));
  }

  #take(answer: Answer): void {
    this.#memberEpoch = epochOf(answer);
    if (answer.kind !== "refused" && answer.assignment !== undefined) this.#owned = answer.assignment;
  }
}

function partitionsOwned({ journals }: CoordinatorProcess): number {
  const membership = journals.opened(0)?.state.groups.get(GROUP)?.membership;
  if (membership?.type !== "consumer") throw new Error("a consumer group");
  return [...membership.members.values()].reduce((sum, { assigned }) => sum + (assigned.get(TOPIC)?.length ?? 0), 0);
}

/** Four members with a partition each; the first of them has been told an epoch that the journal does not know. */
async function toldQuietly() {
  const world = new CoordinatorWorld();
  const here = world.start();
  const members = ["a", "b", "c", "d"].map((id) => new TestConsumer(here, id, { isQuiet: true }));
  const beat = async () => {
    for (const member of members) await world.run(member.beat());
  };
  for (let round = 0; round < 6; round++) await beat();
  await world.run(new TestConsumer(here, "e", { isQuiet: true }).beat());
  await beat();
  return { world, here, first: defined(members[0]) };
}

test("who then wants other topics may commit what it is to give up, and is not fenced for having given it up", async () => {
  const { world, here, first } = await toldQuietly();
  const { memberId, memberEpoch } = first;
  const memberEpochNow = epochOf(
    await world.run(heartbeat(here, { memberId, memberEpoch, subscribedTopicNames: ["other"] })),
  );
  const partition = {
    ...{ partitionIndex: defined(first.partitions[0]), offset: 1, leaderEpoch: -1 },
    ...{ metadata: "", expiresAtMs: -1 },
  };
  const member = { groupId: GROUP, memberId, groupInstanceId: undefined, generationIdOrMemberEpoch: memberEpochNow };
  const committed = here.coordinator.offsets.commit(
    { ...member, knowsMemberEpochs: true },
    async () => ({ clusterSeq: 1, topics: [{ topicId: TOPIC, partitions: [partition] }] }),
    NEVER,
  );
  expect(await world.run(committed)).toBe(ErrorCode.NONE);
  const next = await world.run(heartbeat(here, { memberId, memberEpoch: memberEpochNow, owned: new Map() }));
  expect(next.kind).toBe("consumer-heartbeat");
});

test("who then loses an answer may ask again", async () => {
  const { world, here, first } = await toldQuietly();
  const { memberId, memberEpoch, owned } = first;
  await world.run(new TestConsumer(here, "f", { isQuiet: true }).beat());
  // The answer to its sign of life has a newer epoch, and is lost.
  await world.clock.advance(20_000);
  expect(epochOf(await world.run(heartbeat(here, { memberId, memberEpoch })))).toBeGreaterThan(memberEpoch);
  const again = { memberId, memberEpoch, owned, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ["orders"] };
  expect((await world.run(heartbeat(here, again))).kind).toBe("consumer-heartbeat");
});

test("a static member that comes back beside a newcomer gets its part", async () => {
  const world = new CoordinatorWorld();
  const here = world.start();
  const a = new TestConsumer(here, "a");
  await world.run(a.beat());
  const before = { memberId: "s1", instanceId: "i" };
  const gone = new Static(before, await world.run(heartbeat(here, { ...before, memberEpoch: 0 })));
  for (let round = 0; round < 4; round++) {
    await world.run(a.beat());
    await world.run(gone.beat(here));
  }
  await world.run(heartbeat(here, { ...before, memberEpoch: -2 }));
  const newcomer = new TestConsumer(here, "n");
  const after = { memberId: "s2", instanceId: "i" };
  const [first] = await world.run(Promise.all([heartbeat(here, { ...after, memberEpoch: 0 }), newcomer.beat()]));
  const back = new Static(after, first);
  for (let round = 0; round < 8; round++) {
    for (const member of [a, newcomer]) await world.run(member.beat());
    await world.run(back.beat(here));
    await world.clock.advance(5_000);
  }
  expect(partitionsOwned(here)).toBe(4);
});

test("a newcomer that finds the group full leaves no partition without an owner", async () => {
  const world = new CoordinatorWorld();
  const here = world.start({ "group.consumer.max.size": 3 });
  const members = [new TestConsumer(here, "a"), new TestConsumer(here, "b")];
  for (let round = 0; round < 4; round++) for (const member of members) await world.run(member.beat());
  const late = new TestConsumer(here, "n");
  const fields = { memberId: "x", instanceId: "i" };
  const [first] = await world.run(Promise.all([heartbeat(here, { ...fields, memberEpoch: 0 }), late.beat()]));
  const last = new Static(fields, first);
  for (let round = 0; round < 8; round++) {
    for (const member of members) await world.run(member.beat());
    await world.run(last.beat(here));
    await world.clock.advance(5_000);
  }
  expect(late.error).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  expect(partitionsOwned(here)).toBe(4);
});
