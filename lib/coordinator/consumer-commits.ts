import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import type { CommitOffsetsCommand, CommitPartition } from "./group-command.ts";
import type { GroupState } from "./group-state.ts";

/**
 * Whether a commit is the group's to take: NONE, or why not. A member may commit whatever it likes at its present epoch. It may
 * be late, too, at an epoch that it has left since, if it already held then what it commits for, and holds it still (KIP-1251).
 */
export function checkConsumerCommit(command: CommitOffsetsCommand, consumer: ConsumerGroup): ErrorCode {
  const { memberId, generationIdOrMemberEpoch: memberEpoch, knowsMemberEpochs } = command;
  // Administrators set the offsets of a group that nobody is in.
  if (memberEpoch < 0 && consumer.members.size === 0) return ErrorCode.NONE;
  const member = consumer.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const isClassic = member.classic !== undefined;
  if (!isClassic && !knowsMemberEpochs) return ErrorCode.UNSUPPORTED_VERSION;
  const isPresent = memberEpoch === member.memberEpoch && !awaitsFirstTarget(member);
  if (isPresent || hasHeldAll(command, member, consumer)) return ErrorCode.NONE;
  return isClassic ? ErrorCode.ILLEGAL_GENERATION : ErrorCode.STALE_MEMBER_EPOCH;
}

/** Whether the member has held all of it since the epoch that it shows, or before. */
function hasHeldAll(
  { generationIdOrMemberEpoch: shown, topics }: CommitOffsetsCommand,
  member: ConsumerMember,
  consumer: ConsumerGroup,
): boolean {
  if (shown > member.memberEpoch) return false;
  return topics.every(({ topicId, partitions }) => {
    const held = consumer.holders.get(topicId);
    return partitions.every(({ partitionIndex }) => {
      const holder = held?.get(partitionIndex);
      return holder?.memberId === member.memberId && holder.sinceEpoch <= shown;
    });
  });
}

/**
 * Whether a commit that is taken has come too late to count: the member does not hold the partition, others of the group read
 * the topic, and what is committed is further. It was sent before the partition changed hands, or by a client that still had
 * records of it; either way it is as if it had come just before the one that stands. (Kafka goes back.)
 */
export function isSuperseded(
  command: CommitOffsetsCommand,
  { topicId, partition }: { readonly topicId: TopicId; readonly partition: CommitPartition },
  { membership, offsets }: GroupState,
): boolean {
  if (membership.type !== "consumer" || command.generationIdOrMemberEpoch < 0) return false;
  const held = membership.holders.get(topicId);
  if (held === undefined || held.get(partition.partitionIndex)?.memberId === command.memberId) return false;
  const standing = offsets.get(topicId)?.get(partition.partitionIndex);
  return standing !== undefined && partition.offset < standing.offset;
}

/**
 * Whether the member has joined, and no target knows of it yet. Until then it stands at the epoch of the target before, which
 * may be that of an older self of the same id.
 */
function awaitsFirstTarget({ memberEpoch, subscriptionEpoch, assigned, pendingRevocation }: ConsumerMember): boolean {
  return memberEpoch < subscriptionEpoch && assigned.size === 0 && pendingRevocation.size === 0;
}
