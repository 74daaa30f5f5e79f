import { describe, expect, test } from "vitest";
import type { MetadataChangedCommand } from "#lib/coordinator/consumer-command.ts";
import { assignorOf, computeTarget, dueProposal } from "#lib/coordinator/consumer-target.ts";
import { TopicRegexes } from "#lib/coordinator/topic-regex.ts";
import {
  ASSIGNOR_NAMES,
  FoldedConsumers,
  heartbeatOf,
  partitions,
  reconciledGroup,
  viewOf,
} from "./consumer-fixtures.ts";
import { GROUP, topicIdOf } from "./group-fixtures.ts";

function metadataOf(groups: FoldedConsumers, fields: Partial<MetadataChangedCommand> = {}): MetadataChangedCommand {
  const { createdSeq } = groups.group;
  const { groupEpoch, metadataHash } = groups.consumer;
  const seen = { groupId: GROUP, createdSeq, groupEpoch };
  return { kind: "metadata-changed", ...seen, clusterSeq: 9, metadataHash, resolvedRegexes: [], ...fields };
}

describe("a target", () => {
  test("is taken once, for the very group epoch that it was computed for", () => {
    const groups = reconciledGroup("a");
    groups.beat(heartbeatOf("b"));
    const { createdSeq } = groups.group;
    const { groupEpoch } = groups.consumer;
    const target = [{ memberId: "b", partitions: partitions({ 1: [0] }) }];
    const command = { kind: "set-target-assignment", groupId: GROUP, createdSeq, groupEpoch, target } as const;
    expect(groups.brief({ ...command, groupEpoch: groupEpoch - 1 })).toBe("moved");
    expect(groups.brief({ ...command, groupEpoch: groupEpoch + 1 })).toBe("moved");
    expect(groups.brief({ ...command, createdSeq: createdSeq - 1 })).toBe("moved");
    expect(groups.brief({ ...command, groupId: "another" })).toBe("moved");
    expect(groups.consumer.assignmentEpoch).toBe(groupEpoch - 1);
    expect(groups.brief(command)).toBe("done");
    expect(groups.consumer.assignmentEpoch).toBe(groupEpoch);
    expect(groups.brief(command)).toBe("moved");
  });

  test("names every member that is to own something, in any order, and nobody else", () => {
    const groups = reconciledGroup("a", "b");
    groups.beat(heartbeatOf("c"));
    const unsorted = new Map([
      [topicIdOf(2), [1, 0, 1]],
      [topicIdOf(1), [3]],
    ]);
    expect(groups.setTarget({ c: unsorted, b: new Map(), ghost: partitions({ 1: [0] }) })).toBe("done");
    expect([...groups.consumer.targetAssignment]).toEqual([["c", partitions({ 1: [3], 2: [0, 1] })]]);
  });
});

describe("changed metadata", () => {
  test("raise the group epoch if they differ from what the group knows", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    expect(groups.brief(metadataOf(groups))).toBe("done");
    expect(groups.consumer).toMatchObject({ groupEpoch, metadataSeq: 9 });
    expect(groups.brief(metadataOf(groups, { metadataHash: "other" }))).toBe("done");
    expect(groups.consumer).toMatchObject({ groupEpoch: groupEpoch + 1, metadataHash: "other" });
  });

  test("are not taken from an older view, or for a group that has gone on", () => {
    const groups = reconciledGroup("a");
    const { groupEpoch } = groups.consumer;
    groups.fold(metadataOf(groups));
    for (const stale of [{ clusterSeq: 8 }, { groupEpoch: groupEpoch - 1 }, { createdSeq: 77 }]) {
      expect(groups.brief(metadataOf(groups, { ...stale, metadataHash: "other" }))).toBe("moved");
    }
    expect(groups.consumer.groupEpoch).toBe(groupEpoch);
  });

  test("say what regular expressions stand for, of those that members subscribe to", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a", { subscribedTopicNames: [], subscribedTopicRegex: "t.*" }));
    const resolvedRegexes = [
      { regex: "t.*", topicNames: ["t1"] },
      { regex: "u.*", topicNames: ["u1"] },
    ];
    const { groupEpoch } = groups.consumer;
    groups.fold(metadataOf(groups, { resolvedRegexes }));
    expect([...groups.consumer.resolvedRegexes]).toEqual([["t.*", ["t1"]]]);
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 1);
    groups.fold(metadataOf(groups, { resolvedRegexes }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 1);
    groups.fold(metadataOf(groups, { resolvedRegexes: [{ regex: "t.*", topicNames: ["t1", "t2"] }] }));
    expect(groups.consumer.groupEpoch).toBe(groupEpoch + 2);
    groups.fold(metadataOf(groups, { resolvedRegexes: [] }));
    expect(groups.consumer.resolvedRegexes.size).toBe(0);
  });
});

