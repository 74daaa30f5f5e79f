import { describe, expect, test } from "vitest";
import { syncAnswer } from "#lib/coordinator/classic-answers.ts";
import { bytesOf, completingGroup, FoldedGroups, GROUP, joinOf, rejoinOf, stableGroup } from "./group-fixtures.ts";

function answer(groups: FoldedGroups, memberId: string) {
  return syncAnswer(groups.state, groups.syncOf(memberId));
}

describe("the leader's SyncGroup", () => {
  test("makes the group stable and gives every member its assignment", () => {
    const groups = completingGroup("a", "b");
    expect(answer(groups, "b")).toEqual({ kind: "waiting" });
    const assignments = [
      { memberId: "b", assignment: bytesOf("p0") },
      { memberId: "a", assignment: bytesOf("p1") },
    ];
    expect(groups.sync("a", { assignments })).toBe("done");
    expect(groups.classic.state).toBe("Stable");
    const synced = { kind: "synced", protocolType: "consumer", protocolName: "range" };
    expect(answer(groups, "a")).toEqual({ ...synced, assignment: bytesOf("p1") });
    expect(answer(groups, "b")).toEqual({ ...synced, assignment: bytesOf("p0") });
  });

  test("leaves members that it does not name with nothing, and passes over strangers", () => {
    const groups = completingGroup("a", "b");
    groups.sync("a", { assignments: [{ memberId: "x", assignment: bytesOf("p0") }] });
    expect(answer(groups, "b")).toMatchObject({ kind: "synced", assignment: bytesOf("") });
  });

  test("counts once: what comes later in the generation changes nothing", () => {
    const groups = stableGroup("a", "b");
    expect(groups.sync("a", { assignments: [{ memberId: "b", assignment: bytesOf("other") }] })).toBe("done");
    expect(answer(groups, "b")).toMatchObject({ assignment: bytesOf("for b") });
  });
});

describe("a follower's SyncGroup", () => {
  test("waits for the leader's, and assigns nothing itself", () => {
    const groups = completingGroup("a", "b");
    expect(groups.sync("b", { assignments: [{ memberId: "b", assignment: bytesOf("all") }] })).toBe("done");
    expect(groups.classic.state).toBe("CompletingRebalance");
    expect(answer(groups, "b")).toEqual({ kind: "waiting" });
  });

  test("is a sign of life", () => {
    const groups = completingGroup("a", "b");
    groups.sync("b");
    expect(groups.member("b").seenSeq).toBe(groups.seq);
  });
});

test("a stable group says since when it is", () => {
  const groups = completingGroup("a");
  groups.nowMs = 2_000_000;
  groups.sync("a");
  expect(groups.group).toMatchObject({ stateSinceMs: 2_000_000, changedSeq: groups.seq });
});

test("a SyncGroup of another generation, protocol or member is refused", () => {
  const groups = completingGroup("a", "b");
  expect(groups.sync("a", { generationId: 0 })).toBe("ILLEGAL_GENERATION");
  expect(groups.sync("a", { generationId: 2 })).toBe("ILLEGAL_GENERATION");
  expect(groups.sync("x")).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.sync("a", { protocolType: "connect" })).toBe("INCONSISTENT_GROUP_PROTOCOL");
  expect(groups.sync("a", { protocolName: "sticky" })).toBe("INCONSISTENT_GROUP_PROTOCOL");
  expect(groups.sync("a", { protocolType: "consumer", protocolName: "range" })).toBe("done");
});

test("who waits for assignments is told to join again when a round begins", () => {
  const groups = completingGroup("a", "b");
  groups.sync("b");
  groups.fold(joinOf("c"));
  expect(answer(groups, "b")).toEqual({ kind: "refused", error: 27 });
});

test("a group that is not there knows no member", () => {
  const groups = stableGroup("a");
  const request = groups.syncOf("a");
  groups.leave("a");
  expect(groups.brief(request)).toBe("UNKNOWN_MEMBER_ID");
  expect(groups.brief({ kind: "delete-group", groupId: GROUP })).toBe("done");
  expect(groups.brief(request)).toBe("UNKNOWN_MEMBER_ID");
  expect(syncAnswer(groups.state, request)).toEqual({ kind: "refused", error: 25 });
});

describe("members that do not sync within the rebalance time-out", () => {
  function expireSync(groups: FoldedGroups, generationId = groups.classic.generationId): string {
    return groups.brief({ kind: "expire-sync", groupId: GROUP, generationId, round: groups.classic.round });
  }

  test("are removed, and the others share anew", () => {
    const groups = completingGroup("a", "b", "c");
    groups.sync("a");
    groups.sync("c");
    expect(expireSync(groups)).toBe("done");
    expect([...groups.classic.members.keys()]).toEqual(["a", "c"]);
    expect(groups.classic.state).toBe("PreparingRebalance");
  });

  test("are removed also if it is the leader", () => {
    const groups = completingGroup("a", "b");
    groups.sync("b");
    expect(expireSync(groups)).toBe("done");
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", leaderId: "b" });
    groups.fold(rejoinOf("b"));
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2 });
  });

  test("are left alone once they have, or in another generation", () => {
    expect(expireSync(stableGroup("a", "b"))).toBe("moved");
    const groups = completingGroup("a", "b");
    expect(expireSync(groups, 0)).toBe("moved");
    groups.fold(joinOf("c"));
    expect(expireSync(groups)).toBe("moved");
    expect(expireSync(completingGroup("a"))).toBe("done");
    expect(new FoldedGroups().brief({ kind: "expire-sync", groupId: GROUP, generationId: 1, round: 1 })).toBe("moved");
  });

  test("leave an empty group behind when nobody has synced", () => {
    const groups = completingGroup("a", "b");
    expect(expireSync(groups)).toBe("done");
    expect(groups.classic).toMatchObject({ state: "Empty", generationId: 2 });
  });

  test("are those of the present generation, whoever has synced in the last one", () => {
    const groups = stableGroup("a", "b");
    for (const memberId of ["a", "b"]) groups.fold(rejoinOf(memberId));
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2 });
    groups.sync("a");
    expect(expireSync(groups)).toBe("done");
    expect([...groups.classic.members.keys()]).toEqual(["a"]);
  });

  test("are not those of a group that came again under the same name", () => {
    const groups = completingGroup("a");
    const { round } = groups.classic;
    expireSync(groups);
    groups.fold({ kind: "delete-group", groupId: GROUP });
    groups.fold(joinOf("a"));
    expect(groups.brief({ kind: "expire-sync", groupId: GROUP, generationId: 1, round })).toBe("moved");
  });
});
