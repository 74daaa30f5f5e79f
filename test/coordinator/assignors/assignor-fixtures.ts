import fc from "fast-check";
import { expect } from "vitest";
import { sizeOf } from "#lib/coordinator/assignment-sets.ts";
import type { Assignor, AssignorMember, PartitionCounts } from "#lib/coordinator/assignors/assignor.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { partitions } from "../consumer-fixtures.ts";
import { topicIdOf } from "../group-fixtures.ts";

export type Owned = Readonly<Record<number, readonly number[]>>;

/** A member that subscribes to topics by number. */
export function memberOf(memberId: string, topics: readonly number[], owned: Owned = {}): AssignorMember {
  return { memberId, subscribedTopicIds: new Set(topics.map(topicIdOf)), owned: partitions(owned) };
}

export function countsOf(counts: Readonly<Record<number, number>>): PartitionCounts {
  return new Map(Object.entries(counts).map(([n, count]) => [topicIdOf(Number(n)), count]));
}

export function plain(target: ReadonlyMap<string, Assignment>): Record<string, Assignment> {
  return Object.fromEntries(target);
}

/** The members as they are when they own what the target gave them. */
export function owning(
  members: readonly AssignorMember[],
  target: ReadonlyMap<string, Assignment>,
): readonly AssignorMember[] {
  return members.map((member) => ({ ...member, owned: target.get(member.memberId) ?? new Map() }));
}

export function sizesOf(target: ReadonlyMap<string, Assignment>): readonly number[] {
  return [...target.values()].map(sizeOf);
}

/** Partitions that somebody owned and that another one, or nobody, is to own. */
export function movesOf(members: readonly AssignorMember[], target: ReadonlyMap<string, Assignment>): number {
  let moves = 0;
  for (const { memberId, owned } of members) {
    for (const [topicId, list] of owned) {
      const kept = new Set(target.get(memberId)?.get(topicId));
      moves += list.filter((partition) => !kept.has(partition)).length;
    }
  }
  return moves;
}

/** Every partition of a subscribed topic has one owner, which subscribes to it; nothing else is given to anybody. */
export function checkOwners(
  members: readonly AssignorMember[],
  counts: PartitionCounts,
  target: ReadonlyMap<string, Assignment>,
): void {
  expect([...target.keys()]).toEqual(members.map(({ memberId }) => memberId));
  const owners = new Set<string>();
  for (const { memberId, subscribedTopicIds } of members) {
    for (const [topicId, list] of target.get(memberId) ?? []) {
      expect(subscribedTopicIds.has(topicId)).toBe(true);
      expect(list.length).toBeGreaterThan(0);
      for (const partition of list) {
        expect(partition).toBeLessThan(counts.get(topicId) ?? 0);
        expect(owners.has(`${topicId} ${partition}`)).toBe(false);
        owners.add(`${topicId} ${partition}`);
      }
    }
  }
  let expected = 0;
  for (const [topicId, count] of counts) {
    if (members.some(({ subscribedTopicIds }) => subscribedTopicIds.has(topicId))) expected += count;
  }
  expect(owners.size).toBe(expected);
}

const TOPICS = [1, 2, 3, 4];
const owned = fc
  .uniqueArray(
    fc.tuple(fc.constantFrom(...TOPICS, 5), fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1 })),
    {
      maxLength: 3,
      selector: ([topic]) => topic,
    },
  )
  .map((entries) => Object.fromEntries(entries));

/** Groups of all kinds; what members own may be out of date, and the same for two of them. */
export const mixedGroups = fc.record({
  members: fc
    .array(fc.tuple(fc.uniqueArray(fc.constantFrom(...TOPICS)), owned), { minLength: 1, maxLength: 7 })
    .map((some) => some.map(([topics, own], index) => memberOf(`m${index}`, topics, own))),
  counts: fc
    .tuple(...TOPICS.map(() => fc.integer({ min: 0, max: 9 })))
    .map((numbers) => countsOf(Object.fromEntries(numbers.map((count, index) => [index + 1, count])))),
});

/** Groups whose members all subscribe to the same topics. */
export const evenGroups = mixedGroups.map(({ members, counts }) => ({
  members: members.map((member) => ({ ...member, subscribedTopicIds: new Set([...counts.keys()]) })),
  counts,
}));

/** Who owns what it was given, and is asked again, is given the same. */
export function checkStable(assign: Assignor, members: readonly AssignorMember[], counts: PartitionCounts): void {
  const target = assign(members, counts);
  expect(plain(assign(owning(members, target), counts))).toEqual(plain(target));
}