describe("what is due", () => {
  test("is the metadata first, then the target, then nothing", () => {
    const groups = new FoldedConsumers();
    expect(groups.due()).toBeUndefined();
    groups.beat(heartbeatOf("a"));
    const kinds: string[] = [];
    for (let due = groups.due(); due !== undefined; due = groups.due()) {
      kinds.push(due.kind);
      groups.fold(due);
    }
    expect(kinds).toEqual(["metadata-changed", "set-target-assignment"]);
  });

  test("is a new target when a subscribed topic gets partitions, appears, or is made again", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a", { subscribedTopicNames: ["t1", "t2"] }));
    const targets = [{ 1: 2 }, { 1: 3 }, { 1: 3, 2: 1 }, { 2: 1 }, { 2: 1, 3: 5 }].map((counts, index) => {
      groups.view = viewOf(counts, index + 1);
      const epoch = groups.consumer.assignmentEpoch;
      groups.settle();
      return groups.consumer.assignmentEpoch > epoch ? groups.consumer.targetAssignment.get("a") : "nothing due";
    });
    expect(targets).toEqual([
      partitions({ 1: [0, 1] }),
      partitions({ 1: [0, 1, 2] }),
      partitions({ 1: [0, 1, 2], 2: [0] }),
      partitions({ 2: [0] }),
      "nothing due",
    ]);
  });

  test("is a new target when a topic is another one of the same name and size", () => {
    const groups = reconciledGroup("a");
    const topicId = topicIdOf(77);
    groups.view = { clusterSeq: 2, names: ["t1"], topic: () => ({ topicId, partitionCount: 4 }) };
    groups.settle();
    expect(groups.consumer.targetAssignment.get("a")).toEqual(partitions({ 77: [0, 1, 2, 3] }));
  });

  test("is a new target when a new topic matches an expression, but for a name that merely begins alike", () => {
    const groups = new FoldedConsumers();
    groups.view = viewOf({ 1: 1 }, 1);
    groups.beat(heartbeatOf("a", { subscribedTopicNames: [], subscribedTopicRegex: "t[0-9]" }));
    groups.settle();
    groups.view = viewOf({ 1: 1, 2: 1, 33: 1 }, 2);
    groups.settle();
    expect(groups.consumer.targetAssignment.get("a")).toEqual(partitions({ 1: [0], 2: [0] }));
  });

  test("is nothing by a view that is older than what the group has seen", () => {
    const groups = reconciledGroup("a");
    groups.view = viewOf({ 1: 6 }, 5);
    groups.settle();
    groups.view = viewOf({ 1: 4 }, 4);
    expect(groups.due()).toBeUndefined();
  });
});

describe("the assignor", () => {
  test("is what most members ask for, else the first that the broker offers", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a"));
    expect(assignorOf(groups.consumer, ["uniform", "range"])).toBe("uniform");
    expect(assignorOf(groups.consumer, ["range", "uniform"])).toBe("range");
    groups.beat(heartbeatOf("b", { serverAssignor: "range" }));
    expect(assignorOf(groups.consumer, ["uniform", "range"])).toBe("range");
    expect(assignorOf(groups.consumer, ["uniform"])).toBe("uniform");
    for (const memberId of ["c", "d"]) groups.beat(heartbeatOf(memberId, { serverAssignor: "uniform" }));
    expect(assignorOf(groups.consumer, ["range", "uniform"])).toBe("uniform");
  });

  test("decides how the target looks", () => {
    const groups = new FoldedConsumers();
    const view = viewOf({ 1: 3, 2: 3 });
    for (const memberId of ["a", "b"]) groups.beat(heartbeatOf(memberId, { subscribedTopicNames: ["t1", "t2"] }));
    const byRange = computeTarget(groups.consumer, { view, assignors: ["range"] });
    expect(byRange).toEqual([
      { memberId: "a", partitions: partitions({ 1: [0, 1], 2: [0, 1] }) },
      { memberId: "b", partitions: partitions({ 1: [2], 2: [2] }) },
    ]);
    const uniform = computeTarget(groups.consumer, { view, assignors: ["uniform"] });
    expect(uniform).toEqual([
      { memberId: "a", partitions: partitions({ 1: [0, 1, 2] }) },
      { memberId: "b", partitions: partitions({ 2: [0, 1, 2] }) },
    ]);
  });

  test("goes by the last target, so that a group's partitions stay where they are", () => {
    const groups = reconciledGroup("a", "b");
    const before = new Map(groups.consumer.targetAssignment);
    groups.view = viewOf({ 1: 5 }, 2);
    groups.settle();
    expect(groups.consumer.targetAssignment.get("b")).toEqual(before.get("b"));
    expect(groups.consumer.targetAssignment.get("a")).toEqual(partitions({ 1: [0, 1, 4] }));
  });

  test("is asked for classic groups never", () => {
    const groups = new FoldedConsumers();
    groups.beat(heartbeatOf("a"));
    const group = { ...groups.group, membership: { ...groups.consumer, members: new Map() } };
    const inputs = { view: groups.view, regexes: new TopicRegexes(), assignors: ASSIGNOR_NAMES };
    expect(dueProposal(group, inputs)).toBeUndefined();
  });
});
