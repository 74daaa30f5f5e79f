import { describe, expect, test } from "vitest";
import { joinAnswer } from "#lib/coordinator/classic-answers.ts";
import { PENDING_MEMBERS_MAX } from "#lib/util/limits.ts";
import {
  bytesOf,
  completingGroup,
  FoldedGroups,
  GROUP,
  joinOf,
  protocolsOf,
  rejoinOf,
  stableGroup,
  textOf,
} from "./group-fixtures.ts";

function answer(groups: FoldedGroups, memberId: string, round = groups.classic.round) {
  return joinAnswer(groups.state, { groupId: GROUP, memberId, groupInstanceId: undefined, round });
}

describe("a first member", () => {
  test("makes the group, leads it, and has a generation at once if no delay is set", () => {
    const groups = new FoldedGroups();
    expect(groups.fold(joinOf("a"))).toEqual({ kind: "joined", round: 1, replacedMemberId: undefined });
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 1, leaderId: "a" });
    expect(answer(groups, "a")).toEqual({
      kind: "joined",
      generationId: 1,
      protocolType: "consumer",
      protocolName: "range",
      leaderId: "a",
      members: [{ memberId: "a", groupInstanceId: undefined, metadata: bytesOf("topics of a") }],
    });
  });

  test("waits for others during the initial delay, whoever has joined", () => {
    const groups = new FoldedGroups();
    groups.fold(joinOf("a", { initialDelayMs: 3_000 }));
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", generationId: 0, initialDelayMs: 3_000 });
    expect(answer(groups, "a")).toEqual({ kind: "waiting" });
    groups.fold(joinOf("b", { initialDelayMs: 3_000 }));
    expect(answer(groups, "b")).toEqual({ kind: "waiting" });
    expect(groups.completeJoin()).toBe("done");
    expect(answer(groups, "a")).toMatchObject({ generationId: 1, leaderId: "a", members: [{}, {}] });
    expect(answer(groups, "b")).toMatchObject({ generationId: 1, leaderId: "a", members: [] });
  });

  test("is in the group once, also if its door proposes it twice", () => {
    const groups = stableGroup("a");
    const first = groups.fold(joinOf("b"));
    expect(groups.fold(joinOf("b"))).toEqual(first);
    expect([...groups.classic.members.keys()]).toEqual(["a", "b"]);
  });

  test("may bring any protocol type, but must bring one and a protocol", () => {
    const groups = new FoldedGroups();
    const connect = { protocolType: "connect", protocols: protocolsOf("sessioned", "compatible") };
    expect(groups.brief(joinOf("a", { protocolType: "" }))).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.brief(joinOf("a", { protocols: [] }))).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.state.groups.size).toBe(0);
    expect(groups.brief(joinOf("a", connect))).toBe("joined");
    expect(answer(groups, "a")).toMatchObject({ protocolType: "connect", protocolName: "sessioned" });
  });
});

