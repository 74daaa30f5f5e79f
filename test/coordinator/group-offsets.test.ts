import { describe, expect, test } from "vitest";
import { newConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import type { DeleteOffsetsCommand, ExpireOffsetsCommand } from "#lib/coordinator/group-command.ts";
import {
  commitOf,
  completingGroup,
  FoldedGroups,
  GROUP,
  joinOf,
  rejoinOf,
  stableGroup,
  TOPIC,
  topicIdOf,
} from "./group-fixtures.ts";

function partition(partitionIndex: number, offset: number) {
  return { partitionIndex, offset, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
}

function memberCommit(offset: number, memberId: string, generationIdOrMemberEpoch: number) {
  return commitOf(offset, { memberId, generationIdOrMemberEpoch });
}

function deleteOffsets(groups: FoldedGroups, changedSeq = groups.group.changedSeq): DeleteOffsetsCommand {
  return { kind: "delete-offsets", groupId: GROUP, changedSeq, partitions: [{ topicId: TOPIC, partitionIndex: 0 }] };
}

function expireOffsets(groups: FoldedGroups, ...commitSeqs: readonly number[]): ExpireOffsetsCommand {
  const partitions = commitSeqs.map((commitSeq, partitionIndex) => ({ topicId: TOPIC, partitionIndex, commitSeq }));
  return { kind: "expire-offsets", groupId: GROUP, changedSeq: groups.group.changedSeq, partitions };
}

describe("a commit", () => {
  test("is kept with all that it says, and when", () => {
    const groups = new FoldedGroups();
    const said = { partitionIndex: 3, offset: 42, leaderEpoch: 7, metadata: "até já", expiresAtMs: 9_000_000 };
    expect(groups.brief(commitOf(0, { topics: [{ topicId: TOPIC, partitions: [said] }] }))).toBe("done");
    const { partitionIndex: _, ...kept } = said;
    expect(groups.group.offsets.get(TOPIC)?.get(3)).toEqual({ ...kept, committedAtMs: 1_000_000, commitSeq: 1 });
  });

  test("by nobody in particular makes a group that holds offsets only", () => {
    const groups = new FoldedGroups();
    expect(groups.brief(commitOf(5))).toBe("done");
    expect(groups.classic).toMatchObject({ state: "Empty", protocolType: "", generationId: 0 });
    expect(groups.brief(commitOf(4))).toBe("done");
    expect(groups.offset()).toBe(4);
  });

  test("of nothing makes no group", () => {
    const groups = new FoldedGroups();
    expect(groups.brief(commitOf(0, { topics: [] }))).toBe("done");
    expect(groups.state.groups.size).toBe(0);
  });

  test("by nobody in particular is refused where members are, and taken when they are gone", () => {
    const groups = stableGroup("a");
    expect(groups.brief(commitOf(5))).toBe("UNKNOWN_MEMBER_ID");
    groups.leave("a");
    expect(groups.brief(commitOf(5))).toBe("done");
  });

  test("of a member counts in its generation only", () => {
    const groups = stableGroup("a", "b");
    expect(groups.brief(memberCommit(5, "a", 1))).toBe("done");
    expect(groups.brief(memberCommit(6, "a", 0))).toBe("ILLEGAL_GENERATION");
    expect(groups.brief(memberCommit(6, "a", 2))).toBe("ILLEGAL_GENERATION");
    expect(groups.brief(memberCommit(6, "a", -1))).toBe("ILLEGAL_GENERATION");
    expect(groups.brief(memberCommit(6, "x", 1))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.brief(commitOf(6, { generationIdOrMemberEpoch: 1 }))).toBe("UNKNOWN_MEMBER_ID");
    expect(groups.offset()).toBe(5);
  });

  test("of a member is taken while others join, and not between its join and its assignment", () => {
    const groups = stableGroup("a", "b");
    groups.fold(joinOf("c"));
    expect(groups.brief(memberCommit(5, "a", 1))).toBe("done");
    for (const memberId of ["a", "b"]) groups.fold(rejoinOf(memberId));
    expect(groups.brief(memberCommit(6, "a", 1))).toBe("ILLEGAL_GENERATION");
    expect(groups.brief(memberCommit(6, "a", 2))).toBe("REBALANCE_IN_PROGRESS");
    expect(completingGroup("a").brief(memberCommit(6, "a", 1))).toBe("REBALANCE_IN_PROGRESS");
  });

  test("of a member of a group that is not there is refused in the words of the request's version", () => {
    const groups = new FoldedGroups();
    expect(groups.brief(memberCommit(5, "a", 1))).toBe("GROUP_ID_NOT_FOUND");
    expect(groups.brief({ ...memberCommit(5, "a", 1), knowsMemberEpochs: false })).toBe("ILLEGAL_GENERATION");
    expect(groups.state.groups.size).toBe(0);
  });

  test("from a view of the cluster older than a dropped topic is to be looked at again", () => {
    const groups = new FoldedGroups();
    expect(groups.brief({ kind: "drop-topic", topicId: topicIdOf(9), clusterSeq: 20 })).toBe("done");
    expect(groups.brief(commitOf(5, { clusterSeq: 19 }))).toBe("stale-view");
    expect(groups.state.groups.size).toBe(0);
    expect(groups.brief(commitOf(5, { clusterSeq: 20 }))).toBe("done");
  });

  test("does not count as a change of the group", () => {
    const groups = stableGroup("a");
    const { changedSeq } = groups.group;
    groups.fold(memberCommit(5, "a", 1));
    expect(groups.group.changedSeq).toBe(changedSeq);
  });
});

describe("a dropped topic", () => {
  test("takes its offsets along in every group, and no others", () => {
    const groups = new FoldedGroups();
    const both = [TOPIC, topicIdOf(2)].map((topicId) => ({ topicId, partitions: [partition(0, 5)] }));
    groups.fold(commitOf(0, { topics: both }));
    groups.fold(commitOf(0, { groupId: "others", topics: both }));
    groups.fold({ kind: "drop-topic", topicId: TOPIC, clusterSeq: 5 });
    for (const group of groups.state.groups.values()) expect([...group.offsets.keys()]).toEqual([topicIdOf(2)]);
  });

  test("never lowers the number of the last drop", () => {
    const groups = new FoldedGroups();
    groups.fold({ kind: "drop-topic", topicId: TOPIC, clusterSeq: 20 });
    groups.fold({ kind: "drop-topic", topicId: topicIdOf(2), clusterSeq: 15 });
    expect(groups.state.lastDropSeq).toBe(20);
  });
});

describe("deleting offsets", () => {
  test("forgets them; what is not there is passed over", () => {
    const groups = new FoldedGroups();
    groups.fold(commitOf(5));
    expect(groups.brief(deleteOffsets(groups))).toBe("done");
    expect(groups.brief(deleteOffsets(groups))).toBe("done");
    expect(groups.group.offsets.size).toBe(0);
  });

  test("is refused where members are that do not say what they subscribe to", () => {
    const groups = stableGroup(joinOf("a", { protocolType: "connect" }));
    expect(groups.brief(deleteOffsets(groups))).toBe("NON_EMPTY_GROUP");
    const consumers = stableGroup("a");
    expect(consumers.brief(deleteOffsets(consumers))).toBe("done");
  });

  test("looks again when the members have changed meanwhile", () => {
    const groups = stableGroup("a");
    groups.fold(memberCommit(5, "a", 1));
    const { changedSeq } = groups.group;
    groups.fold(joinOf("b"));
    expect(groups.brief(deleteOffsets(groups, changedSeq))).toBe("moved");
    expect(groups.offset()).toBe(5);
  });

  test("of an unknown group is refused", () => {
    const command = { kind: "delete-offsets", groupId: "none", changedSeq: 1, partitions: [] } as const;
    expect(new FoldedGroups().brief(command)).toBe("GROUP_ID_NOT_FOUND");
  });
});

describe("expiring offsets", () => {
  test("forgets those that were seen, and not what was committed since", () => {
    const groups = new FoldedGroups();
    groups.fold(commitOf(0, { topics: [{ topicId: TOPIC, partitions: [partition(0, 5), partition(1, 6)] }] }));
    groups.fold(commitOf(7));
    expect(groups.brief(expireOffsets(groups, 1, 1))).toBe("done");
    expect(groups.offset(0)).toBe(7);
    expect(groups.offset(1)).toBeUndefined();
  });

  test("takes the group along when it is empty and holds no more", () => {
    const groups = new FoldedGroups();
    groups.fold(commitOf(5));
    expect(groups.brief(expireOffsets(groups, 1))).toBe("done");
    expect(groups.state.groups.size).toBe(0);
  });

  test("leaves a group with members, or with ids given out", () => {
    const groups = stableGroup("a");
    groups.fold(memberCommit(5, "a", 1));
    expect(groups.brief(expireOffsets(groups, groups.seq))).toBe("done");
    expect(groups.group.offsets.size).toBe(0);
    const awaited = new FoldedGroups();
    awaited.fold(joinOf("a", { mustReserve: true }));
    expect(awaited.brief(expireOffsets(awaited))).toBe("done");
    expect(awaited.state.groups.size).toBe(1);
  });

  test("does nothing when the members have changed since the look", () => {
    const groups = new FoldedGroups();
    groups.fold(commitOf(5));
    const command = expireOffsets(groups, 1);
    groups.fold(joinOf("a"));
    expect(groups.brief(command)).toBe("moved");
    expect(groups.offset()).toBe(5);
    expect(groups.brief({ ...command, groupId: "none" })).toBe("moved");
  });
});

describe("deleting a group", () => {
  test("forgets it with its offsets when nobody is in it", () => {
    const groups = stableGroup("a");
    groups.fold(memberCommit(5, "a", 1));
    expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("NON_EMPTY_GROUP");
    groups.leave("a");
    expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("done");
    expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("GROUP_ID_NOT_FOUND");
  });

  test("makes whoever comes by that name later another group", () => {
    const groups = new FoldedGroups();
    groups.fold(commitOf(5));
    groups.fold({ kind: "delete-group", groupId: GROUP });
    groups.fold(joinOf("a"));
    expect(groups.group.createdSeq).toBe(3);
    expect(groups.group.offsets.size).toBe(0);
  });
});

test("a consumer group that nobody is in makes way for a classic group, which is another one", () => {
  const groups = new FoldedGroups();
  groups.fold(commitOf(5));
  groups.group.membership = newConsumerGroup();
  expect(groups.brief(rejoinOf("a"))).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.leave("a")).toEqual(["UNKNOWN_MEMBER_ID"]);
  expect(groups.brief(joinOf("a"))).toBe("joined");
  expect(groups.group).toMatchObject({ createdSeq: groups.seq, changedSeq: groups.seq });
  expect(groups.classic.members.size).toBe(1);
  expect(groups.offset()).toBe(5);
});

test("offsets stay when members come and go", () => {
  const groups = stableGroup("a");
  groups.fold(memberCommit(5, "a", 1));
  groups.leave("a");
  groups.fold(joinOf("b"));
  expect(groups.offset()).toBe(5);
});
