import { describe, expect, test } from "vitest";
import { followUpHeartbeat, joinedOutcomes, unchangedHeartbeat } from "#lib/coordinator/consumer-heartbeat.ts";
import { beatOf, FoldedConsumers, heartbeatOf, partitions, reconciledGroup, viewOf } from "./consumer-fixtures.ts";
import { commitOf, encodedState, GROUP, joinOf, topicIdOf } from "./group-fixtures.ts";

describe("a member that joins", () => {
  test("makes the group, and is at epoch 1 with nothing until there is a target", () => {
    const groups = new FoldedConsumers();
    expect(groups.fold(heartbeatOf("a"))).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch: 1,
      assignment: new Map(),
    });
    expect(groups.consumer).toMatchObject({ groupEpoch: 2, assignmentEpoch: 1 });
    expect(groups.consumerMember("a")).toMatchObject({
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ["t1"],
      clientHost: "/127.0.0.1",
      seenSeq: 1,
      subscriptionEpoch: 2,
    });
  });

  test("has its partitions in the same answer when the target is proposed with a follow-up", () => {
    const groups = new FoldedConsumers();
    const join = heartbeatOf("a");
    const first = groups.beat(join);
    groups.settle();
    const followUp = groups.beat(followUpHeartbeat(join, first));
    expect(joinedOutcomes(first, followUp)).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch: groups.consumer.groupEpoch,
      assignment: partitions({ 1: [0, 1, 2, 3] }),
    });
    expect(joinedOutcomes(first, { ...followUp, assignment: undefined }).assignment).toEqual(new Map());
  });

  test("raises the group epoch of those who are there", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    expect(groups.beat(heartbeatOf("b")).memberEpoch).toBe(groupEpoch);
    expect(groups.consumer).toMatchObject({ groupEpoch: groupEpoch + 1, assignmentEpoch: groupEpoch });
  });

  test("keeps its epoch and its partitions if it was there already, and is told them", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    expect(groups.fold(heartbeatOf("a"))).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch: groupEpoch,
      assignment: partitions({ 1: [0, 1, 2, 3] }),
    });
    expect(groups.consumer.groupEpoch).toBe(groupEpoch);
  });

  test("is refused by a full group, and leaves no trace of itself", () => {
    const groups = reconciledGroup("a", "b");
    expect(groups.brief(heartbeatOf("c", { groupSizeMax: 2 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.brief(heartbeatOf("a", { groupSizeMax: 2 }))).toBe("consumer-heartbeat");
    expect(groups.consumer.members.size).toBe(2);
    expect(groups.brief(heartbeatOf("c", { groupSizeMax: 3 }))).toBe("consumer-heartbeat");
    const none = new FoldedConsumers();
    expect(none.brief(heartbeatOf("c", { groupSizeMax: 0 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(none.state.groups.size).toBe(0);
  });

  test("makes an empty classic group a consumer group, and keeps the offsets", () => {
    const groups = new FoldedConsumers();
    groups.fold(commitOf(7));
    const before = groups.group.createdSeq;
    groups.beat(heartbeatOf("a"));
    expect(groups.offset()).toBe(7);
    expect(groups.group.createdSeq).toBeGreaterThan(before);
    expect(groups.consumer.members.size).toBe(1);
  });

  test("finds no way into a classic group of another protocol type", () => {
    const groups = new FoldedConsumers();
    groups.fold(joinOf("w", { protocolType: "connect" }));
    expect(groups.brief(heartbeatOf("a"))).toBe("GROUP_ID_NOT_FOUND");
    expect(groups.classic.members.size).toBe(1);
  });
});

describe("a member's epoch", () => {
  test("must be known in a group that is there", () => {
    const groups = new FoldedConsumers();
    expect(groups.brief(beatOf("a", 1))).toBe("GROUP_ID_NOT_FOUND");
    expect(groups.brief(beatOf("a", -1))).toBe("GROUP_ID_NOT_FOUND");
    groups.beat(heartbeatOf("a"));
    expect(groups.brief(beatOf("b", 1))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(beatOf("b", -1))).toBe("UNKNOWN_MEMBER_ID");
  });

  test("is fenced when it is neither its present nor its previous one", () => {
    const groups = reconciledGroup("a", "b");
    const { memberEpoch, previousMemberEpoch, assigned } = groups.consumerMember("a");
    expect(previousMemberEpoch + 1).toBeLessThan(memberEpoch);
    expect(groups.brief(beatOf("a", memberEpoch + 1, { owned: assigned }))).toBe("FENCED_MEMBER_EPOCH");
    expect(groups.brief(beatOf("a", previousMemberEpoch + 1, { owned: assigned }))).toBe("FENCED_MEMBER_EPOCH");
    expect(groups.brief(beatOf("a", memberEpoch))).toBe("consumer-heartbeat");
  });

  test("may be the previous one, for whoever owns nothing that it should not; the missed answer is told again", () => {
    const groups = reconciledGroup("a", "b");
    const { memberEpoch, previousMemberEpoch, assigned } = groups.consumerMember("a");
    expect(previousMemberEpoch).toBeLessThan(memberEpoch);
    const others = groups.consumerMember("b").assigned;
    expect(groups.brief(beatOf("a", previousMemberEpoch))).toBe("FENCED_MEMBER_EPOCH");
    expect(groups.brief(beatOf("a", previousMemberEpoch, { owned: others }))).toBe("FENCED_MEMBER_EPOCH");
    expect(groups.fold(beatOf("a", previousMemberEpoch, { owned: new Map() }))).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch,
      assignment: assigned,
    });
  });
});

test("a member that gets more at the epoch that it is at keeps its previous one", () => {
  const groups = reconciledGroup("a");
  groups.beat(heartbeatOf("b"));
  groups.settle();
  const { memberEpoch, assigned } = groups.consumerMember("a");
  groups.beat(beatOf("a", memberEpoch, { owned: assigned }));
  const waiting = groups.beat(beatOf("b", groups.consumerMember("b").memberEpoch, { owned: new Map() }));
  const { previousMemberEpoch } = groups.consumerMember("b");
  expect(groups.consumerMember("b").state).toBe("UnreleasedPartitions");
  groups.beat(beatOf("a", memberEpoch, { owned: groups.consumerMember("a").assigned }));
  groups.beat(beatOf("b", waiting.memberEpoch));
  expect(groups.consumerMember("b")).toMatchObject({ state: "Stable", previousMemberEpoch });
  expect(previousMemberEpoch).toBeLessThan(waiting.memberEpoch);
});

describe("a heartbeat", () => {
  test("tells the assignment to whoever tells everything, and else only when it has changed", () => {
    const groups = reconciledGroup("a");
    const { memberEpoch, assigned } = groups.consumerMember("a");
    expect(groups.beat(beatOf("a", memberEpoch, { owned: assigned })).assignment).toBeUndefined();
    expect(groups.beat(heartbeatOf("a", { memberEpoch, owned: assigned })).assignment).toEqual(assigned);
    expect(groups.beat(heartbeatOf("a", { memberEpoch, owned: undefined })).assignment).toBeUndefined();
  });

  test("changes only what it mentions", () => {
    const groups = reconciledGroup("a");
    const { memberEpoch } = groups.consumerMember("a");
    groups.beat(beatOf("a", memberEpoch, { rackId: "r", serverAssignor: "range", rebalanceTimeoutMs: 5 }));
    groups.beat(beatOf("a", memberEpoch, { clientHost: "/10.0.0.1" }));
    expect(groups.consumerMember("a")).toMatchObject({
      rackId: "r",
      serverAssignor: "range",
      rebalanceTimeoutMs: 5,
      subscribedTopicNames: ["t1"],
      clientHost: "/10.0.0.1",
      seenSeq: groups.seq,
    });
  });

  test("raises the group epoch when the subscription changes, and not when it is told again", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    groups.beat(beatOf("a", groupEpoch, { subscribedTopicNames: ["t1"] }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch);
    groups.beat(beatOf("a", groupEpoch, { subscribedTopicNames: ["t1", "t2"] }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 1);
    expect(groups.group.changedSeq).toBe(groups.seq);
    groups.beat(beatOf("a", groupEpoch, { subscribedTopicRegex: "x.*" }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 2);
    groups.beat(beatOf("a", groupEpoch, { subscribedTopicRegex: "" }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 3);
    expect(groups.consumerMember("a").subscribedTopicRegex).toBeUndefined();
  });

  test("does not follow a target that is older than the member's subscription", () => {
    const groups = reconciledGroup("a");
    groups.view = viewOf({ 1: 4, 2: 2 });
    groups.beat(heartbeatOf("b"));
    groups.settle();
    // The target takes partitions of t1 from a, which no longer wants any of them.
    const { memberEpoch, assigned } = groups.consumerMember("a");
    groups.beat(beatOf("a", memberEpoch, { subscribedTopicNames: ["t2"], owned: assigned }));
    expect(groups.consumerMember("a")).toMatchObject({ memberEpoch, state: "Stable", assigned });
    groups.settle();
    expect(groups.beat(beatOf("a", memberEpoch, { owned: assigned })).assignment).toEqual(new Map());
    expect(groups.beat(beatOf("a", memberEpoch, { owned: new Map() })).assignment).toEqual(partitions({ 2: [0, 1] }));
  });

  test("needs no record while it brings nothing new and nothing waits for it", () => {
    const groups = reconciledGroup("a", "b");
    const { memberEpoch, assigned } = groups.consumerMember("a");
    const before = encodedState(groups.state);
    const silent = (command = beatOf("a", memberEpoch, { owned: assigned })) =>
      unchangedHeartbeat(groups.consumer, command);
    expect(silent()).toEqual({ kind: "consumer-heartbeat", memberEpoch, assignment: undefined });
    expect(silent(heartbeatOf("a", { memberEpoch, owned: assigned }))).toMatchObject({ assignment: assigned });
    expect(silent(beatOf("a", memberEpoch + 1))).toBeUndefined();
    expect(silent(heartbeatOf("a"))).toBeUndefined();
    expect(silent(beatOf("a", -1))).toBeUndefined();
    expect(silent(beatOf("c", memberEpoch))).toBeUndefined();
    expect(silent(beatOf("a", memberEpoch, { rackId: "r" }))).toBeUndefined();
    expect(silent(beatOf("a", memberEpoch, { subscribedTopicNames: [] }))).toBeUndefined();
    expect(encodedState(groups.state)).toEqual(before);
    groups.beat(beatOf("b", -1));
    expect(silent()).toBeDefined();
    groups.settle();
    expect(silent()).toBeUndefined();
  });
});

describe("a member that leaves", () => {
  test("is forgotten with its target, and raises the group epoch", () => {
    const groups = reconciledGroup("a", "b");
    const { groupEpoch } = groups.consumer;
    expect(groups.fold(beatOf("a", -1))).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch: -1,
      assignment: undefined,
    });
    expect([...groups.consumer.members.keys()]).toEqual(["b"]);
    expect(groups.consumer.targetAssignment.has("a")).toBe(false);
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 1);
    groups.reconcileAll();
    expect(groups.consumerMember("b").assigned).toEqual(partitions({ 1: [0, 1, 2, 3] }));
  });

  test("leaves a group that is empty and goes on counting its epochs", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    groups.nowMs += 1_000;
    groups.beat(beatOf("a", -1));
    expect(groups.group).toMatchObject({ stateSinceMs: groups.nowMs, changedSeq: groups.seq });
    expect(groups.due()).toBeUndefined();
    groups.nowMs += 1_000;
    groups.beat(heartbeatOf("b"));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 2);
    expect(groups.group.stateSinceMs).toBe(groups.nowMs);
    groups.beat(beatOf("b", -1));
    expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("done");
  });

  test("gives up its regular expression, unless others have the same", () => {
    const groups = new FoldedConsumers();
    groups.view = viewOf({ 1: 4, 2: 2 });
    for (const memberId of ["a", "b"]) {
      groups.beat(heartbeatOf(memberId, { subscribedTopicNames: [], subscribedTopicRegex: "t." }));
    }
    groups.reconcileAll();
    expect(groups.consumer.resolvedRegexes).toEqual(new Map([["t.", ["t1", "t2"]]]));
    groups.beat(beatOf("a", -1));
    expect(groups.consumer.resolvedRegexes.size).toBe(1);
    groups.beat(beatOf("b", groups.consumerMember("b").memberEpoch, { subscribedTopicRegex: "" }));
    expect(groups.consumer.resolvedRegexes.size).toBe(0);
  });
});

describe("a commit", () => {
  const commit = (memberId: string, generationIdOrMemberEpoch: number, fields = {}) =>
    commitOf(9, { memberId, generationIdOrMemberEpoch, ...fields });

  test("must be a member's, at its very epoch, in a version that knows of epochs", () => {
    const groups = reconciledGroup("a");
    const { memberEpoch } = groups.consumerMember("a");
    expect(groups.brief(commit("a", memberEpoch))).toBe("done");
    expect(groups.brief(commit("a", memberEpoch - 1))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("a", memberEpoch + 1))).toBe("STALE_MEMBER_EPOCH");
    expect(groups.brief(commit("b", memberEpoch))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(commit("", -1))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(commit("a", memberEpoch, { knowsMemberEpochs: false }))).toBe("UNSUPPORTED_VERSION");
  });

  test("may be an administrator's while nobody is there", () => {
    const groups = reconciledGroup("a");
    groups.beat(beatOf("a", -1));
    expect(groups.brief(commit("", -1))).toBe("done");
    expect(groups.brief(commit("a", 3))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.offset(0, topicIdOf(1))).toBe(9);
  });
});
