import { describe, expect, test } from "vitest";
import { consumerExpiries } from "#lib/coordinator/consumer-expiries.ts";
import { beatOf, type FoldedConsumers, heartbeatOf, partitions, reconciledGroup } from "./consumer-fixtures.ts";
import { GROUP } from "./group-fixtures.ts";

function expireRebalance(groups: FoldedConsumers, memberId: string, memberEpoch: number): string {
  return groups.brief({ kind: "expire-rebalance", groupId: GROUP, memberId, memberEpoch });
}

/** A group in which `a` is to give up half of its partitions for `b`. */
function revokingGroup(): FoldedConsumers {
  const groups = reconciledGroup("a");
  groups.beat(heartbeatOf("b"));
  groups.settle();
  const { memberEpoch, assigned } = groups.consumerMember("a");
  groups.beat(beatOf("a", memberEpoch, { owned: assigned }));
  return groups;
}

describe("the session time-out", () => {
  test("removes a member that has not been seen since", () => {
    const groups = reconciledGroup("a", "b");
    const { groupEpoch } = groups.consumer;
    const { seenSeq, memberEpoch } = groups.consumerMember("a");
    groups.beat(beatOf("a", memberEpoch));
    expect(groups.expireConsumer("a", seenSeq)).toBe("moved");
    expect(groups.expireConsumer("a")).toBe("done");
    expect(groups.expireConsumer("a", seenSeq)).toBe("moved");
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 1);
    expect(groups.brief(beatOf("a", memberEpoch))).toBe("UNKNOWN_MEMBER_ID");
  });

  test("runs for every member, anew with every sign of life", () => {
    const groups = reconciledGroup("a", "b");
    const before = consumerExpiries(GROUP, groups.consumer, 45_000);
    expect(before.map(({ afterMs, command }) => [afterMs, command.kind])).toEqual([
      [45_000, "expire-member"],
      [45_000, "expire-member"],
    ]);
    groups.beat(beatOf("a", groups.consumerMember("a").memberEpoch));
    const after = consumerExpiries(GROUP, groups.consumer, 45_000);
    expect(after[0]?.key).not.toBe(before[0]?.key);
    expect(after[1]?.key).toBe(before[1]?.key);
  });
});

describe("the rebalance time-out", () => {
  test("removes a member that does not give up its partitions", () => {
    const groups = revokingGroup();
    const { memberEpoch, state } = groups.consumerMember("a");
    expect(state).toBe("UnrevokedPartitions");
    expect(expireRebalance(groups, "a", memberEpoch - 1)).toBe("moved");
    expect(expireRebalance(groups, "b", groups.consumerMember("b").memberEpoch)).toBe("moved");
    expect(expireRebalance(groups, "a", memberEpoch)).toBe("done");
    groups.reconcileAll();
    expect(groups.consumerMember("b").assigned).toEqual(partitions({ 1: [0, 1, 2, 3] }));
  });

  test("does nothing to a member that has given them up", () => {
    const groups = revokingGroup();
    const { memberEpoch, assigned } = groups.consumerMember("a");
    groups.beat(beatOf("a", memberEpoch, { owned: assigned }));
    expect(groups.consumerMember("a").memberEpoch).toBeGreaterThan(memberEpoch);
    expect(expireRebalance(groups, "a", memberEpoch)).toBe("moved");
    expect(expireRebalance(groups, "ghost", memberEpoch)).toBe("moved");
  });

  test("runs while there is something to give up, by the member's own setting", () => {
    const groups = revokingGroup();
    const due = () =>
      consumerExpiries(GROUP, groups.consumer, 45_000).filter(({ command }) => command.kind === "expire-rebalance");
    const [first, ...others] = due();
    expect(others).toEqual([]);
    const { memberEpoch, assigned } = groups.consumerMember("a");
    expect(first).toMatchObject({ afterMs: 60_000, command: { memberId: "a", memberEpoch } });
    // Waiting goes on under the same key.
    groups.beat(beatOf("a", memberEpoch, { owned: partitions({ 1: [0, 1, 2, 3] }) }));
    expect(due()).toEqual([first]);
    groups.beat(beatOf("a", memberEpoch, { owned: assigned }));
    expect(due()).toEqual([]);
  });
});