describe("a reserved member id", () => {
  test("is remembered until its client joins with it", () => {
    const groups = new FoldedGroups();
    expect(groups.brief(joinOf("a", { mustReserve: true }))).toBe("reserved");
    expect([...groups.classic.pendingMembers.keys()]).toEqual(["a"]);
    expect(groups.classic.state).toBe("Empty");
    expect(groups.brief(rejoinOf("a"))).toBe("joined");
    expect(groups.classic.pendingMembers.size).toBe(0);
  });

  test("holds a round open until it joins, expires or is given back", () => {
    for (const end of ["join", "expire", "leave"] as const) {
      const groups = stableGroup("a");
      groups.fold(joinOf("b", { mustReserve: true }));
      const reservedSeq = groups.seq;
      groups.fold(rejoinOf("a"));
      expect(groups.classic.state).toBe("PreparingRebalance");
      if (end === "join") groups.fold(rejoinOf("b"));
      if (end === "expire") expect(groups.expire("b", reservedSeq)).toBe("done");
      if (end === "leave") expect(groups.leave("b")).toEqual(["NONE"]);
      expect(groups.classic.state).toBe("CompletingRebalance");
      expect(groups.classic.members.size).toBe(end === "join" ? 2 : 1);
    }
  });

  test("expires only as it was seen", () => {
    const groups = new FoldedGroups();
    groups.fold(joinOf("a", { mustReserve: true }));
    expect(groups.expire("a", 99)).toBe("moved");
    expect(groups.expire("a", 1)).toBe("done");
    expect(groups.expire("a", 1)).toBe("moved");
    expect(groups.brief(rejoinOf("a"))).toBe("UNKNOWN_MEMBER_ID");
  });

  test("is not given out without end", () => {
    const groups = new FoldedGroups();
    for (let n = 0; n < PENDING_MEMBERS_MAX; n++) groups.fold(joinOf(`m${n}`, { mustReserve: true }));
    expect(groups.brief(joinOf("one more", { mustReserve: true }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.brief(rejoinOf("m7"))).toBe("joined");
    expect(groups.brief(joinOf("one more", { mustReserve: true }))).toBe("reserved");
  });
});

describe("an unknown member", () => {
  test("is told so, whether the group exists or not", () => {
    expect(new FoldedGroups().brief(rejoinOf("a"))).toBe("UNKNOWN_MEMBER_ID");
    expect(stableGroup("a").brief(rejoinOf("b"))).toBe("UNKNOWN_MEMBER_ID");
    const emptied = stableGroup("a");
    emptied.leave("a");
    expect(emptied.brief(rejoinOf("a"))).toBe("UNKNOWN_MEMBER_ID");
  });

  test("finds its answer gone when it was removed while it waited", () => {
    const groups = stableGroup("a");
    const outcome = groups.fold(joinOf("b"));
    groups.leave("b");
    expect(outcome).toMatchObject({ kind: "joined" });
    expect(answer(groups, "b")).toEqual({ kind: "refused", error: 25 });
  });
});

describe("another member", () => {
  test("begins a round that waits for all known members to join again", () => {
    const groups = stableGroup("a", "b");
    const { round } = groups.classic;
    expect(groups.fold(joinOf("c"))).toMatchObject({ kind: "joined", round: round + 1 });
    expect(groups.classic).toMatchObject({ state: "PreparingRebalance", generationId: 1 });
    groups.fold(rejoinOf("a"));
    groups.fold(rejoinOf("b"));
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 2, leaderId: "a" });
  });

  test("changes nothing by joining again in the same round", () => {
    const groups = stableGroup("a", "b");
    const first = groups.fold(joinOf("c"));
    expect(groups.fold(rejoinOf("c"))).toEqual(first);
    expect(groups.classic.members.size).toBe(3);
    expect(groups.classic.state).toBe("PreparingRebalance");
  });

  test("makes the group begin anew when the last generation was not complete yet", () => {
    const groups = completingGroup("a", "b");
    expect(groups.brief(joinOf("c"))).toBe("joined");
    expect(groups.classic.state).toBe("PreparingRebalance");
    expect(groups.sync("a")).toBe("REBALANCE_IN_PROGRESS");
  });

  test("has its answer also when yet another round has begun before anybody looked", () => {
    const groups = stableGroup("a");
    const outcome = groups.fold(joinOf("b"));
    groups.fold(rejoinOf("a"));
    groups.fold(joinOf("c"));
    expect(groups.classic.state).toBe("PreparingRebalance");
    const round = outcome.kind === "joined" ? outcome.round : 0;
    expect(answer(groups, "b", round)).toMatchObject({ kind: "joined", generationId: 2, members: [] });
    const leader = answer(groups, "a", round);
    expect(leader.kind === "joined" && leader.members.map(({ memberId }) => memberId)).toEqual(["a", "b"]);
    expect(answer(groups, "c")).toEqual({ kind: "waiting" });
  });
});

describe("a round that is overdue", () => {
  test("ends without the members that have not joined", () => {
    const groups = stableGroup("a", "b", "c");
    groups.fold(joinOf("d"));
    groups.fold(rejoinOf("b"));
    expect(groups.completeJoin()).toBe("done");
    expect([...groups.classic.members.keys()]).toEqual(["b", "d"]);
    expect(groups.classic).toMatchObject({ generationId: 2, leaderId: "b", state: "CompletingRebalance" });
  });

  test("is ended once, and no other round with it", () => {
    const groups = stableGroup("a");
    groups.fold(joinOf("b"));
    const { round } = groups.classic;
    expect(groups.completeJoin(round - 1)).toBe("moved");
    expect(groups.completeJoin(round)).toBe("done");
    expect(groups.completeJoin(round)).toBe("moved");
    expect(groups.classic.generationId).toBe(2);
  });

  test("keeps its reserved ids: they may join the next one", () => {
    const groups = stableGroup("a");
    groups.fold(joinOf("b", { mustReserve: true }));
    groups.fold(rejoinOf("a"));
    groups.completeJoin();
    expect(groups.brief(rejoinOf("b"))).toBe("joined");
  });
});

