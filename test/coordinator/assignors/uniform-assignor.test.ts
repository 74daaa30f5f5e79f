import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sizeOf } from "#lib/coordinator/assignment-sets.ts";
import { assignUniform } from "#lib/coordinator/assignors/uniform-assignor.ts";
import { partitions } from "../consumer-fixtures.ts";
import {
  checkOwners,
  checkStable,
  countsOf,
  evenGroups,
  memberOf,
  mixedGroups,
  movesOf,
  owning,
  plain,
  sizesOf,
} from "./assignor-fixtures.ts";

describe("uniform, where all subscribe to the same topics,", () => {
  test("spreads all partitions together", () => {
    const members = [memberOf("a", [1, 3]), memberOf("b", [1, 3])];
    expect(plain(assignUniform(members, countsOf({ 1: 3, 2: 6, 3: 2 })))).toEqual({
      a: partitions({ 1: [0, 1, 2] }),
      b: partitions({ 3: [0, 1] }),
    });
  });

  test("leaves the last members without if there are more of them than partitions", () => {
    const members = ["a", "b", "c"].map((memberId) => memberOf(memberId, [1]));
    expect(sizesOf(assignUniform(members, countsOf({ 1: 2 })))).toEqual([1, 1, 0]);
  });

  test("assigns nothing to members that subscribe to nothing, or to topics that there are not", () => {
    expect(plain(assignUniform([memberOf("a", [])], countsOf({})))).toEqual({ a: new Map() });
    expect(plain(assignUniform([memberOf("a", [7], { 7: [0] })], countsOf({ 1: 2 })))).toEqual({ a: new Map() });
    expect(plain(assignUniform([], countsOf({ 1: 2 })))).toEqual({});
  });

  test("moves just what a new member is to have", () => {
    const members = [
      memberOf("a", [1, 2], { 1: [0, 2], 2: [0] }),
      memberOf("b", [1, 2], { 1: [1], 2: [1, 2] }),
      memberOf("c", [1, 2]),
    ];
    const target = assignUniform(members, countsOf({ 1: 3, 2: 3 }));
    expect(sizesOf(target)).toEqual([2, 2, 2]);
    expect(movesOf(members, target)).toBe(2);
  });

  test("lets whoever owns one more keep it, wherever it stands", () => {
    const members = [memberOf("a", [1], { 1: [0] }), memberOf("b", [1], { 1: [1, 2] })];
    const target = assignUniform(members, countsOf({ 1: 3 }));
    expect(plain(target)).toEqual({ a: partitions({ 1: [0] }), b: partitions({ 1: [1, 2] }) });
  });

  test("shares what a member has left behind, and moves no other", () => {
    const members = [memberOf("a", [1, 2], { 1: [0], 2: [0] }), memberOf("c", [1, 2], { 1: [2], 2: [2] })];
    const target = assignUniform(members, countsOf({ 1: 3, 2: 3 }));
    expect(sizesOf(target)).toEqual([3, 3]);
    expect(movesOf(members, target)).toBe(0);
  });

  test("takes away topics that nobody subscribes to any more", () => {
    const members = [memberOf("a", [2], { 1: [0, 1], 2: [0] }), memberOf("b", [2], { 1: [2], 2: [1] })];
    expect(plain(assignUniform(members, countsOf({ 1: 3, 2: 2 })))).toEqual({
      a: partitions({ 2: [0] }),
      b: partitions({ 2: [1] }),
    });
  });
});

describe("uniform, where members subscribe to different topics,", () => {
  test("gives each topic to its subscribers, as evenly as that allows", () => {
    const members = [memberOf("a", [1, 2]), memberOf("b", [3]), memberOf("c", [2, 3])];
    const target = assignUniform(members, countsOf({ 1: 3, 2: 3, 3: 2 }));
    expect(sizesOf(target)).toEqual([3, 2, 3]);
    checkOwners(members, countsOf({ 1: 3, 2: 3, 3: 2 }), target);
  });

  test("keeps what members own if nothing better is to be had", () => {
    const members = [memberOf("a", [1, 2], { 1: [0, 1, 2] }), memberOf("b", [2], { 2: [0, 1, 2] })];
    const target = assignUniform(members, countsOf({ 1: 3, 2: 3 }));
    expect(movesOf(members, target)).toBe(0);
  });

  test("moves partitions from members with many to members with few", () => {
    const members = [memberOf("a", [1, 2], { 1: [0, 1], 2: [0, 1, 2, 3] }), memberOf("b", [2])];
    const target = assignUniform(members, countsOf({ 1: 2, 2: 4 }));
    expect(sizesOf(target)).toEqual([3, 3]);
    expect(movesOf(members, target)).toBe(3);
  });

  test("takes away what a member no longer subscribes to", () => {
    const members = [memberOf("a", [1], { 1: [0], 2: [0, 1] }), memberOf("b", [1, 2], { 1: [1] })];
    expect(plain(assignUniform(members, countsOf({ 1: 2, 2: 2 })))).toEqual({
      a: partitions({ 1: [0, 1] }),
      b: partitions({ 2: [0, 1] }),
    });
  });
});

describe("whatever the group, uniform", () => {
  test("gives every partition one owner", () => {
    fc.assert(
      fc.property(fc.oneof(mixedGroups, evenGroups), ({ members, counts }) => {
        checkOwners(members, counts, assignUniform(members, counts));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  test("leaves everything where it is when nothing has changed", () => {
    fc.assert(
      fc.property(fc.oneof(mixedGroups, evenGroups), ({ members, counts }) =>
        checkStable(assignUniform, members, counts),
      ),
      { numRuns: 300, seed: 2 },
    );
  });

  test("gives members of one subscription numbers that differ by one at most", () => {
    fc.assert(
      fc.property(evenGroups, ({ members, counts }) => {
        const sizes = sizesOf(assignUniform(members, counts));
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  test("leaves no single move that would make members of different subscriptions more even", () => {
    fc.assert(
      fc.property(mixedGroups, ({ members, counts }) => {
        const target = assignUniform(members, counts);
        for (const { memberId, subscribedTopicIds } of members) {
          const size = sizeOf(target.get(memberId) ?? new Map());
          for (const other of target.values()) {
            const couldGive = [...other.keys()].some((topicId) => subscribedTopicIds.has(topicId));
            if (couldGive) expect(sizeOf(other)).toBeLessThanOrEqual(size + 1);
          }
        }
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  test("moves no more than a member that comes or goes makes necessary, where all subscribe to the same", () => {
    fc.assert(
      fc.property(evenGroups, ({ members, counts }) => {
        const settled = owning(members, assignUniform(members, counts));
        const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
        const newcomer = { memberId: "new", subscribedTopicIds: new Set(counts.keys()), owned: new Map() };
        const joined = assignUniform([...settled, newcomer], counts);
        expect(movesOf(settled, joined)).toBeLessThanOrEqual(Math.floor(total / (members.length + 1)));
        const left = settled.slice(1);
        if (left.length > 0) expect(movesOf(left, assignUniform(left, counts))).toBe(0);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});
