import { describe, expect, test } from "vitest";
import { beatOf, FoldedConsumers, heartbeatOf, partitions } from "./consumer-fixtures.ts";

const ALL = partitions({ 1: [0, 1, 2, 3] });

/** A static member `a` of instance `i` that owns everything. */
function staticGroup(): FoldedConsumers {
  const groups = new FoldedConsumers();
  groups.beat(heartbeatOf("a", { instanceId: "i" }));
  groups.reconcileAll();
  return groups;
}

describe("a static member", () => {
  test("that leaves for a while keeps its partitions, and its next self gets them without a new target", () => {
    const groups = staticGroup();
    const { groupEpoch } = groups.consumer;
    expect(groups.beat(beatOf("a", -2, { instanceId: "i" })).memberEpoch).toBe(-2);
    expect(groups.consumerMember("a")).toMatchObject({ memberEpoch: -2, assigned: ALL, seenSeq: groups.seq });
    expect(groups.fold(heartbeatOf("b", { instanceId: "i" }))).toEqual({
      kind: "consumer-heartbeat",
      memberEpoch: groupEpoch,
      assignment: ALL,
    });
    expect([...groups.consumer.members.keys()]).toEqual(["b"]);
    expect(groups.consumer.groupEpoch).toBe(groupEpoch);
    expect(groups.consumer.staticMembers).toEqual(new Map([["i", "b"]]));
    expect(groups.due()).toBeUndefined();
  });

  test("may come back under the id that it had", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    expect(groups.brief(beatOf("a", groups.consumer.groupEpoch, { instanceId: "i" }))).toBe("FENCED_MEMBER_EPOCH");
    expect(groups.beat(heartbeatOf("a", { instanceId: "i" }))).toMatchObject({
      memberEpoch: groups.consumer.groupEpoch,
      assignment: ALL,
    });
  });

  test("that comes back with another subscription has its new partitions at the next target", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    const back = groups.beat(heartbeatOf("b", { instanceId: "i", subscribedTopicNames: ["t2"] }));
    expect(back.assignment).toEqual(new Map());
    expect(groups.consumer.groupEpoch).toBe(back.memberEpoch + 1);
  });

  test("that comes back under its id with another subscription has an epoch again", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    const { memberEpoch } = groups.beat(heartbeatOf("a", { instanceId: "i", subscribedTopicNames: ["t2"] }));
    expect(memberEpoch).toBe(groups.consumer.assignmentEpoch);
  });

  test("that comes back while a target is computed makes it void, for it names the old id", () => {
    const groups = staticGroup();
    groups.beat(heartbeatOf("c"));
    const inFlight = groups.due();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    groups.beat(heartbeatOf("b", { instanceId: "i" }));
    expect(inFlight === undefined ? "" : groups.brief(inFlight)).toBe("moved");
    groups.settle();
    expect(groups.consumer.targetAssignment.get("b")).toEqual(partitions({ 1: [0, 1] }));
  });

  test("is not followed while it is there", () => {
    const groups = staticGroup();
    expect(groups.brief(heartbeatOf("b", { instanceId: "i" }))).toBe("UNRELEASED_INSTANCE_ID");
    expect(groups.brief(heartbeatOf("a", { instanceId: "i" }))).toBe("consumer-heartbeat");
    groups.beat(heartbeatOf("c"));
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    // An id that is another member's own already.
    expect(groups.brief(heartbeatOf("c", { instanceId: "i" }))).toBe("UNRELEASED_INSTANCE_ID");
  });

  test("is followed in a full group as well", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    expect(groups.brief(heartbeatOf("b", { instanceId: "i", groupSizeMax: 1 }))).toBe("consumer-heartbeat");
  });

  test("is fenced once another one has its instance id", () => {
    const groups = staticGroup();
    const { memberEpoch } = groups.consumerMember("a");
    expect(groups.brief(beatOf("x", memberEpoch, { instanceId: "i" }))).toBe("FENCED_INSTANCE_ID");
    expect(groups.brief(beatOf("x", -2, { instanceId: "i" }))).toBe("FENCED_INSTANCE_ID");
    expect(groups.brief(beatOf("a", memberEpoch, { instanceId: "j" }))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(beatOf("a", memberEpoch, { instanceId: "i" }))).toBe("consumer-heartbeat");
  });

  test("gives back its instance id when it leaves for good", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -1, { instanceId: "i" }));
    expect(groups.consumer.staticMembers.size).toBe(0);
    expect(groups.brief(heartbeatOf("b", { instanceId: "i" }))).toBe("consumer-heartbeat");
  });

  test("expires while it is away", () => {
    const groups = staticGroup();
    groups.beat(beatOf("a", -2, { instanceId: "i" }));
    expect(groups.expireConsumer("a")).toBe("done");
    expect(groups.consumer.members.size).toBe(0);
  });
});
