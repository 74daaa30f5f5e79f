import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { HeartbeatCommand } from "./classic-command.ts";
import { type ClassicGroup, type ClassicMember, isAwaitingJoin } from "./classic-group.ts";
import { checkMember, removeMember, stateError } from "./classic-members.ts";
import { completeRoundIfAllJoined, rebalanceAfterRemoval } from "./classic-round.ts";
import type { ExpireMemberCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, type GroupScope, MOVED, refused } from "./group-scope.ts";

/** What a Heartbeat is answered. REBALANCE_IN_PROGRESS counts as a sign of life all the same. */
export function checkHeartbeat(group: ClassicGroup, request: Omit<HeartbeatCommand, "kind">): ErrorCode {
  const error = checkMember(group, request);
  if (error !== ErrorCode.NONE) return error;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  return stateError(group);
}

export function foldHeartbeat(command: HeartbeatCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const error = checkHeartbeat(group, command);
  if (error !== ErrorCode.NONE && error !== ErrorCode.REBALANCE_IN_PROGRESS) return refused(error);
  const member = group.members.get(command.memberId);
  if (member !== undefined) member.seenSeq = scope.context.seq;
  return error === ErrorCode.NONE ? DONE : refused(error);
}

/**
 * Whether a member waits for others, in a JoinGroup or a SyncGroup: it cannot send heartbeats then, and need not. A new
 * member does expire: it may have given up before it ever learnt its id, and come again under another one.
 */
export function isAwaitingOthers(group: ClassicGroup, member: ClassicMember): boolean {
  if (isAwaitingJoin(group, member)) return !member.isNew;
  return group.state === "CompletingRebalance" && member.hasSynced;
}

export function foldExpireClassicMember(
  command: ExpireMemberCommand,
  group: ClassicGroup,
  scope: GroupScope,
): GroupOutcome {
  const { memberId, seenSeq } = command;
  const member = group.members.get(memberId);
  if (member === undefined) {
    if (group.pendingMembers.get(memberId)?.seenSeq !== seenSeq) return MOVED;
    group.pendingMembers.delete(memberId);
    // A round may have waited for it.
    completeRoundIfAllJoined(group, scope);
    return DONE;
  }
  if (member.seenSeq !== seenSeq || isAwaitingOthers(group, member)) return MOVED;
  removeMember(group, memberId);
  rebalanceAfterRemoval(group, scope);
  return DONE;
}
