import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { LeaveCommand, LeavingMember } from "./classic-command.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { checkMember, removeMember } from "./classic-members.ts";
import { completeRoundIfAllJoined, rebalanceAfterRemoval } from "./classic-round.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import type { GroupScope } from "./group-scope.ts";

export function foldLeave(command: LeaveCommand, group: ClassicGroup, scope: GroupScope): GroupOutcome {
  const membersBefore = group.members.size;
  const errors = command.members.map((leaving) => leave(group, leaving));
  if (group.members.size < membersBefore) rebalanceAfterRemoval(group, scope);
  // Reserved ids that are given back may have been the last that a round waited for.
  else completeRoundIfAllJoined(group, scope);
  return { kind: "left", errors };
}

function leave(group: ClassicGroup, leaving: LeavingMember): ErrorCode {
  const { memberId, groupInstanceId } = leaving;
  if (memberId === "") {
    // An administrator removes whoever has the instance id.
    const standing = groupInstanceId === undefined ? undefined : group.staticMembers.get(groupInstanceId);
    if (standing === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    removeMember(group, standing);
    return ErrorCode.NONE;
  }
  if (group.pendingMembers.delete(memberId)) return ErrorCode.NONE;
  const error = checkMember(group, leaving);
  if (error === ErrorCode.NONE) removeMember(group, memberId);
  return error;
}
