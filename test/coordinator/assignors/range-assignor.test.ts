import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignRange } from "#lib/coordinator/assignors/range-assignor.ts";
import { partitions } from "../consumer-fixtures.ts";
import { topicIdOf } from "../group-fixtures.ts";
import {
  checkOwners,
  checkStable,
  countsOf,
  evenGroups,
  memberOf,
  mixedGroups,
  movesOf,
  plain,
} from "./assignor-fixtures.ts";

describe("range", () => {
  test("gives each member a range of each topic, the first members one more", () => {
    const members = [memberOf("a", [1, 2]), memberOf("b", [1, 2])];
    expect(plain(assignRange(members, countsOf({ 1: 3, 2: 2 })))).toEqual({
      a: partitions({ 1: [0, 1], 2: [0] }),
      b: partitions({ 1: [2], 2: [1] }),
    });
  });

  test("leaves the last members without if there are more of them than partitions", () => {
    const members = [memberOf("a", [1]), memberOf("b", [1]), memberOf("c", [1])];
    expect(plain(assignRange(members, countsOf({ 1: 2 })))).toEqual({
      a: partitions({ 1: [0] }),
      b: partitions({ 1: [1] }),
      c: new Map(),
    });
  });

  test("counts the subscribers of each topic by itself", () => {
    const members = [memberOf("a", [1, 2]), memberOf("b", [3]), memberOf("c", [2, 3])];
    expect(plain(assignRange(members, countsOf({ 1: 3, 2: 3, 3: 2 })))).toEqual({
      a: partitions({ 1: [0, 1, 2], 2: [0, 1] }),
      b: partitions({ 3: [0] }),
      c: partitions({ 2: [2], 3: [1] }),
    });
  });

  test("passes over topics that there are not", () => {
    expect(plain(assignRange([memberOf("a", [1, 9])], countsOf({ 1: 1 })))).toEqual({ a: partitions({ 1: [0] }) });
    expect(plain(assignRange([], countsOf({ 1: 1 })))).toEqual({});
  });

  test("takes from members the highest partitions that are beyond their share when one more comes", () => {
    const members = [
      memberOf("a", [1, 2], { 1: [0, 1], 2: [0, 1] }),
      memberOf("b", [1, 2], { 1: [2], 2: [2] }),
      memberOf("c", [1, 2]),
    ];
    expect(plain(assignRange(members, countsOf({ 1: 3, 2: 3 })))).toEqual({
      a: partitions({ 1: [0], 2: [0] }),
      b: partitions({ 1: [2], 2: [2] }),
      c: partitions({ 1: [1], 2: [1] }),
    });
  });

  test("gives new partitions to whoever has fewest and moves no other", () => {
    const members = [memberOf("a", [1], { 1: [0, 1] }), memberOf("b", [1], { 1: [2] })];
    const target = assignRange(members, countsOf({ 1: 4 }));
    expect(plain(target)).toEqual({ a: partitions({ 1: [0, 1] }), b: partitions({ 1: [2, 3] }) });
    expect(movesOf(members, target)).toBe(0);
  });

  test("shares what a member has left behind among those who stay", () => {
    const members = [memberOf("b", [1], { 1: [2, 3] }), memberOf("c", [1], { 1: [4, 5] })];
    expect(plain(assignRange(members, countsOf({ 1: 6 })))).toEqual({
      b: partitions({ 1: [0, 2, 3] }),
      c: partitions({ 1: [1, 4, 5] }),
    });
  });
});

describe("whatever the group, range", () => {
  test("gives every partition one owner, and to no subscriber two more than to another", () => {
    fc.assert(
      fc.property(mixedGroups, ({ members, counts }) => {
        const target = assignRange(members, counts);
        checkOwners(members, counts, target);
        for (const topicId of counts.keys()) {
          const sizes = members
            .filter(({ subscribedTopicIds }) => subscribedTopicIds.has(topicId))
            .map(({ memberId }) => target.get(memberId)?.get(topicId)?.length ?? 0);
          if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("leaves everything where it is when nothing has changed", () => {
    fc.assert(
      fc.property(mixedGroups, ({ members, counts }) => checkStable(assignRange, members, counts)),
      { numRuns: 200, seed: 2 },
    );
  });

  test("gives members the same partitions of topics that are alike", () => {
    fc.assert(
      fc.property(evenGroups, fc.integer({ min: 1, max: 9 }), ({ members }, count) => {
        const fresh = members.map((member) => ({ ...member, owned: new Map() }));
        const target = assignRange(fresh, countsOf({ 1: count, 2: count }));
        for (const share of target.values()) expect(share.get(topicIdOf(1))).toEqual(share.get(topicIdOf(2)));
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});
