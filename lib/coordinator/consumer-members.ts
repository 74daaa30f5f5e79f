import { ErrorCode } from "#lib/protocol/error-code.ts";
import { difference } from "./assignment-sets.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import { addToIndexes, changeIndexes, heldEpochs, removeFromIndexes } from "./consumer-group-index.ts";
import type { Assignment } from "./member-types.ts";

// Who is in a consumer group, and what its members may say they are.

/** The epochs that a heartbeat may show instead of the member's own. */
export const JOIN_EPOCH = 0;
export const LEAVE_EPOCH = -1;
export const LEAVE_FOR_A_WHILE_EPOCH = -2;

/** A member that owns and wants nothing yet. */
export function newConsumerMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: undefined,
    rackId: undefined,
    clientId: "",
    clientHost: "",
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: [],
    subscribedTopicRegex: undefined,
    serverAssignor: undefined,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    subscriptionEpoch: 0,
    state: "Stable",
    assigned: new Map(),
    pendingRevocation: new Map(),
    classic: undefined,
    seenSeq: 0,
  };
}

/** The member that the caller is, or why it is none. A static member is known by its instance id. */
export function memberFor(
  group: ConsumerGroup,
  caller: { readonly memberId: string; readonly instanceId: string | undefined },
): ConsumerMember | ErrorCode {
  const { memberId, instanceId } = caller;
  if (instanceId === undefined) return group.members.get(memberId) ?? ErrorCode.UNKNOWN_MEMBER_ID;
  const standing = staticMember(group, instanceId);
  if (standing === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  return standing.memberId === memberId ? standing : ErrorCode.FENCED_INSTANCE_ID;
}

export function staticMember(group: ConsumerGroup, instanceId: string): ConsumerMember | undefined {
  return group.members.get(group.staticMembers.get(instanceId) ?? "");
}

/**
 * Whether a member may go on from the epoch that it shows. The one before its present one will do if it owns nothing that
 * it should not: the answer that moved it on may have been lost.
 */
export function checkMemberEpoch(
  member: ConsumerMember,
  shown: { readonly memberEpoch: number; readonly owned: Assignment | undefined },
): ErrorCode {
  const { memberEpoch, owned } = shown;
  if (memberEpoch === JOIN_EPOCH || memberEpoch === member.memberEpoch) return ErrorCode.NONE;
  const hasMissedAnswer =
    memberEpoch < member.memberEpoch &&
    memberEpoch === member.previousMemberEpoch &&
    owned !== undefined &&
    difference(owned, member.assigned).size === 0;
  return hasMissedAnswer ? ErrorCode.NONE : ErrorCode.FENCED_MEMBER_EPOCH;
}

/** Changes a member that is in the group, or puts it there. */
export function setMember(group: ConsumerGroup, member: ConsumerMember, fields: Partial<ConsumerMember>): void {
  const { memberId, instanceId, assigned, pendingRevocation } = member;
  Object.assign(member, fields);
  if (group.members.has(memberId)) {
    changeIndexes(group, member, { memberId, instanceId, assigned, pendingRevocation });
  } else {
    group.members.set(memberId, member);
    addToIndexes(group, member);
  }
}

/** Moves a member to another epoch; the one it had becomes the previous one. */
export function epochFields(
  member: ConsumerMember,
  memberEpoch: number,
): Pick<ConsumerMember, "memberEpoch" | "previousMemberEpoch"> {
  const { memberEpoch: standing, previousMemberEpoch } = member;
  return { memberEpoch, previousMemberEpoch: standing === memberEpoch ? previousMemberEpoch : standing };
}

/** Forgets members, with their targets. */
export function forgetMembers(group: ConsumerGroup, memberIds: Iterable<string>): void {
  for (const memberId of memberIds) {
    const member = group.members.get(memberId);
    if (member === undefined) continue;
    removeFromIndexes(group, member);
    group.members.delete(memberId);
    group.targetAssignment.delete(memberId);
  }
  forgetUnusedRegexes(group);
}

/** Puts a static member's new self in the place of its old one, with what it owns and is to own, under another id. */
export function replaceStaticMember(group: ConsumerGroup, old: ConsumerMember, memberId: string): ConsumerMember {
  const replacement: ConsumerMember = {
    ...old,
    memberId,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    state: "Stable",
    pendingRevocation: new Map(),
  };
  // Under the id that it had, it holds what it keeps no longer than before. Assigned partitions come first in both.
  const epochs = heldEpochs(group, old);
  removeFromIndexes(group, old);
  renameKey(group.members, [old.memberId, memberId], replacement);
  const target = group.targetAssignment.get(old.memberId);
  if (target !== undefined) renameKey(group.targetAssignment, [old.memberId, memberId], target);
  addToIndexes(group, replacement, epochs);
  return replacement;
}

function renameKey<T>(map: Map<string, T>, [from, to]: readonly [string, string], value: T): void {
  const entries = [...map];
  map.clear();
  for (const [key, standing] of entries) {
    if (key === from) map.set(to, value);
    else map.set(key, standing);
  }
}

export function forgetUnusedRegexes(group: ConsumerGroup): void {
  if (group.resolvedRegexes.size === 0) return;
  const used = subscribedRegexes(group);
  for (const regex of group.resolvedRegexes.keys()) if (!used.has(regex)) group.resolvedRegexes.delete(regex);
}

/** The regular expressions that members subscribe to, in the members' order. */
export function subscribedRegexes(group: ConsumerGroup): ReadonlySet<string> {
  const regexes = new Set<string>();
  for (const { subscribedTopicRegex } of group.members.values()) {
    if (subscribedTopicRegex !== undefined) regexes.add(subscribedTopicRegex);
  }
  return regexes;
}

/** Whether all members speak the classic protocol, so that the group need not be of the other one, and it may change. */
export function mustDowngrade(group: ConsumerGroup): boolean {
  if (group.members.size > group.classicSizeMax) return false;
  for (const { classic } of group.members.values()) if (classic === undefined) return false;
  return group.members.size > 0;
}
