import { describe, expect, test } from "vitest";
import { heldPartitions } from "#lib/coordinator/consumer-instance.ts";
import { instanceExpiries } from "#lib/coordinator/instance-expiries.ts";
import { heartbeatOf, partitions } from "./consumer-fixtures.ts";
import { commitOf, encodedState, GROUP, joinOf, reloaded, topicIdOf } from "./group-fixtures.ts";
import { createOf, FoldedInstances } from "./instance-fixtures.ts";

function assignedInstance(config = {}): FoldedInstances {
  const groups = new FoldedInstances();
  groups.fold(createOf("i", config));
  groups.assign("i", partitions({ 1: [0, 1] }));
  return groups;
}

function subscribedInstance(config = {}): FoldedInstances {
  const groups = new FoldedInstances();
  groups.join("i", config);
  groups.reconcileAll();
  return groups;
}

/** `i` has had all four partitions; `j` joins, and `i` polls until each has its half. */
function shareWith(groups: FoldedInstances): void {
  groups.join("j");
  groups.settle();
  for (let round = 0; round < 3; round++) for (const each of ["i", "j"]) groups.poll(each);
}

test("an instance is made once, and found until it is deleted", () => {
  const groups = new FoldedInstances();
  expect(groups.unsubscribe("i")).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.brief(createOf("i"))).toBe("done");
  expect(groups.brief(createOf("i"))).toBe("DUPLICATE_RESOURCE");
  const who = { groupId: GROUP, instanceId: "i" };
  expect(groups.brief({ kind: "delete-instance", ...who })).toBe("done");
  expect(groups.brief({ kind: "delete-instance", ...who })).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.brief({ kind: "expire-instance", ...who, seenSeq: 2 })).toBe("moved");
  expect(groups.state.instances.size).toBe(0);
});

test("a state without instances is that of level 1, byte for byte", () => {
  const groups = new FoldedInstances();
  groups.fold(joinOf("m"));
  const before = encodedState(groups.state);
  expect(before[0]).toBe(1);
  groups.fold(createOf("i"));
  expect(encodedState(groups.state)[0]).toBe(2);
  groups.fold({ kind: "delete-instance", groupId: GROUP, instanceId: "i" });
  expect(encodedState(groups.state)).toEqual(before);
});

test("a snapshot brings instances back whole", () => {
  const groups = subscribedInstance();
  groups.advance("i", { 0: 5, 3: 7 });
  groups.fold(createOf("j", { format: "json", autoOffsetReset: "none", readCommitted: true }));
  groups.assign("j", partitions({ 2: [0] }));
  groups.fold({ ...createOf("k"), groupId: "other" });
  expect(reloaded(groups.state)).toEqual(groups.state);
});

test("positions of very many partitions are set in little time", () => {
  const groups = assignedInstance();
  const all = Array.from({ length: 100_000 }, (_, partition) => partition);
  groups.assign("i", partitions({ 1: all }));
  const started = process.cpuUsage();
  expect(groups.seek("i", Object.fromEntries(all.map((partition) => [partition, 7])))).toBe("done");
  const { user, system } = process.cpuUsage(started);
  // It takes some 300 ms; to compare each position with each partition would take five seconds.
  expect((user + system) / 1_000).toBeLessThan(2_000);
});

describe("a subscription", () => {
  test("is of one kind until it is given up", () => {
    const groups = assignedInstance();
    expect(groups.subscribe("i", "t1")).toBe("moved");
    expect(groups.assign("i", partitions({ 1: [1, 2] }))).toBe("done");
    expect(groups.unsubscribe("i")).toBe("done");
    expect(groups.subscribe("i", "t1")).toBe("done");
    expect(groups.assign("i", partitions({ 1: [1] }))).toBe("moved");
  });

  test("by hand keeps the positions of partitions that stay", () => {
    const groups = assignedInstance();
    groups.seek("i", { 0: 5, 1: 6 });
    groups.assign("i", partitions({ 1: [1, 2] }));
    expect(groups.positions("i")).toEqual({ 1: 6 });
  });

  test("that ends takes the member out of the group", () => {
    const groups = subscribedInstance();
    expect(groups.consumer.members.size).toBe(1);
    groups.unsubscribe("i");
    expect(groups.consumer.members.size).toBe(0);
    expect(groups.has("i")).toBe(true);
  });
});

