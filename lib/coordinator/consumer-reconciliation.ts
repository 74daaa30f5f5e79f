import type { TopicId } from "#lib/util/branded.ts";
import {
  difference,
  filtered,
  haveSamePartitions,
  intersection,
  NO_PARTITIONS,
  overlap,
  sizeOf,
  union,
} from "./assignment-sets.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import type { Assignment } from "./member-types.ts";

// How a member comes from what it owns to what it is to own (KIP-848, "Reconciliation"), as Kafka's
// CurrentAssignmentBuilder does it. First it gives up what its target lacks, staying at its epoch until it no longer says
// that it owns any of it. Then it moves to the target's epoch, with what it keeps and what nobody else holds; the rest
// follows as others release it. Nothing is ever given to a member while another one has it.

/** The fields of a member that reconciliation moves. */
export type Reconciled = Pick<ConsumerMember, "memberEpoch" | "state" | "assigned" | "pendingRevocation">;

/** What the member is at after it has said that it owns `owned`; undefined if that changes nothing. */
export function reconciled(
  group: ConsumerGroup,
  member: ConsumerMember,
  owned: Assignment | undefined,
): Reconciled | undefined {
  // Nobody who joins owns anything, whatever an older self of it did.
  const ownedNow = member.memberEpoch === 0 ? NO_PARTITIONS : owned;
  const target = targetOf(group, member);
  if (target === undefined) return undefined;
  if (member.state === "Stable" && member.memberEpoch === group.assignmentEpoch) return undefined;
  if (member.state === "UnrevokedPartitions" && mayOwn(ownedNow, member.pendingRevocation)) return undefined;
  const next = nextStep(group, member, { target, owned: ownedNow });
  return isChanged(member, next) ? next : undefined;
}

/**
 * The target that counts for the member. One that was computed before the member's subscription changed may hold topics
 * that it does not want any more, which clients take badly: until the next target comes such a member stays as it is, or,
 * if it has just joined, gets nothing.
 */
function targetOf(group: ConsumerGroup, member: ConsumerMember): Assignment | undefined {
  if (!isTargetCurrent(group, member)) return member.memberEpoch === 0 ? NO_PARTITIONS : undefined;
  return group.targetAssignment.get(member.memberId) ?? NO_PARTITIONS;
}

/** Who does not say what it owns may still own everything. */
function mayOwn(owned: Assignment | undefined, partitions: Assignment): boolean {
  return partitions.size > 0 && (owned === undefined || overlap(owned, partitions));
}

function nextStep(
  group: ConsumerGroup,
  member: ConsumerMember,
  at: { readonly target: Assignment; readonly owned: Assignment | undefined },
): Reconciled {
  const { target, owned } = at;
  const kept = intersection(member.assigned, target);
  const toRevoke = difference(member.assigned, target);
  if (mayOwn(owned, toRevoke)) {
    return {
      memberEpoch: member.memberEpoch,
      state: "UnrevokedPartitions",
      assigned: kept,
      pendingRevocation: toRevoke,
    };
  }
  const missing = difference(target, member.assigned);
  const free = filtered(missing, (topicId, partition) => isFreeFor(group, member, [topicId, partition]));
  const hasAll = sizeOf(free) === sizeOf(missing);
  return {
    memberEpoch: group.assignmentEpoch,
    state: hasAll ? "Stable" : "UnreleasedPartitions",
    assigned: union(kept, free),
    pendingRevocation: NO_PARTITIONS,
  };
}

/** Whether nobody but the member itself has the partition, be it to give up. */
function isFreeFor(
  group: ConsumerGroup,
  member: ConsumerMember,
  [topicId, partition]: readonly [TopicId, number],
): boolean {
  const isHeld = group.holders.get(topicId)?.has(partition) ?? false;
  return !isHeld || (member.pendingRevocation.get(topicId)?.includes(partition) ?? false);
}

/** Whether others hold partitions that the member is to own. */
export function awaitsRelease(group: ConsumerGroup, member: ConsumerMember): boolean {
  const missing = difference(group.targetAssignment.get(member.memberId) ?? NO_PARTITIONS, member.assigned);
  return filtered(missing, (topicId, partition) => !isFreeFor(group, member, [topicId, partition])).size > 0;
}

/** Whether the target knows of the member's subscription. */
export function isTargetCurrent(group: ConsumerGroup, member: ConsumerMember): boolean {
  return group.assignmentEpoch >= member.subscriptionEpoch;
}

function isChanged(member: ConsumerMember, next: Reconciled): boolean {
  return (
    member.memberEpoch !== next.memberEpoch ||
    member.state !== next.state ||
    !haveSamePartitions(member.assigned, next.assigned) ||
    !haveSamePartitions(member.pendingRevocation, next.pendingRevocation)
  );
}
