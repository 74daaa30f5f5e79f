import { describe, expect, test } from "vitest";
import { joinAnswer, syncAnswer } from "#lib/coordinator/classic-answers.ts";
import type { JoinCommand } from "#lib/coordinator/classic-command.ts";
import { subscriptionOf, syncAnswerInConsumerGroup, upgradeOf } from "#lib/coordinator/consumer-classic-answers.ts";
import { consumerExpiries } from "#lib/coordinator/consumer-expiries.ts";
import { unchangedHeartbeat } from "#lib/coordinator/consumer-heartbeat.ts";
import { decodeAssignment, encodeAssignment, encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { beatOf, FoldedConsumers, heartbeatOf, partitions, viewOf } from "./consumer-fixtures.ts";
import { bytesOf, GROUP, joinOf, rejoinOf, topicIdOf } from "./group-fixtures.ts";

const topicIdByName = (name: string): TopicId | undefined => (name === "t1" ? topicIdOf(1) : undefined);
const topicName = (topicId: TopicId): string | undefined => (topicId === topicIdOf(1) ? "t1" : undefined);

const SUBSCRIPTION = encodeSubscription({ topics: ["t1"], ownedPartitions: [] }, 1);
const PROTOCOLS = [{ name: "cooperative-sticky", metadata: SUBSCRIPTION }];

function assignmentBytes(...list: readonly number[]): Uint8Array {
  return encodeAssignment({ assignedPartitions: [{ topic: "t1", partitions: [...list] }] }, 1);
}

function classicJoin(memberId: string, fields: Partial<JoinCommand> = {}): JoinCommand {
  return joinOf(memberId, { protocols: PROTOCOLS, ...fields });
}

/** A stable classic group in which `a` has partitions 0 and 1 of topic 1, and `b` the other two. */
function classicGroup(): FoldedConsumers {
  const groups = new FoldedConsumers();
  for (const memberId of ["a", "b"]) groups.fold(classicJoin(memberId, { initialDelayMs: 3_000 }));
  groups.completeJoin();
  groups.sync("b");
  groups.sync("a", {
    assignments: [
      { memberId: "a", assignment: assignmentBytes(0, 1) },
      { memberId: "b", assignment: assignmentBytes(2, 3) },
    ],
  });
  expect(groups.classic.state).toBe("Stable");
  groups.view = viewOf({ 1: 4 });
  return groups;
}

function upgradeBy(groups: FoldedConsumers, memberId: string) {
  const upgrade = upgradeOf(groups.group, topicIdByName);
  return groups.fold(heartbeatOf(memberId, { upgrade }));
}

/** The same group once `c`, of the consumer protocol, is in it and the target is set. */
function upgradedGroup(): FoldedConsumers {
  const groups = classicGroup();
  expect(upgradeBy(groups, "c").kind).toBe("consumer-heartbeat");
  groups.settle();
  return groups;
}

/** JoinGroup of a classic member that tells what it owns. */
function rejoin(groups: FoldedConsumers, memberId: string, ...owned: readonly number[]) {
  const ownedPartitions = [{ topic: "t1", partitions: [...owned] }];
  const metadata = encodeSubscription({ topics: ["t1"], ownedPartitions }, 1);
  const protocols = [{ name: "cooperative-sticky", metadata }];
  const subscription = subscriptionOf(protocols, topicIdByName);
  return groups.fold(rejoinOf(memberId, { protocols, subscription }));
}

function heartbeat(groups: FoldedConsumers, memberId: string): string {
  const { memberEpoch } = groups.consumerMember(memberId);
  return groups.heartbeat(memberId, { generationId: memberEpoch });
}

function syncedPartitions(groups: FoldedConsumers, memberId: string, expectedVersion = 1): readonly number[] {
  const generationId = groups.consumerMember(memberId).memberEpoch;
  const request = {
    groupId: GROUP,
    memberId,
    groupInstanceId: undefined,
    generationId,
    protocolType: "consumer",
    protocolName: "cooperative-sticky",
  };
  expect(groups.brief({ kind: "sync", assignments: [], ...request })).toBe("done");
  const answer = syncAnswerInConsumerGroup(groups.consumer, request, topicName);
  if (answer.kind !== "synced") throw new Error(JSON.stringify(answer));
  const { assignedPartitions, version } = decodeAssignment(answer.assignment);
  expect(version).toBe(expectedVersion);
  return assignedPartitions.flatMap((topic) => topic.partitions);
}

describe("a classic group that a member of the consumer protocol joins", () => {
  test("is to be upgraded as it is seen", () => {
    const groups = classicGroup();
    expect(groups.fold(heartbeatOf("c"))).toEqual({ kind: "upgrade-needed" });
    const upgrade = upgradeOf(groups.group, topicIdByName);
    groups.fold(classicJoin("d"));
    expect(groups.fold(heartbeatOf("c", { upgrade }))).toEqual({ kind: "upgrade-needed" });
    const members = upgradeOf(groups.group, topicIdByName)?.members.slice(1) ?? [];
    const partial = { changedSeq: groups.group.changedSeq, members };
    expect(groups.fold(heartbeatOf("c", { upgrade: partial }))).toEqual({ kind: "upgrade-needed" });
    const whole = upgradeOf(groups.group, topicIdByName)?.members ?? [];
    const stale = { changedSeq: groups.group.changedSeq - 1, members: whole };
    expect(groups.fold(heartbeatOf("c", { upgrade: stale }))).toEqual({ kind: "upgrade-needed" });
    expect(groups.classic.members.size).toBe(3);
  });

  test("becomes a consumer group at the epoch of its generation, whose members own what they owned", () => {
    const groups = classicGroup();
    const { generationId } = groups.classic;
    upgradeBy(groups, "c");
    expect(groups.consumer).toMatchObject({ assignmentEpoch: generationId, groupEpoch: generationId + 1 });
    expect(groups.consumerMember("a")).toMatchObject({
      memberEpoch: generationId,
      state: "Stable",
      assigned: partitions({ 1: [0, 1] }),
      subscribedTopicNames: ["t1"],
      rebalanceTimeoutMs: 60_000,
      classic: { sessionTimeoutMs: 30_000, protocols: [{ name: "cooperative-sticky" }] },
    });
    expect(groups.consumerMember("b").assigned).toEqual(partitions({ 1: [2, 3] }));
    expect(groups.consumerMember("c")).toMatchObject({ memberEpoch: generationId, classic: undefined });
    expect(groups.consumer.targetAssignment.get("b")).toEqual(partitions({ 1: [2, 3] }));
  });

  test("gives a partition that two members were assigned to the first one", () => {
    const groups = classicGroup();
    const upgrade = upgradeOf(groups.group, topicIdByName);
    const members = (upgrade?.members ?? []).map((member) => ({ ...member, assigned: partitions({ 1: [1, 2] }) }));
    groups.fold(heartbeatOf("c", { upgrade: { changedSeq: groups.group.changedSeq, members } }));
    expect(groups.consumerMember("a").assigned).toEqual(partitions({ 1: [1, 2] }));
    expect(groups.consumerMember("b").assigned).toEqual(new Map());
  });

  test("stays as it is if there is no room, or if its bytes are not a consumer's", () => {
    const groups = classicGroup();
    const upgrade = upgradeOf(groups.group, topicIdByName);
    expect(groups.brief(heartbeatOf("c", { upgrade, groupSizeMax: 1 }))).toBe("GROUP_ID_NOT_FOUND");
    expect(groups.brief(heartbeatOf("c", { upgrade, groupSizeMax: 2 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.classic.state).toBe("Stable");
    const odd = new FoldedConsumers();
    odd.fold(joinOf("a", { protocols: [{ name: "range", metadata: bytesOf("?") }] }));
    expect(upgradeOf(odd.group, topicIdByName)).toBeUndefined();
  });

  test("is not upgraded when its assignments carry data of an assignor of its own", () => {
    const groups = classicGroup();
    const assigned = encodeAssignment({ assignedPartitions: [], userData: bytesOf("x") }, 1);
    groups.member("a").assignment = assigned;
    expect(upgradeOf(groups.group, topicIdByName)).toBeUndefined();
    groups.member("a").assignment = new Uint8Array(0);
    expect(upgradeOf(groups.group, topicIdByName)?.members[0]?.assigned).toEqual(new Map());
  });

  test("answers those who wait in it that they are to join anew", () => {
    const groups = classicGroup();
    const { round, generationId } = groups.classic;
    upgradeBy(groups, "c");
    const asker = { groupId: GROUP, memberId: "a", groupInstanceId: undefined };
    const refusal = { kind: "refused", error: 27 };
    expect(joinAnswer(groups.state, { ...asker, round })).toEqual(refusal);
    const protocol = { protocolType: undefined, protocolName: undefined };
    expect(syncAnswer(groups.state, { ...asker, generationId, ...protocol })).toEqual(refusal);
  });
});

describe("a classic member of a consumer group", () => {
  test("hears by its heartbeat that it is to give up partitions, does so, and goes on", () => {
    const groups = upgradedGroup();
    const before = groups.consumerMember("b").memberEpoch;
    expect(heartbeat(groups, "b")).toBe("REBALANCE_IN_PROGRESS");
    expect(rejoin(groups, "b", 2, 3)).toEqual({
      kind: "joined-consumer-group",
      memberEpoch: before,
      protocolName: "cooperative-sticky",
    });
    // What it is told at its old epoch lacks the partition that it is to give up; then it joins once more.
    expect(syncedPartitions(groups, "b")).toEqual([2]);
    expect(heartbeat(groups, "b")).toBe("REBALANCE_IN_PROGRESS");
    const { groupEpoch } = groups.consumer;
    expect(rejoin(groups, "b", 2)).toMatchObject({ memberEpoch: groupEpoch });
    expect(heartbeat(groups, "b")).toBe("done");
    expect(syncedPartitions(groups, "b")).toEqual([2]);
    // Whoever is to give up nothing merely follows.
    expect(rejoin(groups, "a", 0, 1)).toMatchObject({ memberEpoch: groupEpoch });
    expect(syncedPartitions(groups, "a")).toEqual([0, 1]);
    const { memberEpoch } = groups.consumerMember("c");
    expect(groups.beat(beatOf("c", memberEpoch, { owned: new Map() })).assignment).toEqual(partitions({ 1: [3] }));
  });

  test("that gives up everything before it joins has its new partitions at once", () => {
    const groups = upgradedGroup();
    const protocols = [{ name: "cooperative-sticky", metadata: encodeSubscription({ topics: ["t1"] }, 0) }];
    const subscription = subscriptionOf(protocols, topicIdByName);
    expect(subscription).toEqual({ topicNames: ["t1"], owned: undefined, rackId: undefined });
    groups.fold(rejoinOf("b", { protocols, subscription }));
    expect(groups.consumerMember("b")).toMatchObject({ state: "Stable", memberEpoch: groups.consumer.groupEpoch });
    expect(syncedPartitions(groups, "b", 0)).toEqual([2]);
  });

  test("need not join again before there is a target that knows of its subscription", () => {
    const groups = upgradedGroup();
    const subscription = { topicNames: ["t1", "t2"], owned: partitions({ 1: [0, 1] }), rackId: undefined };
    expect(heartbeat(groups, "a")).toBe("REBALANCE_IN_PROGRESS");
    groups.fold(rejoinOf("a", { protocols: PROTOCOLS, subscription }));
    const { memberEpoch } = groups.consumerMember("a");
    expect(memberEpoch).toBeLessThan(groups.consumer.assignmentEpoch);
    expect(heartbeat(groups, "a")).toBe("done");
    expect(syncedPartitions(groups, "a")).toEqual([0, 1]);
    groups.settle();
    expect(heartbeat(groups, "a")).toBe("REBALANCE_IN_PROGRESS");
  });

  test("need not join again while others hold what it is to get", () => {
    const groups = upgradedGroup();
    rejoin(groups, "d");
    groups.settle();
    groups.setTarget({});
    groups.beat(heartbeatOf("e"));
    groups.setTarget({ d: partitions({ 1: [3] }) });
    rejoin(groups, "d");
    expect(groups.consumerMember("d").state).toBe("UnreleasedPartitions");
    expect(heartbeat(groups, "d")).toBe("done");
    rejoin(groups, "b", 2, 3);
    expect(heartbeat(groups, "d")).toBe("done");
    rejoin(groups, "b");
    expect(heartbeat(groups, "d")).toBe("REBALANCE_IN_PROGRESS");
    rejoin(groups, "d");
    expect(syncedPartitions(groups, "d")).toEqual([3]);
  });

  test("may change its protocols, is never answered as if it spoke the other one, and takes no other member's id", () => {
    const groups = upgradedGroup();
    expect(groups.leave("b")).toEqual(["NONE"]);
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    const protocols = [{ name: "range", metadata: SUBSCRIPTION }];
    expect(groups.brief(rejoinOf("a", { subscription, protocols }))).toBe("joined-consumer-group");
    const { memberEpoch } = groups.consumerMember("a");
    expect(unchangedHeartbeat(groups.consumer, beatOf("a", memberEpoch))).toBeUndefined();
    groups.beat(heartbeatOf("s", { instanceId: "i", subscribedTopicNames: [], subscribedTopicRegex: "t." }));
    const taking = { subscription, protocols, groupInstanceId: "i" };
    expect(groups.brief(classicJoin("c", taking))).toBe("FENCED_INSTANCE_ID");
    expect(groups.brief(classicJoin("s2", taking))).toBe("joined-consumer-group");
    // Classic members have no expressions.
    expect(groups.consumerMember("s2")).toMatchObject({
      subscribedTopicRegex: undefined,
      subscribedTopicNames: ["t1"],
    });
  });

  test("has given up what it was to give up when its next self comes", () => {
    const groups = upgradedGroup();
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    groups.fold(classicJoin("s", { subscription, groupInstanceId: "i" }));
    groups.setTarget({ s: partitions({ 1: [0] }) });
    for (const memberId of ["a", "b"]) rejoin(groups, memberId);
    const owned = { topicNames: ["t1"], owned: partitions({ 1: [0] }), rackId: undefined };
    const again = rejoinOf("s", { subscription: owned, protocols: PROTOCOLS, groupInstanceId: "i" });
    groups.fold(again);
    groups.beat(heartbeatOf("e"));
    groups.setTarget({});
    groups.fold(again);
    expect(groups.consumerMember("s")).toMatchObject({ pendingRevocation: partitions({ 1: [0] }) });
    groups.beat(heartbeatOf("s2", { instanceId: "i" }));
    expect(groups.consumerMember("s2")).toMatchObject({ state: "Stable", pendingRevocation: new Map() });
  });

  test("is known by its id, its instance and its generation", () => {
    const groups = upgradedGroup();
    const { memberEpoch: generationId } = groups.consumerMember("a");
    expect(groups.heartbeat("a", { generationId: generationId + 1 })).toBe("ILLEGAL_GENERATION");
    expect(groups.heartbeat("x", { generationId })).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.heartbeat("a", { generationId, groupInstanceId: "i" })).toBe("UNKNOWN_MEMBER_ID");
    // A member of the other protocol has no classic heartbeats.
    expect(heartbeat(groups, "c")).toBe("UNKNOWN_MEMBER_ID");
    const sync = { kind: "sync", groupId: GROUP, memberId: "a", groupInstanceId: undefined, assignments: [] } as const;
    const wrong = { ...sync, generationId, protocolType: "consumer", protocolName: "range" };
    expect(groups.brief(wrong)).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.brief({ ...wrong, protocolName: undefined })).toBe("REBALANCE_IN_PROGRESS");
    expect(groups.brief({ ...wrong, generationId: 99 })).toBe("ILLEGAL_GENERATION");
  });

  test("joins an upgraded group like others: with its metadata, a common protocol, and in two steps if it is to", () => {
    const groups = upgradedGroup();
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    expect(groups.brief(classicJoin("d"))).toBe("subscription-needed");
    expect(groups.brief(classicJoin("d", { mustReserve: true }))).toBe("reserved");
    const other = [{ name: "range", metadata: SUBSCRIPTION }];
    expect(groups.brief(classicJoin("d", { subscription, protocols: other }))).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.brief(classicJoin("d", { subscription, protocolType: "connect" }))).toBe(
      "INCONSISTENT_GROUP_PROTOCOL",
    );
    expect(groups.brief(classicJoin("d", { subscription, groupSizeMax: 3 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.brief(rejoinOf("d", { subscription, protocols: PROTOCOLS }))).toBe("joined-consumer-group");
    expect(groups.consumerMember("d").classic?.sessionTimeoutMs).toBe(30_000);
  });

  test("may be a static one's next self", () => {
    const groups = upgradedGroup();
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    const fields = { subscription, groupInstanceId: "i" };
    expect(groups.brief(classicJoin("s1", fields))).toBe("joined-consumer-group");
    expect(groups.brief(classicJoin("s2", fields))).toBe("joined-consumer-group");
    expect(groups.consumer.staticMembers.get("i")).toBe("s2");
    expect(groups.consumer.members.has("s1")).toBe(false);
    expect(groups.brief(rejoinOf("s1", { ...fields, protocols: PROTOCOLS }))).toBe("FENCED_INSTANCE_ID");
    expect(groups.brief(rejoinOf("s9", { ...fields, groupInstanceId: "j", protocols: PROTOCOLS }))).toBe(
      "UNKNOWN_MEMBER_ID",
    );
    // Its next self may speak the consumer protocol although it has not said good-bye.
    expect(groups.brief(heartbeatOf("s3", { instanceId: "i" }))).toBe("consumer-heartbeat");
    expect(groups.consumerMember("s3").classic).toBeUndefined();
  });

  test("commits as in its generation, and expires by its own session time-out", () => {
    const groups = upgradedGroup();
    const { memberEpoch, seenSeq } = groups.consumerMember("a");
    const sessions = consumerExpiries(GROUP, groups.consumer, 45_000).filter(({ key }) => key.startsWith("member"));
    expect(sessions.map(({ afterMs }) => afterMs)).toEqual([30_000, 30_000, 45_000]);
    const commit = {
      kind: "commit-offsets",
      groupId: GROUP,
      memberId: "a",
      groupInstanceId: undefined,
      knowsMemberEpochs: false,
      clusterSeq: 1,
      topics: [],
    } as const;
    expect(groups.brief({ ...commit, generationIdOrMemberEpoch: memberEpoch })).toBe("done");
    expect(groups.brief({ ...commit, generationIdOrMemberEpoch: memberEpoch + 1 })).toBe("ILLEGAL_GENERATION");
    heartbeat(groups, "a");
    expect(groups.expireConsumer("a", seenSeq)).toBe("moved");
    expect(groups.expireConsumer("a")).toBe("done");
  });

  test("is removed when it does not join again in time", () => {
    const groups = upgradedGroup();
    const { memberEpoch } = groups.consumerMember("a");
    const command = { kind: "expire-rebalance", groupId: GROUP, memberId: "a", memberEpoch } as const;
    expect(groups.brief(command)).toBe("done");
    groups.settle();
    rejoin(groups, "b");
    const { memberEpoch: present } = groups.consumerMember("b");
    expect(groups.brief({ ...command, memberId: "b", memberEpoch: present })).toBe("moved");
  });
});

describe("a consumer group whose last member of the consumer protocol is gone", () => {
  test("is a classic group again, whose members are to join a new round", () => {
    for (const end of ["leave", "expire", "removed"] as const) {
      const groups = upgradedGroup();
      const { groupEpoch } = groups.consumer;
      if (end === "leave") groups.beat(beatOf("c", -1));
      else if (end === "expire") groups.expireConsumer("c");
      else expect(groups.leave("c")).toEqual(["NONE"]);
      expect(groups.classic).toMatchObject({
        state: "PreparingRebalance",
        protocolType: "consumer",
        protocolName: "cooperative-sticky",
        generationId: groupEpoch,
        leaderId: "a",
      });
      for (const memberId of ["a", "b"]) groups.fold(rejoinOf(memberId, { protocols: PROTOCOLS }));
      expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: groupEpoch + 1 });
    }
  });

  test("keeps its offsets and can be upgraded anew", () => {
    const groups = upgradedGroup();
    const { memberEpoch } = groups.consumerMember("a");
    const partition = { partitionIndex: 0, offset: 5, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
    groups.fold({
      kind: "commit-offsets",
      groupId: GROUP,
      memberId: "a",
      groupInstanceId: undefined,
      generationIdOrMemberEpoch: memberEpoch,
      knowsMemberEpochs: true,
      clusterSeq: 1,
      topics: [{ topicId: topicIdOf(1), partitions: [partition] }],
    });
    groups.beat(beatOf("c", -1));
    expect(groups.offset()).toBe(5);
    const { generationId } = groups.classic;
    expect(upgradeBy(groups, "d").kind).toBe("consumer-heartbeat");
    expect(groups.consumer.groupEpoch).toBe(generationId + 1);
  });

  test("is not made by the classic members' going, and is empty when all are gone", () => {
    const groups = upgradedGroup();
    expect(groups.leave("a", "x")).toEqual(["NONE", "UNKNOWN_MEMBER_ID"]);
    expect(groups.leave("b")).toEqual(["NONE"]);
    expect(groups.consumer.members.size).toBe(1);
    groups.beat(beatOf("c", -1));
    expect(groups.consumer.members.size).toBe(0);
  });

  test("is made as well by that member's joining with the classic protocol", () => {
    const groups = upgradedGroup();
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    expect(groups.brief(rejoinOf("c", { subscription, protocols: PROTOCOLS }))).toBe("joined");
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", leaderId: "a" });
    expect([...groups.classic.members.keys()]).toEqual(["a", "b", "c"]);
    for (const memberId of ["a", "b"]) groups.fold(rejoinOf(memberId, { protocols: PROTOCOLS }));
    expect(groups.classic.state).toBe("CompletingRebalance");
  });

  test("loses its static member to the classic protocol by its next self", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a", { instanceId: "i" }));
    const subscription = subscriptionOf(PROTOCOLS, topicIdByName);
    expect(groups.brief(classicJoin("b", { subscription, groupInstanceId: "i" }))).toBe("joined");
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", leaderId: "b" });
    expect([...groups.classic.staticMembers]).toEqual([["i", "b"]]);
  });
});
