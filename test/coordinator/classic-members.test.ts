import { describe, expect, test } from "vitest";
import { classicExpiries } from "#lib/coordinator/classic-expiries.ts";
import {
  bytesOf,
  commitOf,
  completingGroup,
  FoldedGroups,
  GROUP,
  joinOf,
  rejoinOf,
  stableGroup,
} from "./group-fixtures.ts";

const renewed = { protocols: [{ name: "range", metadata: bytesOf("new") }] };

describe("a heartbeat", () => {
  test("is a sign of life in every state that has members", () => {
    const groups = stableGroup("a", "b");
    expect(groups.heartbeat("b")).toBe("done");
    expect(groups.member("b").seenSeq).toBe(groups.seq);
    groups.fold(rejoinOf("a"));
    expect(groups.heartbeat("b")).toBe("REBALANCE_IN_PROGRESS");
    expect(groups.member("b").seenSeq).toBe(groups.seq);
    const completing = completingGroup("a", "b");
    expect(completing.heartbeat("b")).toBe("done");
  });

  test("of another generation, an unknown member or group is refused", () => {
    const groups = stableGroup("a", "b");
    expect(groups.heartbeat("b", { generationId: 0 })).toBe("ILLEGAL_GENERATION");
    expect(groups.heartbeat("b", { generationId: 2 })).toBe("ILLEGAL_GENERATION");
    expect(groups.heartbeat("c")).toBe("UNKNOWN_MEMBER_ID");
    groups.leave("a", "b");
    expect(groups.heartbeat("a")).toBe("UNKNOWN_MEMBER_ID");
    const none = new FoldedGroups();
    const command = { kind: "heartbeat", groupId: GROUP, memberId: "a", groupInstanceId: undefined } as const;
    expect(none.brief({ ...command, generationId: 1 })).toBe("UNKNOWN_MEMBER_ID");
    expect(none.state.groups.size).toBe(0);
  });

  test("of the old generation is told the round first, then that the generation is over", () => {
    const groups = stableGroup("a", "b");
    groups.fold(joinOf("c"));
    expect(groups.heartbeat("a")).toBe("REBALANCE_IN_PROGRESS");
    groups.fold(rejoinOf("a"));
    groups.completeJoin();
    expect(groups.heartbeat("a", { generationId: 1 })).toBe("ILLEGAL_GENERATION");
    expect(groups.heartbeat("b", { generationId: 1 })).toBe("UNKNOWN_MEMBER_ID");
  });
});

describe("a session time-out", () => {
  test("removes a member that was not seen since, and the others share anew", () => {
    const groups = stableGroup("a", "b");
    expect(groups.expire("a")).toBe("done");
    expect([...groups.classic.members.keys()]).toEqual(["b"]);
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", leaderId: "b" });
  });

  test("begins anew for everybody when a round is complete", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("b", renewed));
    const { seenSeq } = groups.member("b");
    groups.fold(rejoinOf("a"));
    expect(groups.classic.state).toBe("CompletingRebalance");
    expect(groups.expire("b", seenSeq)).toBe("moved");
    expect(groups.expire("b")).toBe("done");
  });

  test("is refused when anything was heard of the member meanwhile", () => {
    for (const sign of ["heartbeat", "sync", "join", "commit"] as const) {
      const groups = stableGroup("a", "b");
      const { seenSeq } = groups.member("b");
      if (sign === "heartbeat") groups.heartbeat("b");
      if (sign === "sync") groups.sync("b");
      if (sign === "join") groups.fold(rejoinOf("b"));
      if (sign === "commit") groups.fold(commitOf(1, { memberId: "b", generationIdOrMemberEpoch: 1 }));
      expect(groups.expire("b", seenSeq)).toBe("moved");
      expect(groups.classic.members.has("b")).toBe(true);
    }
  });

  test("does not touch members that wait for others", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("b", renewed));
    expect(groups.expire("b")).toBe("moved");
    const completing = completingGroup("a", "b");
    completing.sync("b");
    expect(completing.expire("b")).toBe("moved");
    expect(completing.expire("a")).toBe("done");
  });

  test("removes a new member that waits: it may have given up and come under another id", () => {
    const groups = stableGroup("a", "b");
    groups.fold(joinOf("c"));
    expect(groups.expire("c")).toBe("done");
  });

  test("completes the round that waited for this member", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("b", renewed));
    expect(groups.expire("a")).toBe("done");
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2, leaderId: "b" });
  });

  test("of the last member leaves an empty group", () => {
    const groups = stableGroup("a");
    expect(groups.expire("a")).toBe("done");
    expect(groups.classic).toMatchObject({ state: "Empty", generationId: 2 });
    expect(groups.brief({ kind: "expire-member", groupId: GROUP, memberId: "a", seenSeq: 1 })).toBe("moved");
    expect(groups.brief({ kind: "expire-member", groupId: "none", memberId: "a", seenSeq: 1 })).toBe("moved");
  });
});

