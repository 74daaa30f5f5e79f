import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { unreachable } from "#lib/util/assert.ts";
import { PENDING_MEMBERS_MAX } from "#lib/util/limits.ts";
import type { CompleteJoinCommand, JoinCommand } from "./classic-command.ts";
import { type ClassicGroup, type ClassicMember, isAwaitingJoin, newClassicGroup } from "./classic-group.ts";
import {
  addMember,
  awaitingJoinCount,
  checkMember,
  haveSameProtocols,
  newMember,
  removeMember,
  supportsProtocols,
} from "./classic-members.ts";
import { completeRound, joinRound, rebalanceAfterRemoval } from "./classic-round.ts";
import { foldStaticReturn } from "./fold-classic-static.ts";
import { copyProtocols } from "./group-fields.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { createGroup, DONE, type GroupScope, MOVED, refused, replaceMembership } from "./group-scope.ts";
import type { GroupJournalState } from "./group-state.ts";

/** JoinGroup of a classic group, of an empty consumer group, or of one that is not there yet. */
export function foldJoin(state: GroupJournalState, command: JoinCommand, context: FoldContext): GroupOutcome {
  const group = state.groups.get(command.groupId);
  if (group !== undefined && group.membership.type === "classic") {
    return joinClassicGroup(command, group.membership, { state, group, context });
  }
  if (!command.isNewMemberId) return refused(ErrorCode.UNKNOWN_MEMBER_ID);
  const classic = newClassicGroup();
  if (!supportsProtocols(classic, command.protocolType, command.protocols)) {
    return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  const scope = group === undefined ? createGroup(state, command.groupId, context) : { state, group, context };
  replaceMembership(scope, classic);
  return joinClassicGroup(command, classic, scope);
}

function joinClassicGroup(command: JoinCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  if (!hasRoomFor(group, command)) {
    const wasMember = group.members.has(command.memberId);
    removeMember(group, command.memberId);
    if (wasMember) rebalanceAfterRemoval(group, scope);
    return refused(ErrorCode.GROUP_MAX_SIZE_REACHED);
  }
  if (!supportsProtocols(group, command.protocolType, command.protocols)) {
    return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  // A door that did not hear of its proposal's fate may propose it again, with the same new id.
  const isKnown = group.members.has(command.memberId);
  if (command.isNewMemberId && !isKnown) return joinAsNew(command, group, scope);
  return joinAsKnown(command, group, scope);
}

/**
 * Whether an id may be given out to a client that has none, by the group as it stands, without a word in the journal: it
 * would be taken, and no round has to wait for who has it.
 */
export function mayGiveId(state: GroupJournalState, command: JoinCommand): boolean {
  const group = state.groups.get(command.groupId)?.membership ?? newClassicGroup();
  if (group.type !== "classic" || group.state === "PreparingRebalance") return false;
  return hasRoomFor(group, command) && supportsProtocols(group, command.protocolType, command.protocols);
}

/**
 * As in Kafka: while a round runs those count that have joined it, so that a group that is larger than the limit, for
 * that was lowered, loses the last ones to come back.
 */
function hasRoomFor(group: ClassicGroup, command: JoinCommand): boolean {
  const { memberId, groupSizeMax } = command;
  const member = group.members.get(memberId);
  switch (group.state) {
    case "Empty":
      return true;
    case "PreparingRebalance":
      return (member !== undefined && isAwaitingJoin(group, member)) || awaitingJoinCount(group) < groupSizeMax;
    case "CompletingRebalance":
    case "Stable":
      return member !== undefined || group.members.size < groupSizeMax;
    default:
      return unreachable(group.state);
  }
}

function joinAsNew(command: JoinCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const { memberId, groupInstanceId, sessionTimeoutMs } = command;
  if (groupInstanceId !== undefined) {
    const standing = group.members.get(group.staticMembers.get(groupInstanceId) ?? "");
    if (standing !== undefined) return foldStaticReturn(command, { group, standing, scope });
  } else if (command.mustReserve) {
    if (group.pendingMembers.size >= PENDING_MEMBERS_MAX) return refused(ErrorCode.GROUP_MAX_SIZE_REACHED);
    group.pendingMembers.set(memberId, { memberId, sessionTimeoutMs, seenSeq: scope.context.seq });
    return { kind: "reserved" };
  }
  return addAndJoin(command, group, scope);
}

function joinAsKnown(command: JoinCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  if (group.pendingMembers.has(command.memberId) && command.groupInstanceId === undefined) {
    return addAndJoin(command, group, scope);
  }
  const error = checkMember(group, command);
  const member = group.members.get(command.memberId);
  if (member === undefined || error !== ErrorCode.NONE) return refused(error);
  member.seenSeq = scope.context.seq;
  if (!mustRebalance(command, group, member)) return joined(group);
  member.protocols = copyProtocols(command.protocols);
  member.rebalanceTimeoutMs = command.rebalanceTimeoutMs;
  member.sessionTimeoutMs = command.sessionTimeoutMs;
  member.carried = undefined;
  joinRound(group, member, { scope, initialDelayMs: 0 });
  return joined(group);
}

/**
 * Whether a member that joins again wants more than the answer it has missed. A leader does: it has seen changes that no
 * member tells of, such as partitions added to a topic.
 */
function mustRebalance(command: JoinCommand, group: ClassicGroup, member: ClassicMember): boolean {
  if (group.state === "PreparingRebalance") return true;
  if (group.state === "Stable" && group.leaderId === member.memberId) return true;
  return !haveSameProtocols(member.protocols, command.protocols);
}

function addAndJoin(command: JoinCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const member = newMember(command, { round: 0, seq: scope.context.seq });
  if (group.members.size === 0) group.protocolType = command.protocolType;
  addMember(group, member);
  joinRound(group, member, { scope, initialDelayMs: command.initialDelayMs });
  return joined(group);
}

function joined(group: ClassicGroup): GroupOutcome {
  return { kind: "joined", round: group.round, replacedMemberId: undefined };
}

export function foldCompleteJoin(command: CompleteJoinCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  if (group.state !== "PreparingRebalance" || group.round !== command.round) return MOVED;
  return completeRound(group, scope) ? DONE : { kind: "nobody-joined" };
}
