import { ErrorCode } from "#lib/protocol/error-code.ts";
import { dropTopicFromInstances } from "./consumer-instance.ts";
import { forgetOffset } from "./fold-offsets.ts";
import type { DropTopicCommand, ExpireOffsetsCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, type GroupScope, MOVED, refused } from "./group-scope.ts";
import type { GroupJournalState, GroupState } from "./group-state.ts";

export function foldDeleteGroup(scope: GroupScope): GroupOutcome {
  const { state, group } = scope;
  if (!isEmpty(group)) return refused(ErrorCode.NON_EMPTY_GROUP);
  state.groups.delete(group.groupId);
  return DONE;
}

export function foldExpireOffsets(command: ExpireOffsetsCommand, scope: GroupScope): GroupOutcome {
  const { state, group } = scope;
  if (group.changedSeq !== command.changedSeq) return MOVED;
  for (const { topicId, partitionIndex, commitSeq } of command.partitions) {
    const standing = group.offsets.get(topicId)?.get(partitionIndex);
    if (standing?.commitSeq === commitSeq) forgetOffset(group, topicId, partitionIndex);
  }
  const isExpected = group.membership.type === "classic" && group.membership.pendingMembers.size > 0;
  if (group.offsets.size === 0 && isEmpty(group) && !isExpected) state.groups.delete(group.groupId);
  return DONE;
}

/** Groups without members and offsets are left for `expire-offsets`: somebody may be about to join. */
export function foldDropTopic(state: GroupJournalState, command: DropTopicCommand): GroupOutcome {
  state.lastDropSeq = Math.max(state.lastDropSeq, command.clusterSeq);
  for (const group of state.groups.values()) group.offsets.delete(command.topicId);
  dropTopicFromInstances(state, command.topicId);
  return DONE;
}

function isEmpty({ membership }: GroupState): boolean {
  if (membership.type === "consumer") return membership.members.size === 0;
  return membership.state === "Empty";
}
