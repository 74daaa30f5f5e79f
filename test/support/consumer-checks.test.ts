import { expect, test } from "vitest";
import {
  checkCommits,
  checkNothingLost,
  checkNothingSkipped,
  checkOneOwner,
  checkOwnersReturn,
} from "../clients/consumers/checks.ts";
import { CLIENTS } from "../clients/consumers/clients.ts";
import type { History, Member, MemberEvent } from "../clients/consumers/history.ts";
import { CASTS, planOf } from "../clients/consumers/plan.ts";

// Each check of the ten consumers finds its fault in a history that has only that one.

const owns = (atMs: number, ...partitions: number[]): MemberEvent => ({
  kind: "ownership",
  member: "",
  partitions,
  atMs,
});
const reads = (atMs: number, first: number, last: number): MemberEvent => ({
  kind: "delivery",
  member: "",
  partition: 0,
  first,
  last,
  atMs,
  isWhole: true,
});

function member(name: string, events: readonly MemberEvent[], ending?: "left" | "killed"): Member {
  const endedAtMs = ending === undefined ? undefined : (events.at(-1)?.atMs ?? 0);
  return { name, endedAtMs, ending, events: events.map((event) => ({ ...event, member: name })) };
}

/** A partition with 100 records over which two members follow each other, after one was killed. */
function history(second: readonly MemberEvent[], polls: readonly (readonly [number, number])[] = []): History {
  return {
    members: [member("one", [owns(0, 0), reads(1_000, 0, 49), reads(5_000, 50, 59)], "killed"), member("two", second)],
    polls: polls.map(([answeredAtMs, offset]) => ({ askedAtMs: answeredAtMs, answeredAtMs, offsets: [offset] })),
    logEnds: [100],
    endedAtMs: 60_000,
  };
}

const takeover = [owns(12_000, 0), reads(13_000, 55, 99)];

test("a take-over that begins at what was committed passes every check", () => {
  const good = history(takeover, [
    [2_000, 50],
    [6_000, 55],
    [14_000, 100],
  ]);
  expect(checkNothingLost(good, 100)).toEqual([]);
  for (const check of [checkOneOwner, checkNothingSkipped, checkCommits, checkOwnersReturn]) {
    expect(check(good)).toEqual([]);
  }
});

test("a record that nobody had, or that the log has not, is lost", () => {
  expect(checkNothingLost(history([owns(12_000, 0), reads(13_000, 61, 99)]), 100)).toHaveLength(1);
  expect(checkNothingLost(history(takeover), 101)).toHaveLength(1);
});

test("two members that deliver from one partition in turns are two owners, with an assignment or without", () => {
  expect(checkOneOwner(history([owns(1_500, 0), reads(2_000, 0, 99)]))).toHaveLength(1);
  expect(checkOneOwner(history([reads(2_000, 0, 99)]))).toHaveLength(1);
});

test("who was silent for a session time-out was expelled, and is no second owner", () => {
  const frozen = member("one", [owns(0, 0), reads(1_000, 0, 49), reads(9_000, 50, 59)]);
  const thawed = history([owns(7_500, 0), reads(8_000, 0, 99)]);
  expect(checkOneOwner({ ...thawed, members: [frozen, ...thawed.members.slice(1)] })).toEqual([]);
});

test("a jump within a tenure, past what was reached, or behind what was committed is found", () => {
  expect(checkNothingSkipped(history([owns(12_000, 0), reads(13_000, 55, 60), reads(13_100, 62, 99)]))).toHaveLength(1);
  expect(checkNothingSkipped(history([owns(12_000, 0), reads(13_000, 61, 99)]))).toHaveLength(1);
  expect(checkNothingSkipped(history(takeover, [[6_000, 60]]))).toHaveLength(1);
});

test("a committed offset that goes back is found", () => {
  const polls = [[2_000, 50] as const, [3_000, 40] as const];
  expect(checkCommits(history(takeover, polls))).toHaveLength(1);
});

test("a partition without an owner for longer than two sessions is found", () => {
  expect(checkOwnersReturn(history([owns(30_000, 0), reads(31_000, 55, 99)]))).toHaveLength(1);
  expect(checkOwnersReturn(history([]))).toHaveLength(1);
});

test.each(CASTS)("$name: the same seed gives the same plan, with joins, leaves and kills in half a minute", (cast) => {
  const plan = planOf(cast, 5, 30_000);
  expect(planOf(cast, 5, 30_000)).toEqual(plan);
  expect(planOf(cast, 6, 30_000)).not.toEqual(plan);
  const isKcatOnly = cast.clients.every((client) => client.startsWith("kcat"));
  // kcat cannot leave without a trace.
  const kinds = isKcatOnly ? ["join", "kill"] : ["join", "leave", "kill"];
  expect(new Set(plan.slice(10).map(({ kind }) => kind))).toEqual(new Set(kinds));
});

test("partitions that are assigned and revoked one by one add up to what a consumer owns", () => {
  const read = CLIENTS["kcat-cooperative"].reader("one");
  const incremental = (what: string): string =>
    `% Group g rebalanced: incremental ${what} partition(s) (memberid m, COOPERATIVE rebalance protocol)`;
  const kcat = [
    read(`${incremental("assignment of 2")}: t [0], t [3]`, 1),
    read(`${incremental("revoke of 1")}: t [0]`, 2),
    read("% Group g rebalanced (memberid m): assigned: t [5]", 3),
    read("% Group g rebalanced (memberid m): revoked: t [3], t [5]", 4),
  ];
  expect(kcat).toEqual(member("one", [owns(1, 0, 3), owns(2, 3), owns(3, 3, 5), owns(4)]).events);
  const java = CLIENTS.java.reader("two");
  const partitions = [{ topic: "t", partition: 2 }];
  expect(java(JSON.stringify({ name: "partitions_assigned", partitions }), 3)).toEqual(
    member("two", [owns(3, 2)]).events[0],
  );
  expect(java(JSON.stringify({ name: "partitions_revoked", partitions }), 4)).toEqual(
    member("two", [owns(4)]).events[0],
  );
});
