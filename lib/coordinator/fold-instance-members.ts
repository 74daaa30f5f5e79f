import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { ConsumerHeartbeatCommand } from "./consumer-command.ts";
import {
  type ConsumerInstance,
  findInstance,
  heldPartitions,
  instanceMember,
  isSubscribed,
  keepPositionsOf,
} from "./consumer-instance.ts";
import { JOIN_EPOCH } from "./consumer-members.ts";
import { removeConsumerMembers } from "./consumer-removal.ts";
import { foldConsumerHeartbeat } from "./fold-consumer.ts";
import { keepOffset } from "./fold-offsets.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { createGroup } from "./group-scope.ts";
import type { GroupJournalState, GroupState } from "./group-state.ts";

// Where consumer instances and the groups of their journal meet: heartbeats of instances' members, their leaving, and what
// instances commit.

/**
 * ConsumerGroupHeartbeat. If the member is an instance's, that keeps no position of what it does not hold any more, nor any
 * over a new beginning: then committed offsets count, for others may have read on meanwhile.
 */
export function foldHeartbeatWithInstances(
  state: GroupJournalState,
  command: ConsumerHeartbeatCommand,
  context: FoldContext,
): GroupOutcome {
  const instance = findInstance(state, { groupId: command.groupId, instanceId: command.memberId });
  if (instance === undefined || !isSubscribed(instance)) return foldConsumerHeartbeat(state, command, context);
  const before = holdingsOf(state, instance);
  const outcome = foldConsumerHeartbeat(state, command, context);
  if (outcome.kind !== "consumer-heartbeat") return outcome;
  instance.seenSeq = context.seq;
  const after = holdingsOf(state, instance);
  const isJoin = command.memberEpoch === JOIN_EPOCH;
  if (!isJoin && before.every((part, index) => part === after[index])) return outcome;
  if (isJoin) {
    instance.positions.clear();
    instance.hasUncommitted = false;
  } else {
    keepPositionsOf(instance, heldPartitions(state, instance));
  }
  instance.version++;
  return outcome;
}

/** Compared by identity: the fold makes them anew with every change. */
function holdingsOf(state: GroupJournalState, instance: ConsumerInstance): readonly unknown[] {
  const member = instanceMember(state, instance);
  return [member, member?.assigned, member?.pendingRevocation];
}

/** Takes the instance's member out of the group, if it is there. */
export function leaveGroup(state: GroupJournalState, instance: ConsumerInstance, context: FoldContext): void {
  const group = state.groups.get(instance.groupId);
  const isMember = isSubscribed(instance) && instanceMember(state, instance) !== undefined;
  if (group?.membership.type !== "consumer" || !isMember) return;
  removeConsumerMembers(group.membership, [instance.instanceId], { state, group, context });
}

/**
 * Commits the instance's positions. What was assigned by hand is nobody's in the group, so it is committed as by anybody
 * who is no member: only where nobody is. What a member had that was expelled is not its own any more.
 */
export function commitInstance(state: GroupJournalState, instance: ConsumerInstance, context: FoldContext): ErrorCode {
  const standing = state.groups.get(instance.groupId);
  if (!isSubscribed(instance) && standing !== undefined && hasMembers(standing)) return ErrorCode.NON_EMPTY_GROUP;
  instance.hasUncommitted = false;
  if (instance.positions.size === 0 || heldPartitions(state, instance).size === 0) return ErrorCode.NONE;
  const group = standing ?? createGroup(state, instance.groupId, context).group;
  const { proposedAtMs: committedAtMs, seq: commitSeq } = context;
  const fields = { leaderEpoch: -1, metadata: "", expiresAtMs: -1, committedAtMs, commitSeq };
  for (const [topicId, positions] of instance.positions) {
    for (const [partition, offset] of positions) {
      const committed = group.offsets.get(topicId)?.get(partition);
      if (committed?.offset !== offset) keepOffset(group, topicId, [partition, { offset, ...fields }]);
    }
  }
  return ErrorCode.NONE;
}

function hasMembers({ membership }: GroupState): boolean {
  return membership.type === "consumer" ? membership.members.size > 0 : membership.state !== "Empty";
}
