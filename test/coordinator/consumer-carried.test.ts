import { describe, expect, test } from "vitest";
import { subscriptionOf, upgradeOf } from "#lib/coordinator/consumer-classic-answers.ts";
import { encodeAssignment, encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { beatOf, FoldedConsumers, heartbeatOf, partitions } from "./consumer-fixtures.ts";
import { joinOf, rejoinOf, topicIdOf } from "./group-fixtures.ts";

const topicIdByName = (name: string): TopicId | undefined => (name === "t1" ? topicIdOf(1) : undefined);
const listed = (list: readonly number[]) => (list.length === 0 ? [] : [{ topic: "t1", partitions: [...list] }]);

/** What a cooperative member that owns these partitions joins with. */
function protocolsOwning(...list: readonly number[]) {
  return [
    { name: "cooperative-sticky", metadata: encodeSubscription({ topics: ["t1"], ownedPartitions: listed(list) }, 3) },
  ];
}

function assignmentOf(memberId: string, ...list: readonly number[]) {
  return { memberId, assignment: encodeAssignment({ assignedPartitions: listed(list) }, 1) };
}

/** A stable classic group of `a`, that owned 0, 1 and 2 when it joined and is to give up 1 and 2, and `b`, that has got 2. */
function cooperativeGroup(): FoldedConsumers {
  const groups = new FoldedConsumers();
  groups.fold(joinOf("a", { protocols: protocolsOwning(0, 1, 2), initialDelayMs: 3_000 }));
  groups.fold(joinOf("b", { protocols: protocolsOwning(), initialDelayMs: 3_000 }));
  groups.completeJoin();
  groups.sync("b");
  groups.sync("a", { assignments: [assignmentOf("a", 0), assignmentOf("b", 2)] });
  return groups;
}

function upgradeBy(groups: FoldedConsumers, memberId: string): void {
  groups.beat(heartbeatOf(memberId, { upgrade: upgradeOf(groups.group, topicIdByName) }));
}

describe("a classic group that becomes a consumer group while its members have more than they were assigned", () => {
  test("leaves a cooperative member what it has not given up, but for what another one was assigned", () => {
    const groups = cooperativeGroup();
    upgradeBy(groups, "c");
    expect(groups.consumerMember("a").assigned).toEqual(partitions({ 1: [0, 1] }));
    expect(groups.consumerMember("b").assigned).toEqual(partitions({ 1: [2] }));
    groups.setTarget({ c: partitions({ 1: [1, 3] }) });
    const { assignment } = groups.beat(beatOf("c", groups.consumerMember("c").memberEpoch, { owned: new Map() }));
    expect(assignment).toEqual(partitions({ 1: [3] }));
  });

  test("knows what its members had when it was a consumer group before, until they have joined again", () => {
    const groups = cooperativeGroup();
    upgradeBy(groups, "c");
    groups.beat(beatOf("c", -1));
    expect(groups.classic.state).toBe("PreparingRebalance");
    groups.fold(rejoinOf("b", { protocols: protocolsOwning(2) }));
    upgradeBy(groups, "d");
    expect(groups.consumerMember("a").assigned).toEqual(partitions({ 1: [0, 1] }));
    expect(groups.consumerMember("b").assigned).toEqual(partitions({ 1: [2] }));
    expect(groups.consumer.targetAssignment.get("a")).toEqual(partitions({ 1: [0, 1] }));
  });

  test("counts among that what a member was still to give up", () => {
    const groups = cooperativeGroup();
    upgradeBy(groups, "c");
    groups.setTarget({ a: partitions({ 1: [0] }) });
    const protocols = protocolsOwning(0, 1);
    const subscription = subscriptionOf(protocols, topicIdByName);
    groups.fold(rejoinOf("a", { protocols, subscription }));
    expect(groups.consumerMember("a").pendingRevocation).toEqual(partitions({ 1: [1] }));
    groups.beat(beatOf("c", -1));
    expect(groups.classic.members.get("a")?.carried).toEqual(partitions({ 1: [0, 1] }));
  });
});

test("a classic member that was expelled from a consumer group gives up what it had before it may join again", () => {
  const groups = cooperativeGroup();
  upgradeBy(groups, "c");
  expect(groups.expireConsumer("a")).toBe("done");
  const join = (protocols: ReturnType<typeof protocolsOwning>) =>
    groups.brief(rejoinOf("a", { protocols, subscription: subscriptionOf(protocols, topicIdByName) }));
  expect(join(protocolsOwning(0, 1))).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.consumer.members.has("a")).toBe(false);
  expect(join(protocolsOwning())).toBe("joined-consumer-group");
});
