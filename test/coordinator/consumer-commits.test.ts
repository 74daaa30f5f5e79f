import { describe, expect, test } from "vitest";
import type { CommitOffsetsCommand } from "#lib/coordinator/group-command.ts";
import { beatOf, FoldedConsumers, heartbeatOf, partitions } from "./consumer-fixtures.ts";
import { commitOf, GROUP, reloaded, TOPIC, topicIdOf } from "./group-fixtures.ts";

function commit(memberId: string, memberEpoch: number, ...list: readonly number[]): CommitOffsetsCommand {
  return commitAt(7, memberId, memberEpoch, list);
}

function commitAt(
  offset: number,
  memberId: string,
  memberEpoch: number,
  list: readonly number[],
): CommitOffsetsCommand {
  const said = { offset, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
  return commitOf(offset, {
    memberId,
    generationIdOrMemberEpoch: memberEpoch,
    topics: [{ topicId: TOPIC, partitions: list.map((partitionIndex) => ({ ...said, partitionIndex })) }],
  });
}

/** `a` has had partitions 0 and 1 since epoch `since`, and has come to a later one when `b` got 2 and 3, which `a` had. */
function sharedGroup() {
  const groups = new FoldedConsumers();
  return { groups, ...share(groups, "a", "b") };
}

function share(groups: FoldedConsumers, first: string, second: string) {
  groups.beat(heartbeatOf(first));
  groups.reconcileAll();
  const since = groups.consumerMember(first).memberEpoch;
  groups.beat(heartbeatOf(second));
  groups.setTarget({ [first]: partitions({ 1: [0, 1] }), [second]: partitions({ 1: [2, 3] }) });
  groups.reconcileAll();
  const now = groups.consumerMember(first).memberEpoch;
  expect([now > since, groups.consumerMember(second).memberEpoch]).toEqual([true, now]);
  return { since, now };
}

describe("a commit of a member of a consumer group", () => {
  test("at an older epoch is taken for what the member has held since then, and for nothing else", () => {
    const { groups, since, now } = sharedGroup();
    expect(groups.brief(commit("a", now, 0))).toBe("done");
    expect(groups.brief(commit("a", since, 0, 1))).toBe("done");
    // It has given this one up, and another one has it.
    expect(groups.brief(commit("a", since, 2))).toBe("STALE_MEMBER_EPOCH");
    // Nobody has this one.
    expect(groups.brief(commit("a", since, 9))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", now + 1, 0))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", since - 1, 0))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", -1, 0))).toBe("STALE_MEMBER_EPOCH");
    // It had joined at that epoch, and held nothing yet.
    expect(groups.brief(commit("b", since, 2))).toBe("STALE_MEMBER_EPOCH");
  });

  test("of an older self is refused when the member is back at the same epoch, and waits for a target", () => {
    const { groups, now } = sharedGroup();
    groups.beat(beatOf("a", -1));
    expect(groups.beat(heartbeatOf("a")).memberEpoch).toBe(now);
    expect(groups.brief(commit("a", now, 0))).toBe("STALE_MEMBER_EPOCH");
    // Others get what it had, and it stays at its epoch until it beats.
    groups.setTarget({ b: partitions({ 1: [0, 2] }), a: partitions({ 1: [1, 3] }) });
    const { memberEpoch } = groups.beat(beatOf("b", now, { owned: partitions({ 1: [2] }) }));
    expect(groups.brief(commit("b", memberEpoch, 0))).toBe("done");
    expect(groups.consumerMember("a").memberEpoch).toBe(now);
    groups.state = reloaded(groups.state);
    expect(groups.brief(commit("a", now, 0))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", now, 1))).toBe("STALE_MEMBER_EPOCH");
    groups.reconcileAll();
    expect(groups.brief(commit("a", now, 1))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", groups.consumerMember("a").memberEpoch, 1))).toBe("done");
  });

  test("is taken at its epoch from who waits for the target of a changed subscription", () => {
    const { groups, now } = sharedGroup();
    groups.beat(beatOf("a", now, { subscribedTopicNames: ["t1", "t2"] }));
    expect(groups.consumer.groupEpoch).toBeGreaterThan(groups.consumer.assignmentEpoch);
    expect(groups.brief(commit("a", now, 0, 1))).toBe("done");
  });

  test("of an older self in a group that is no more sets back at the same epoch only what the member holds", () => {
    const { groups, now } = sharedGroup();
    groups.beat(beatOf("a", -1));
    groups.beat(beatOf("b", -1));
    expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("done");
    expect(share(groups, "b", "a").now).toBe(now);
    expect(groups.consumerMember("a")).toMatchObject({ state: "Stable", assigned: partitions({ 1: [2, 3] }) });
    expect(groups.brief(commit("b", now, 0))).toBe("done");
    expect(groups.brief(commitAt(6, "a", now, [0]))).toBe("done");
    expect(groups.offset(0)).toBe(7);
    // Nor when the other one is gone, for its offset stands.
    groups.beat(beatOf("b", -1));
    expect(groups.brief(commitAt(6, "a", now, [0]))).toBe("done");
    expect(groups.offset(0)).toBe(7);
    // Nothing tells these from those of the present one.
    expect(groups.brief(commit("a", now, 2, 3))).toBe("done");
    expect(groups.brief(commitAt(6, "a", now, [2]))).toBe("done");
    expect(groups.offset(2)).toBe(6);
  });

  test("sets nothing back at its epoch while the member waits for others to give up what it commits for", () => {
    const { groups } = sharedGroup();
    groups.beat(heartbeatOf("c"));
    groups.setTarget({ a: partitions({ 1: [0] }), b: partitions({ 1: [2, 3] }), c: partitions({ 1: [1] }) });
    const { memberEpoch } = groups.beat(beatOf("c", groups.consumerMember("c").memberEpoch));
    expect(groups.consumerMember("c").state).toBe("UnreleasedPartitions");
    expect(groups.brief(commit("a", groups.consumerMember("a").memberEpoch, 1))).toBe("done");
    expect(groups.brief(commitAt(6, "c", memberEpoch, [1]))).toBe("done");
    expect(groups.offset(1)).toBe(7);
    groups.reconcileAll();
    expect(groups.brief(commitAt(6, "c", memberEpoch, [1]))).toBe("done");
    expect(groups.offset(1)).toBe(6);
  });

  test("is taken as a whole or not at all", () => {
    const { groups, since } = sharedGroup();
    expect(groups.brief(commit("a", since, 0, 2))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.offset(0)).toBeUndefined();
  });

  test("is taken for what the member is to give up until it says that it has", () => {
    const { groups, since, now } = sharedGroup();
    groups.beat(heartbeatOf("c"));
    groups.setTarget({ a: partitions({ 1: [0] }), b: partitions({ 1: [2, 3] }), c: partitions({ 1: [1] }) });
    groups.beat(beatOf("a", now));
    expect(groups.consumerMember("a")).toMatchObject({ pendingRevocation: partitions({ 1: [1] }) });
    expect(groups.brief(commit("a", since, 0, 1))).toBe("done");
    groups.beat(beatOf("a", now, { owned: partitions({ 1: [0] }) }));
    expect(groups.brief(commit("a", since, 0))).toBe("done");
    expect(groups.brief(commit("a", since, 1))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", now, 1))).toBe("STALE_MEMBER_EPOCH");
  });

  test("counts at its epoch for what the member has given up only if it goes further than what is committed", () => {
    const { groups, now } = sharedGroup();
    groups.beat(heartbeatOf("c"));
    groups.setTarget({ a: partitions({ 1: [0] }), b: partitions({ 1: [2, 3] }), c: partitions({ 1: [1] }) });
    groups.beat(beatOf("a", now, { owned: partitions({ 1: [0, 1] }) }));
    groups.beat(heartbeatOf("d"));
    groups.setTarget({ b: partitions({ 1: [2, 3] }), c: partitions({ 1: [1] }), d: partitions({ 1: [0] }) });
    expect(groups.brief(commit("a", now, 0, 1))).toBe("done");
    groups.beat(beatOf("a", now, { owned: partitions({ 1: [0] }) }));
    expect(groups.consumerMember("a")).toMatchObject({ memberEpoch: now, pendingRevocation: partitions({ 1: [0] }) });
    // Nobody has it yet, then another one has, then that one is gone.
    expect(groups.brief(commitAt(6, "a", now, [1]))).toBe("done");
    expect(groups.offset(1)).toBe(7);
    const { memberEpoch } = groups.beat(beatOf("c", groups.consumerMember("c").memberEpoch));
    expect(groups.brief(commitAt(9, "c", memberEpoch, [1]))).toBe("done");
    expect(groups.brief(commitAt(8, "a", now, [0, 1]))).toBe("done");
    expect([groups.offset(0), groups.offset(1)]).toEqual([8, 9]);
    groups.beat(beatOf("c", -1));
    groups.state = reloaded(groups.state);
    expect(groups.brief(commitAt(8, "a", now, [1]))).toBe("done");
    expect(groups.offset(1)).toBe(9);
    expect(groups.brief(commitAt(10, "a", now, [0, 1]))).toBe("done");
    expect([groups.offset(0), groups.offset(1)]).toEqual([10, 10]);
  });

  test("is taken for a topic that nobody reads, also while the member gives up partitions", () => {
    const { groups, now } = sharedGroup();
    const { topics, ...rest } = commit("a", now, 0);
    const elsewhere = topics.map((topic) => ({ ...topic, topicId: topicIdOf(2) }));
    expect(groups.brief({ ...rest, topics: [...topics, ...elsewhere] })).toBe("done");
    groups.beat(heartbeatOf("c"));
    groups.setTarget({ a: partitions({ 1: [0] }), b: partitions({ 1: [2, 3] }), c: partitions({ 1: [1] }) });
    groups.beat(beatOf("a", now));
    expect(groups.consumerMember("a").state).toBe("UnrevokedPartitions");
    expect(groups.brief({ ...rest, topics: [...topics, ...elsewhere] })).toBe("done");
  });

  test("counts from when a partition came back", () => {
    const { groups, since, now } = sharedGroup();
    groups.beat(beatOf("b", -1));
    groups.reconcileAll();
    const { memberEpoch, assigned } = groups.consumerMember("a");
    expect([memberEpoch > now, assigned]).toEqual([true, partitions({ 1: [0, 1, 2, 3] })]);
    expect(groups.brief(commit("a", now, 2))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", memberEpoch, 2))).toBe("done");
    expect(groups.brief(commit("a", since, 0))).toBe("done");
  });

  test("counts from then too when a static member has come back under its id since", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a", { instanceId: "i" }));
    groups.reconcileAll();
    const { memberEpoch: first } = groups.consumerMember("a");
    groups.beat(heartbeatOf("b"));
    groups.setTarget({ a: partitions({ 1: [0, 1] }), b: partitions({ 1: [2, 3] }) });
    groups.reconcileAll();
    expect(groups.brief(commit("b", groups.consumerMember("b").memberEpoch, 2))).toBe("done");
    groups.beat(beatOf("b", -1));
    groups.reconcileAll();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    const { memberEpoch: last } = groups.beat(heartbeatOf("a", { instanceId: "i" }));
    expect(groups.brief(commit("a", first, 2))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", first, 0))).toBe("done");
    expect(groups.brief(commit("a", last, 2))).toBe("done");
  });

  test("is judged alike after a snapshot", () => {
    const { groups, since, now } = sharedGroup();
    groups.state = reloaded(groups.state);
    expect(groups.brief(commit("a", since, 0, 1))).toBe("done");
    expect(groups.brief(commit("b", since, 2))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("b", now, 2))).toBe("done");
  });

  test("is not taken while a static member is away, and from its next self only", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a", { instanceId: "i" }));
    groups.reconcileAll();
    const { memberEpoch } = groups.consumerMember("a");
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    expect(groups.brief(commit("a", memberEpoch, 0))).toBe("STALE_MEMBER_EPOCH");
    const { memberEpoch: next } = groups.beat(heartbeatOf("a2", { instanceId: "i" }));
    expect(groups.brief(commit("a", memberEpoch, 0))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(commit("a2", next, 0))).toBe("done");
  });
});
