import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { checkMember } from "./classic-members.ts";
import { checkConsumerCommit, isSuperseded } from "./consumer-commits.ts";
import type { CommitOffsetsCommand, CommitPartition, DeleteOffsetsCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { createGroup, DONE, type GroupScope, MOVED, refused } from "./group-scope.ts";
import type { CommittedOffset, GroupJournalState, GroupState } from "./group-state.ts";

/** OffsetCommit. Who is no member may commit too, but only where nobody is: such a group is made by its first commit. */
export function foldCommitOffsets(
  state: GroupJournalState,
  command: CommitOffsetsCommand,
  context: FoldContext,
): GroupOutcome {
  const standing = state.groups.get(command.groupId);
  const error = standing === undefined ? checkWithoutGroup(command) : checkCommit(command, standing);
  if (error !== ErrorCode.NONE) return refused(error);
  if (command.clusterSeq < state.lastDropSeq) return { kind: "stale-view" };
  const commitsNothing = command.topics.every(({ partitions }) => partitions.length === 0);
  if (standing === undefined && commitsNothing) return DONE;
  const group = standing ?? createGroup(state, command.groupId, context).group;
  for (const { topicId, partitions } of command.topics) {
    for (const partition of partitions) {
      if (isSuperseded(command, { topicId, partition }, group)) continue;
      keepOffset(group, topicId, committed(partition, context));
    }
  }
  noteCommitter(command, group, context);
  return DONE;
}

function checkWithoutGroup(command: CommitOffsetsCommand): ErrorCode {
  if (command.generationIdOrMemberEpoch < 0) return ErrorCode.NONE;
  return command.knowsMemberEpochs ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
}

function checkCommit(command: CommitOffsetsCommand, { membership }: GroupState): ErrorCode {
  if (membership.type === "consumer") return checkConsumerCommit(command, membership);
  return checkClassicCommit(command, membership);
}

function checkClassicCommit(command: CommitOffsetsCommand, group: ClassicGroup): ErrorCode {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = command;
  if (generationId < 0 && group.state === "Empty") return ErrorCode.NONE;
  const saysMember = generationId >= 0 || memberId !== "" || groupInstanceId !== undefined;
  if (!saysMember) return ErrorCode.UNKNOWN_MEMBER_ID;
  const error = checkMember(group, command);
  if (error !== ErrorCode.NONE) return error;
  if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  // The member has heard of the generation and not yet of its partitions: what it commits are those of the last one.
  if (group.state === "CompletingRebalance") return ErrorCode.REBALANCE_IN_PROGRESS;
  return ErrorCode.NONE;
}

function committed(partition: CommitPartition, context: FoldContext): [number, CommittedOffset] {
  const { partitionIndex, offset, leaderEpoch, metadata, expiresAtMs } = partition;
  const { proposedAtMs: committedAtMs, seq: commitSeq } = context;
  return [partitionIndex, { offset, leaderEpoch, metadata, committedAtMs, expiresAtMs, commitSeq }];
}

export function keepOffset(
  group: GroupState,
  topicId: TopicId,
  [partitionIndex, offset]: [number, CommittedOffset],
): void {
  let offsets = group.offsets.get(topicId);
  if (offsets === undefined) {
    offsets = new Map();
    group.offsets.set(topicId, offsets);
  }
  offsets.set(partitionIndex, offset);
}

/** A classic member's commit is a sign of life, as in Kafka. */
function noteCommitter(command: CommitOffsetsCommand, { membership }: GroupState, context: FoldContext): void {
  if (membership.type !== "classic") return;
  const member = membership.members.get(command.memberId);
  if (member !== undefined) member.seenSeq = context.seq;
}

export function foldDeleteOffsets(command: DeleteOffsetsCommand, scope: GroupScope): GroupOutcome {
  const { group } = scope;
  const { membership } = group;
  // Only consumers say which topics they subscribe to; of others nobody knows what they still need.
  const isOpaque = membership.type === "classic" && membership.protocolType !== "consumer";
  if (isOpaque && membership.state !== "Empty") return refused(ErrorCode.NON_EMPTY_GROUP);
  if (group.changedSeq !== command.changedSeq) return MOVED;
  for (const { topicId, partitionIndex } of command.partitions) forgetOffset(group, topicId, partitionIndex);
  return DONE;
}

export function forgetOffset(group: GroupState, topicId: TopicId, partitionIndex: number): void {
  const offsets = group.offsets.get(topicId);
  offsets?.delete(partitionIndex);
  if (offsets?.size === 0) group.offsets.delete(topicId);
}
