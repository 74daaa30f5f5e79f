import type { TopicId } from "#lib/util/branded.ts";
import type { Assignment } from "./member-types.ts";

// Assignments as sets of partitions. Every result has its topics in the order of their ids and its partitions ascending,
// so that equal sets have equal bytes whatever they were made from.

export const NO_PARTITIONS: Assignment = new Map();

/** The same set in the form that all results have; partitions named twice count once. */
export function normalized(assignment: Assignment): Assignment {
  return madeOf(assignment.keys(), (topicId) => new Set(assignment.get(topicId)));
}

export function union(one: Assignment, other: Assignment): Assignment {
  const topicIds = new Set([...one.keys(), ...other.keys()]);
  return madeOf(topicIds, (topicId) => new Set([...partitionsOf(one, topicId), ...partitionsOf(other, topicId)]));
}

/** What both have. */
export function intersection(one: Assignment, other: Assignment): Assignment {
  return madeOf(one.keys(), (topicId) => {
    const others = new Set(other.get(topicId));
    return new Set(partitionsOf(one, topicId).filter((partition) => others.has(partition)));
  });
}

/** What `one` has and `other` has not. */
export function difference(one: Assignment, other: Assignment): Assignment {
  return madeOf(one.keys(), (topicId) => {
    const others = new Set(other.get(topicId));
    return new Set(partitionsOf(one, topicId).filter((partition) => !others.has(partition)));
  });
}

export function filtered(
  assignment: Assignment,
  isKept: (topicId: TopicId, partitionIndex: number) => boolean,
): Assignment {
  return madeOf(assignment.keys(), (topicId) => {
    return new Set(partitionsOf(assignment, topicId).filter((partition) => isKept(topicId, partition)));
  });
}

export function haveSamePartitions(one: Assignment, other: Assignment): boolean {
  return sizeOf(one) === sizeOf(other) && difference(one, other).size === 0;
}

export function isSubset(one: Assignment, other: Assignment): boolean {
  return difference(one, other).size === 0;
}

/** Whether they have a partition in common. */
export function overlap(one: Assignment, other: Assignment): boolean {
  return intersection(one, other).size > 0;
}

export function sizeOf(assignment: Assignment): number {
  let size = 0;
  for (const partitions of assignment.values()) size += partitions.length;
  return size;
}

/** An assignment from sets by topic; empty ones are left out. */
export function assignmentOf(partitions: ReadonlyMap<TopicId, ReadonlySet<number>>): Assignment {
  return madeOf(partitions.keys(), (topicId) => partitions.get(topicId) ?? new Set());
}

function partitionsOf(assignment: Assignment, topicId: TopicId): readonly number[] {
  return assignment.get(topicId) ?? [];
}

function madeOf(topicIds: Iterable<TopicId>, partitionsIn: (topicId: TopicId) => ReadonlySet<number>): Assignment {
  const made = new Map<TopicId, readonly number[]>();
  for (const topicId of [...topicIds].sort()) {
    const partitions = [...partitionsIn(topicId)].sort((a, b) => a - b);
    if (partitions.length > 0) made.set(topicId, partitions);
  }
  return made;
}
