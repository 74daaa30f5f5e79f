import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { ExpireSyncCommand, SyncCommand } from "./classic-command.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { checkMember, removeMember, stateError } from "./classic-members.ts";
import { rebalanceAfterRemoval } from "./classic-round.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, type GroupScope, MOVED, noteStateChange, refused } from "./group-scope.ts";

const NO_BYTES = new Uint8Array(0);

/** What a SyncGroup may be refused for before anybody looks at assignments; NONE if nothing. */
export function checkSync(group: ClassicGroup, request: Omit<SyncCommand, "kind" | "assignments">): ErrorCode {
  const error = checkMember(group, request);
  if (error !== ErrorCode.NONE) return error;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  const { protocolType, protocolName } = request;
  const isConsistent =
    (protocolType === undefined || protocolType === group.protocolType) &&
    (protocolName === undefined || protocolName === group.protocolName);
  if (!isConsistent) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  return stateError(group);
}

export function foldSync(command: SyncCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const error = checkSync(group, command);
  if (error !== ErrorCode.NONE) return refused(error);
  const { seq } = scope.context;
  const member = group.members.get(command.memberId);
  if (member !== undefined) {
    member.hasSynced = true;
    member.seenSeq = seq;
  }
  if (group.state !== "CompletingRebalance" || group.leaderId !== command.memberId) return DONE;

  const assignments = new Map(command.assignments.map(({ memberId, assignment }) => [memberId, assignment]));
  for (const each of group.members.values()) {
    // Bytes of their own: a view would keep the whole record in memory.
    each.assignment = Uint8Array.from(assignments.get(each.memberId) ?? NO_BYTES);
    // Whoever waits for this is answered now.
    if (each.hasSynced) each.seenSeq = seq;
  }
  group.state = "Stable";
  noteStateChange(scope);
  return DONE;
}

export function foldExpireSync(command: ExpireSyncCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const isOver = group.state !== "CompletingRebalance" && group.state !== "Stable";
  if (isOver || group.round !== command.round || group.generationId !== command.generationId) return MOVED;
  const missing = [...group.members.values()].filter((member) => !member.hasSynced);
  if (missing.length === 0) return MOVED;
  for (const { memberId } of missing) removeMember(group, memberId);
  rebalanceAfterRemoval(group, scope);
  return DONE;
}
