import { describe, expect, test } from "vitest";
import { joinAnswer, syncAnswer } from "#lib/coordinator/classic-answers.ts";
import {
  bytesOf,
  commitOf,
  completingGroup,
  type FoldedGroups,
  GROUP,
  joinOf,
  protocolsOf,
  rejoinOf,
  stableGroup,
} from "./group-fixtures.ts";

const staticA = { groupInstanceId: "instance a" };
const staticB = { groupInstanceId: "instance b" };

function staticGroup(): FoldedGroups {
  return stableGroup(joinOf("a1", staticA), joinOf("b1", staticB));
}

describe("a static member that comes back without its id", () => {
  test("takes its old place in a stable group without a round", () => {
    const groups = staticGroup();
    const { round, generationId } = groups.classic;
    expect(groups.fold(joinOf("b2", staticB))).toEqual({ kind: "joined", round, replacedMemberId: "b1" });
    expect(groups.classic).toMatchObject({ state: "Stable", generationId, leaderId: "a1" });
    expect([...groups.classic.members.keys()]).toEqual(["a1", "b2"]);
    const request = groups.syncOf("b2", staticB);
    expect(syncAnswer(groups.state, request)).toMatchObject({ kind: "synced", assignment: bytesOf("for b1") });
  });

  test("counts as a change of the group, and has no SyncGroup to send", () => {
    const groups = staticGroup();
    groups.fold(joinOf("b2", staticB));
    expect(groups.group.changedSeq).toBe(groups.seq);
    const { round, generationId } = groups.classic;
    expect(groups.brief({ kind: "expire-sync", groupId: GROUP, generationId, round })).toBe("moved");
  });

  test("leads the group still if it did, and is told its old id", () => {
    const groups = staticGroup();
    const outcome = groups.fold(joinOf("a2", staticA));
    expect(outcome).toMatchObject({ kind: "joined", replacedMemberId: "a1" });
    const asker = { groupId: GROUP, memberId: "a2", ...staticA, round: groups.classic.round };
    expect(joinAnswer(groups.state, asker)).toMatchObject({ leaderId: "a2", members: [{ memberId: "a2" }, {}] });
  });

  test("never needs a reserved id", () => {
    const groups = staticGroup();
    expect(groups.brief(joinOf("b2", { ...staticB, mustReserve: true }))).toBe("joined");
    expect(groups.brief(joinOf("c1", { groupInstanceId: "instance c", mustReserve: true }))).toBe("joined");
  });

  test("begins a round if the group's protocol changes with it", () => {
    const groups = stableGroup(
      joinOf("a1", { ...staticA, protocols: protocolsOf("range", "sticky") }),
      joinOf("b1", { ...staticB, protocols: protocolsOf("range", "sticky") }),
    );
    // As on Kafka it is the old self's protocols that decide whether it may come in at all.
    expect(groups.fold(joinOf("b2", { ...staticB, protocols: protocolsOf("sticky") }))).toMatchObject({
      kind: "joined",
      replacedMemberId: undefined,
    });
    expect(groups.classic.state).toBe("PreparingRebalance");
    groups.fold(rejoinOf("a1", { ...staticA, protocols: protocolsOf("range", "sticky") }));
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", protocolName: "sticky" });
  });

  test("begins a round while the leader assigns: it was told the old id", () => {
    const groups = completingGroup(joinOf("a1", staticA), joinOf("b1", staticB));
    groups.fold(joinOf("b2", staticB));
    expect(groups.classic.state).toBe("PreparingRebalance");
    expect(groups.sync("a1", staticA)).toBe("REBALANCE_IN_PROGRESS");
    groups.fold(rejoinOf("a1", staticA));
    expect([...groups.classic.members.keys()]).toEqual(["a1", "b2"]);
  });

  test("joins the round that runs in its old self's place", () => {
    const groups = staticGroup();
    const outcome = groups.fold(rejoinOf("a1", staticA));
    groups.fold(joinOf("b2", staticB));
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2 });
    const round = outcome.kind === "joined" ? outcome.round : 0;
    const asker = { groupId: GROUP, memberId: "b1", ...staticB, round };
    expect(joinAnswer(groups.state, asker)).toEqual({ kind: "refused", error: 82 });
  });
});