describe("leaving", () => {
  test("makes the others share anew, and says of each member what became of it", () => {
    const groups = stableGroup("a", "b", "c");
    expect(groups.leave("b", "x", "b")).toEqual(["NONE", "UNKNOWN_MEMBER_ID", "UNKNOWN_MEMBER_ID"]);
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", generationId: 1 });
  });

  test("of strangers disturbs nobody", () => {
    const groups = stableGroup("a");
    const { changedSeq } = groups.group;
    expect(groups.leave("x")).toEqual(["UNKNOWN_MEMBER_ID"]);
    expect(groups.classic.state).toBe("Stable");
    expect(groups.group.changedSeq).toBe(changedSeq);
    expect(new FoldedGroups().leave("x")).toEqual(["UNKNOWN_MEMBER_ID"]);
  });

  test("of a reserved id leaves a stable group as it is", () => {
    const groups = stableGroup("a");
    groups.fold(joinOf("b", { mustReserve: true }));
    expect(groups.leave("b")).toEqual(["NONE"]);
    expect(groups.classic).toMatchObject({ state: "Stable", generationId: 1, pendingMembers: { size: 0 } });
  });

  test("completes the round that waited for this member", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("b", renewed));
    groups.leave("a");
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", leaderId: "b" });
  });

  test("of all empties the group", () => {
    const groups = stableGroup("a", "b");
    groups.nowMs = 2_000_000;
    groups.leave("a", "b");
    expect(groups.classic).toMatchObject({ state: "Empty", leaderId: undefined, protocolType: "consumer" });
    expect(groups.group).toMatchObject({ stateSinceMs: 2_000_000, changedSeq: groups.seq });
  });

  test("does not end the initial delay", () => {
    const groups = new FoldedGroups();
    groups.fold(joinOf("a", { initialDelayMs: 3_000 }));
    groups.fold(joinOf("b", { initialDelayMs: 3_000 }));
    groups.leave("b");
    expect(groups.classic.state).toBe("PreparingRebalance");
    expect(groups.completeJoin()).toBe("done");
    expect(groups.classic.state).toBe("CompletingRebalance");
  });
});

describe("what may expire", () => {
  const keysOf = (groups: FoldedGroups) => classicExpiries(GROUP, groups.classic).map(({ key }) => key);

  test("is each member's session, by what was last seen of it", () => {
    const groups = stableGroup("a", joinOf("b", { sessionTimeoutMs: 10_000 }));
    const seen = groups.member("b").seenSeq;
    const command = { kind: "expire-member", groupId: GROUP, memberId: "b", seenSeq: seen };
    expect(classicExpiries(GROUP, groups.classic)[1]).toEqual({ key: `member ${seen} b`, afterMs: 10_000, command });
    groups.heartbeat("b");
    expect(keysOf(groups)).toEqual([`member ${seen} a`, `member ${seen + 1} b`]);
  });

  test("is a round after the longest rebalance time-out, and no member that has joined it", () => {
    const groups = stableGroup("a", joinOf("b", { rebalanceTimeoutMs: 90_000 }));
    groups.fold(rejoinOf("a"));
    const { round } = groups.classic;
    const [first, ...rest] = classicExpiries(GROUP, groups.classic);
    expect(first).toMatchObject({ key: `join ${round}`, afterMs: 90_000, command: { kind: "complete-join", round } });
    expect(rest.map(({ command }) => command)).toMatchObject([{ kind: "expire-member", memberId: "b" }]);
  });

  test("is the initial delay, anew with each member that comes, and the rebalance time-out over all", () => {
    const groups = new FoldedGroups();
    groups.fold(joinOf("a", { initialDelayMs: 3_000 }));
    const [whole, delay, member] = classicExpiries(GROUP, groups.classic);
    expect(whole).toMatchObject({ key: "join 1", afterMs: 60_000 });
    expect(delay).toMatchObject({ key: "initial 1 1 1", afterMs: 3_000, command: { kind: "complete-join", round: 1 } });
    // New members cannot send heartbeats yet.
    expect(member).toMatchObject({ afterMs: 300_000, command: { kind: "expire-member", memberId: "a" } });
    groups.fold(joinOf("b", { initialDelayMs: 3_000 }));
    expect(keysOf(groups)).toEqual(["join 1", "initial 1 2 2", "member 1 a", "member 2 b"]);
  });

  test("is the generation as long as somebody has not synced", () => {
    const groups = completingGroup("a", "b");
    const { round } = groups.classic;
    expect(keysOf(groups)[0]).toBe(`sync ${round} 1`);
    groups.sync("b");
    groups.sync("a");
    expect(keysOf(groups)).toHaveLength(2);
  });

  test("is a reserved id after its session time-out", () => {
    const groups = new FoldedGroups();
    groups.fold(joinOf("a", { mustReserve: true, sessionTimeoutMs: 9_000 }));
    expect(classicExpiries(GROUP, groups.classic)).toMatchObject([{ key: "member 1 a", afterMs: 9_000 }]);
  });
});