describe("a member that joins again", () => {
  test("is told the generation once more while the leader has not synced", () => {
    const groups = completingGroup("a", "b");
    expect(groups.fold(rejoinOf("b"))).toMatchObject({ kind: "joined", round: groups.classic.round });
    expect(groups.classic.state).toBe("CompletingRebalance");
    expect(answer(groups, "b")).toMatchObject({ generationId: 1, members: [] });
    expect(answer(groups, "a")).toMatchObject({ generationId: 1, members: [{}, {}] });
  });

  test("begins a round if it tells something new about itself", () => {
    const groups = completingGroup("a", "b");
    groups.fold(rejoinOf("b", { protocols: [{ name: "range", metadata: bytesOf("more topics") }] }));
    expect(groups.classic.state).toBe("PreparingRebalance");
    const stable = stableGroup("a", "b");
    stable.fold(rejoinOf("b", { protocols: [{ name: "range", metadata: bytesOf("more topics") }] }));
    expect(stable.classic.state).toBe("PreparingRebalance");
    stable.fold(rejoinOf("a"));
    const joined = answer(stable, "a");
    expect(joined.kind === "joined" && joined.members.map(({ metadata }) => textOf(metadata))).toEqual([
      "topics of a",
      "more topics",
    ]);
  });

  test("disturbs nobody as a follower with nothing new", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("b"));
    expect(groups.classic).toMatchObject({ state: "Stable", generationId: 1 });
    expect(answer(groups, "b")).toMatchObject({ kind: "joined", generationId: 1 });
  });

  test("begins a round as the leader even with nothing new", () => {
    const groups = stableGroup("a", "b");
    groups.fold(rejoinOf("a"));
    expect(groups.classic.state).toBe("PreparingRebalance");
  });

  test("may change its time-outs", () => {
    const groups = stableGroup("a");
    groups.fold(rejoinOf("a", { sessionTimeoutMs: 7_000, rebalanceTimeoutMs: 8_000 }));
    expect(groups.member("a")).toMatchObject({ sessionTimeoutMs: 7_000, rebalanceTimeoutMs: 8_000 });
  });
});

describe("the group's protocol", () => {
  test("is the one that all support and most prefer", () => {
    const groups = completingGroup(
      joinOf("a", { protocols: protocolsOf("range", "roundrobin", "sticky") }),
      joinOf("b", { protocols: protocolsOf("roundrobin", "range") }),
      joinOf("c", { protocols: protocolsOf("sticky", "roundrobin", "range") }),
    );
    expect(groups.classic.protocolName).toBe("roundrobin");
  });

  test("is the first that was named if votes are equal", () => {
    const groups = completingGroup(
      joinOf("a", { protocols: protocolsOf("range", "sticky") }),
      joinOf("b", { protocols: protocolsOf("sticky", "range") }),
    );
    expect(groups.classic.protocolName).toBe("range");
  });

  test("keeps out who shares none, and other types", () => {
    const groups = completingGroup(
      joinOf("a", { protocols: protocolsOf("range", "sticky") }),
      joinOf("b", { protocols: protocolsOf("range") }),
    );
    expect(groups.brief(joinOf("c", { protocols: protocolsOf("sticky") }))).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.brief(joinOf("c", { protocolType: "connect" }))).toBe("INCONSISTENT_GROUP_PROTOCOL");
    expect(groups.classic).toMatchObject({ state: "CompletingRebalance" });
    expect(groups.classic.members.size).toBe(2);
  });

  test("may be of another type once the group is empty", () => {
    const groups = stableGroup("a");
    groups.leave("a");
    expect(groups.brief(joinOf("b", { protocolType: "connect", protocols: protocolsOf("compatible") }))).toBe("joined");
    expect(groups.classic).toMatchObject({ protocolType: "connect", generationId: 3 });
  });
});

describe("a full group", () => {
  test("takes no more members, but its own ones again", () => {
    const groups = stableGroup("a", "b");
    expect(groups.brief(joinOf("c", { groupSizeMax: 2 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.brief(joinOf("c", { groupSizeMax: 2, mustReserve: true }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect(groups.classic.state).toBe("Stable");
    expect(groups.brief(rejoinOf("b", { groupSizeMax: 2 }))).toBe("joined");
  });

  test("loses whoever comes back last when the limit was lowered", () => {
    const groups = stableGroup("a", "b", "c");
    groups.fold(rejoinOf("a", { groupSizeMax: 2 }));
    groups.fold(rejoinOf("c", { groupSizeMax: 2 }));
    expect(groups.brief(rejoinOf("b", { groupSizeMax: 2 }))).toBe("GROUP_MAX_SIZE_REACHED");
    expect([...groups.classic.members.keys()]).toEqual(["a", "c"]);
    expect(groups.classic.state).toBe("CompletingRebalance");
  });

  test("lets a member that has joined the round ask again", () => {
    const groups = stableGroup("a");
    groups.fold(joinOf("b", { groupSizeMax: 2 }));
    expect(groups.brief(rejoinOf("b", { groupSizeMax: 1 }))).toBe("joined");
    expect(groups.brief(rejoinOf("a", { groupSizeMax: 1 }))).toBe("GROUP_MAX_SIZE_REACHED");
  });
});

test("generations go on where they were when an emptied group is joined again", () => {
  const groups = stableGroup("a");
  groups.leave("a");
  expect(groups.classic).toMatchObject({
    state: "Empty",
    generationId: 2,
    protocolName: undefined,
    leaderId: undefined,
  });
  groups.fold(joinOf("b"));
  expect(groups.classic).toMatchObject({ state: "CompletingRebalance", generationId: 3, leaderId: "b" });
});

test("bytes that a group keeps do not hold the record that they came with", () => {
  const groups = stableGroup("a");
  const { protocols, assignment } = groups.member("a");
  for (const kept of [protocols[0]?.metadata, assignment]) expect(kept?.buffer.byteLength).toBe(kept?.byteLength);
});