describe("a static member's old self", () => {
  test("is fenced in whatever it asks", () => {
    const groups = staticGroup();
    groups.fold(joinOf("b2", staticB));
    expect(groups.brief(rejoinOf("b1", staticB))).toBe("FENCED_INSTANCE_ID");
    expect(groups.sync("b1", staticB)).toBe("FENCED_INSTANCE_ID");
    expect(groups.heartbeat("b1", staticB)).toBe("FENCED_INSTANCE_ID");
    const commit = commitOf(5, { memberId: "b1", ...staticB, generationIdOrMemberEpoch: 1 });
    expect(groups.brief(commit)).toBe("FENCED_INSTANCE_ID");
    const leaving = groups.fold({ kind: "leave", groupId: GROUP, members: [{ memberId: "b1", ...staticB }] });
    expect(leaving).toEqual({ kind: "left", errors: [82] });
  });

  test("is unknown without its instance id", () => {
    const groups = staticGroup();
    groups.fold(joinOf("b2", staticB));
    expect(groups.heartbeat("b1")).toBe("UNKNOWN_MEMBER_ID");
  });

  test("does not expire its new self", () => {
    const groups = staticGroup();
    const { seenSeq } = groups.member("b1");
    groups.fold(joinOf("b2", staticB));
    expect(groups.expire("b1", seenSeq)).toBe("moved");
    expect(groups.expire("b2", seenSeq)).toBe("moved");
  });
});

test("an instance id that nobody has is unknown", () => {
  const groups = stableGroup("a");
  expect(groups.heartbeat("a", staticA)).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.brief(rejoinOf("a", staticA))).toBe("UNKNOWN_MEMBER_ID");
});

test("a static member that misses a round stays for its session time-out, but not as the leader", () => {
  const groups = stableGroup(joinOf("a1", staticA), "b");
  groups.fold(joinOf("c"));
  groups.fold(rejoinOf("b"));
  expect(groups.completeJoin()).toBe("done");
  expect([...groups.classic.members.keys()]).toEqual(["a1", "b", "c"]);
  expect(groups.classic.leaderId).toBe("b");
});

test("a leader that has joined stays the leader, also behind older members", () => {
  const groups = stableGroup(joinOf("a1", staticA), "b");
  groups.fold(joinOf("c"));
  groups.fold(rejoinOf("b"));
  groups.completeJoin();
  groups.fold(rejoinOf("a1", { ...staticA, protocols: [{ name: "range", metadata: bytesOf("new") }] }));
  for (const memberId of ["b", "c"]) groups.fold(rejoinOf(memberId));
  expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 3, leaderId: "b" });
});

test("a round in which only static members are left, and none has joined, goes on", () => {
  const groups = stableGroup(joinOf("a1", staticA), "b");
  groups.fold(rejoinOf("b", { protocols: [{ name: "range", metadata: bytesOf("new") }] }));
  groups.leave("b");
  const { round } = groups.classic;
  expect(groups.completeJoin()).toBe("nobody-joined");
  expect(groups.classic).toMatchObject({ state: "PreparingRebalance", round, generationId: 1 });
  groups.fold(rejoinOf("a1", staticA));
  expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2 });
});

test("a static member leaves by its instance id alone", () => {
  const groups = staticGroup();
  const members = [
    { memberId: "", groupInstanceId: "instance a" },
    { memberId: "", groupInstanceId: "instance x" },
    { memberId: "", groupInstanceId: undefined },
  ];
  expect(groups.fold({ kind: "leave", groupId: GROUP, members })).toEqual({ kind: "left", errors: [0, 25, 25] });
  expect([...groups.classic.members.keys()]).toEqual(["b1"]);
  expect(groups.classic).toMatchObject({ state: "PreparingRebalance", leaderId: "b1" });
  expect(groups.classic.staticMembers.has("instance a")).toBe(false);
});
