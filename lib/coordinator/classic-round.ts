import { type ClassicGroup, type ClassicMember, isAwaitingJoin } from "./classic-group.ts";
import { haveAllJoined, removeMember, selectProtocol } from "./classic-members.ts";
import { type GroupScope, noteChange, noteStateChange } from "./group-scope.ts";

// The rounds of a classic group: how one begins, and how it ends in a generation.

/** A member has (again) joined: a round begins unless one runs, and may be complete with that. */
export function joinRound(
  group: ClassicGroup,
  member: ClassicMember,
  at: { readonly scope: GroupScope; readonly initialDelayMs: number },
): void {
  const { scope } = at;
  const wasEmpty = group.state === "Empty";
  if (group.state !== "PreparingRebalance") beginRound(group, scope);
  else noteChange(scope);
  member.joinedRound = group.round;
  if (wasEmpty && at.initialDelayMs > 0) group.initialDelayMs = at.initialDelayMs;
  // As on Kafka, the first round without a delay does not wait for ids that are reserved only.
  else if (wasEmpty) completeRound(group, scope);
  else completeRoundIfAllJoined(group, scope);
}

/** Members are gone: the others must share anew. */
export function rebalanceAfterRemoval(group: ClassicGroup, scope: GroupScope): void {
  if (group.state === "Stable" || group.state === "CompletingRebalance") beginRound(group, scope);
  else noteChange(scope);
  completeRoundIfAllJoined(group, scope);
}

function beginRound(group: ClassicGroup, scope: GroupScope): void {
  scope.state.roundsBegun += 1;
  group.round = scope.state.roundsBegun;
  group.state = "PreparingRebalance";
  noteStateChange(scope);
}

export function completeRoundIfAllJoined(group: ClassicGroup, scope: GroupScope): void {
  if (group.state !== "PreparingRebalance" || group.initialDelayMs > 0 || !haveAllJoined(group)) return;
  completeRound(group, scope);
}

/** Ends the round with whoever has joined. False if it must go on: static members are left, and none of them has. */
export function completeRound(group: ClassicGroup, scope: GroupScope): boolean {
  noteChange(scope);
  for (const member of [...group.members.values()]) {
    const isMissed = !isAwaitingJoin(group, member) && member.groupInstanceId === undefined;
    if (isMissed) removeMember(group, member.memberId);
  }
  group.initialDelayMs = 0;
  if (!electLeader(group) && group.members.size > 0) return false;
  group.generationId += 1;
  group.protocolName = selectProtocol(group);
  group.state = group.members.size > 0 ? "CompletingRebalance" : "Empty";
  noteStateChange(scope);
  for (const member of group.members.values()) {
    member.isNew = false;
    member.hasSynced = false;
    // Their answers go out now, so their session time-outs begin anew.
    member.seenSeq = scope.context.seq;
  }
  return true;
}

/** The leader stays if it has joined; else the first member that has becomes it. */
function electLeader(group: ClassicGroup): boolean {
  const standing = group.leaderId === undefined ? undefined : group.members.get(group.leaderId);
  if (standing !== undefined && isAwaitingJoin(group, standing)) return true;
  for (const member of group.members.values()) {
    if (!isAwaitingJoin(group, member)) continue;
    group.leaderId = member.memberId;
    return true;
  }
  return false;
}
