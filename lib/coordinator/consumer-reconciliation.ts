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
import type { GroupState } from "./group-state.ts";
import type { Assignment } from "./member-types.ts";

// How a member comes from what it owns to what it is to own (KIP-848, "Reconciliation"), as Kafka's
// CurrentAssignmentBuilder does it. First it gives up what its target lacks, staying at its epoch until it no longer says
// that it owns any of it. Then it moves to the target's epoch, with what it keeps and what nobody else holds; the rest
// follows as others release it. Nothing is ever given to a member while another one has it.

// To a member that has all that a new target gives it, and nothing else, only the epoch is new. It is told without a record:
// that it is at the target's epoch follows from the state (`standingEpoch`), and the record with its next sign of life, or
// with the next change of what it owns, takes it there (`journaledEpoch` leads from what it shows to what the fold knows).

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

/** The epoch that the member has come to, whether the journal says so or it follows. */
export function standingEpoch(group: ConsumerGroup, member: ConsumerMember): number {
  return hasItsTarget(group, member) ? group.assignmentEpoch : member.memberEpoch;
}

/**
 * By which epoch the fold knows a member that shows `shown`. A target's epoch that is above the member's own it can only
 * have been told without a record, for what it owned was the same: a record would have come before the target after that.
 * One between its own and the one before it was told so too, and the answer that brought the member's own was lost.
 */
export function journaledEpoch(group: ConsumerGroup, member: ConsumerMember, shown: number): number {
  const { classic, memberEpoch, previousMemberEpoch: previous, subscriptionEpoch } = member;
  if (classic !== undefined || memberEpoch <= 0) return shown;
  if (shown < memberEpoch) return previous > 0 && shown > previous ? previous : shown;
  if (shown === memberEpoch) return shown;
  const isTold =
    shown < Math.max(group.assignmentEpoch, subscriptionEpoch) ||
    (shown === group.assignmentEpoch && hasItsTarget(group, member));
  return isTold ? memberEpoch : shown;
}

/** The same for a member of whatever group; `shown` itself where there is no such member. */
export function journaledEpochIn(group: GroupState | undefined, memberId: string, shown: number): number {
  const membership = group?.membership;
  const member = membership?.type === "consumer" ? membership.members.get(memberId) : undefined;
  return membership?.type === "consumer" && member !== undefined ? journaledEpoch(membership, member, shown) : shown;
}

/** Whether the member has what it is to own, and no more; the epoch aside. */
export function hasItsTarget(group: ConsumerGroup, member: ConsumerMember): boolean {
  if (!mayBeAhead(member) || member.state !== "Stable") return false;
  return haveSamePartitions(member.assigned, group.targetAssignment.get(member.memberId) ?? NO_PARTITIONS);
}

/** Members are told of the first target that knows of them, or of their subscription, with a record. */
function mayBeAhead({ classic, memberEpoch, subscriptionEpoch }: ConsumerMember): boolean {
  return classic === undefined && memberEpoch > 0 && memberEpoch >= subscriptionEpoch;
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