describe("positions", () => {
  test("move from the version that was seen, once", () => {
    const groups = assignedInstance();
    const { version } = groups.instance("i");
    expect(groups.advance("i", { 0: 10 }, { version })).toBe("done");
    expect(groups.advance("i", { 0: 10 }, { version })).toBe("moved");
    expect(groups.positions("i")).toEqual({ 0: 10 });
  });

  test("are those of the instance that was seen, and not of another of its name", () => {
    const groups = assignedInstance();
    const { createdSeq } = groups.instance("i");
    groups.fold({ kind: "delete-instance", groupId: GROUP, instanceId: "i" });
    groups.fold(createOf("i"));
    groups.assign("i", partitions({ 1: [0] }));
    expect(groups.advance("i", { 0: 1 }, { createdSeq })).toBe("moved");
  });

  test("are of partitions that it holds", () => {
    const groups = assignedInstance();
    expect(groups.seek("i", { 0: 1, 2: 1 })).toBe("moved");
    expect(groups.advance("i", { 2: 1 })).toBe("moved");
    expect(groups.positions("i")).toEqual({});
  });

  test("go with the topic", () => {
    const groups = assignedInstance();
    groups.seek("i", { 0: 5 });
    const { version } = groups.instance("i");
    groups.fold({ kind: "drop-topic", topicId: topicIdOf(1), clusterSeq: 20 });
    expect(heldPartitions(groups.state, groups.instance("i")).size).toBe(0);
    expect(groups.positions("i")).toEqual({});
    expect(groups.advance("i", {}, { version })).toBe("moved");
    expect(groups.seek("i", { 0: 5 })).toBe("stale-view");
    expect(groups.assign("i", partitions({ 1: [0] }))).toBe("stale-view");
  });

  test("go with a partition that is given up, and are not those of its next time", () => {
    const groups = subscribedInstance();
    groups.advance("i", { 0: 1, 1: 1, 2: 1, 3: 1 });
    const { version } = groups.instance("i");
    shareWith(groups);
    const held = heldPartitions(groups.state, groups.instance("i")).get(topicIdOf(1));
    expect(held).toHaveLength(2);
    expect(Object.keys(groups.positions("i")).map(Number)).toEqual(held);
    expect(groups.advance("i", { 0: 2 }, { version })).toBe("moved");
    groups.fold({ kind: "delete-instance", groupId: GROUP, instanceId: "j" });
    groups.reconcileAll();
    expect(heldPartitions(groups.state, groups.instance("i")).get(topicIdOf(1))).toHaveLength(4);
    expect(Object.keys(groups.positions("i")).map(Number)).toEqual(held);
  });

  test("begin anew for a member that joins again", () => {
    const groups = subscribedInstance();
    groups.advance("i", { 0: 1 });
    expect(groups.expireConsumer("i")).toBe("done");
    expect(groups.advance("i", { 0: 2 })).toBe("moved");
    groups.beat(heartbeatOf("i"));
    groups.reconcileAll();
    expect(groups.positions("i")).toEqual({});
    expect(groups.instance("i").hasUncommitted).toBe(false);
  });
});

describe("committing", () => {
  test("takes the positions as they were before the poll", () => {
    const groups = subscribedInstance();
    groups.advance("i", { 0: 5 });
    expect(groups.offset(0)).toBeUndefined();
    groups.advance("i", { 0: 9 }, { commits: true });
    expect(groups.offset(0)).toBe(5);
    expect(groups.instance("i").hasUncommitted).toBe(true);
    groups.advance("i", {}, { commits: true, delivers: false });
    expect(groups.offset(0)).toBe(9);
    expect(groups.instance("i").hasUncommitted).toBe(false);
  });

  test("makes the group of partitions that are assigned by hand", () => {
    const groups = assignedInstance();
    groups.advance("i", { 1: 5 });
    expect(groups.state.groups.size).toBe(0);
    groups.advance("i", {}, { commits: true, delivers: false });
    expect(groups.offset(1)).toBe(5);
    expect(groups.classic.state).toBe("Empty");
  });

  test.each([
    ["consumer", heartbeatOf("m")],
    ["classic", joinOf("m")],
  ])("by hand is refused in a %s group that has members", (_, joins) => {
    const groups = assignedInstance();
    groups.advance("i", { 1: 5 });
    groups.fold(joins);
    expect(groups.advance("i", { 1: 6 }, { commits: true })).toBe("NON_EMPTY_GROUP");
    expect(groups.positions("i")).toEqual({ 1: 5 });
    expect(groups.advance("i", { 1: 6 })).toBe("done");
  });

  test("happens when an instance is deleted or unsubscribes, if it commits by itself and has delivered something", () => {
    for (const [autoCommit, delivers, expected] of [
      [true, true, 5],
      [false, true, undefined],
      [true, false, undefined],
    ] as const) {
      for (const isDeleted of [true, false]) {
        const groups = subscribedInstance({ autoCommit });
        groups.advance("i", { 0: 5 }, { delivers });
        if (isDeleted) groups.fold({ kind: "delete-instance", groupId: GROUP, instanceId: "i" });
        else groups.unsubscribe("i");
        expect(groups.offset(0)).toBe(expected);
      }
    }
  });

  test("of an instance as a member is by its epoch, as for any member", () => {
    const groups = subscribedInstance();
    const { memberEpoch } = groups.consumerMember("i");
    expect(groups.brief(commitOf(3))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(commitOf(3, { memberId: "i", generationIdOrMemberEpoch: memberEpoch }))).toBe("done");
    expect(groups.offset(0)).toBe(3);
  });
});

describe("the time-out", () => {
  test("removes an instance and its member, and commits nothing", () => {
    const groups = subscribedInstance();
    groups.advance("i", { 0: 5 });
    const [expiry] = instanceExpiries([groups.instance("i")]);
    expect(expiry?.afterMs).toBe(300_000);
    groups.fold({ kind: "touch-instance", groupId: GROUP, instanceId: "i" });
    if (expiry === undefined) throw new Error();
    expect(groups.brief(expiry.command)).toBe("moved");
    const [later] = instanceExpiries([groups.instance("i")]);
    if (later === undefined) throw new Error();
    expect(later.key).not.toBe(expiry.key);
    expect(groups.brief(later.command)).toBe("done");
    expect([groups.has("i"), groups.consumer.members.size, groups.offset(0)]).toEqual([false, 0, undefined]);
  });

  test("runs anew with each of the member's heartbeats in the journal", () => {
    const groups = subscribedInstance();
    const before = groups.instance("i").seenSeq;
    groups.poll("i");
    expect(groups.instance("i").seenSeq).toBeGreaterThan(before);
  });
});
