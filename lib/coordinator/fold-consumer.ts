import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { normalized } from "./assignment-sets.ts";
import { mustRejoin } from "./consumer-classic-checks.ts";
import type {
  ConsumerHeartbeatCommand,
  ExpireRebalanceCommand,
  MetadataChangedCommand,
  SetTargetAssignmentCommand,
} from "./consumer-command.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { LEAVE_EPOCH, LEAVE_FOR_A_WHILE_EPOCH, memberFor, setMember, subscribedRegexes } from "./consumer-members.ts";
import { raiseGroupEpoch, removeConsumerMembers } from "./consumer-removal.ts";
import { foldHeartbeatOrJoin } from "./fold-consumer-heartbeat.ts";
import type { ExpireMemberCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, type GroupScope, MOVED, refused } from "./group-scope.ts";
import type { GroupJournalState } from "./group-state.ts";

/** ConsumerGroupHeartbeat (KIP-848): joins, leaves, and all that members tell of themselves. */
export function foldConsumerHeartbeat(
  state: GroupJournalState,
  command: ConsumerHeartbeatCommand,
  context: FoldContext,
): GroupOutcome {
  const { groupId, memberEpoch } = command;
  if (memberEpoch !== LEAVE_EPOCH && memberEpoch !== LEAVE_FOR_A_WHILE_EPOCH) {
    return foldHeartbeatOrJoin(state, command, context);
  }
  const group = state.groups.get(groupId);
  if (group?.membership.type !== "consumer") return refused(ErrorCode.GROUP_ID_NOT_FOUND);
  return leave(command, group.membership, { state, group, context });
}

function leave(command: ConsumerHeartbeatCommand, consumer: ConsumerGroup, scope: GroupScope): GroupOutcome {
  const member = memberFor(consumer, command);
  if (typeof member === "number") return refused(member);
  const { memberEpoch, instanceId } = command;
  if (memberEpoch === LEAVE_FOR_A_WHILE_EPOCH && instanceId !== undefined) {
    // It is expected back within its session time-out, and keeps its partitions until then.
    const pendingRevocation = new Map();
    setMember(consumer, member, { memberEpoch, state: "Stable", pendingRevocation, seenSeq: scope.context.seq });
  } else {
    removeConsumerMembers(consumer, [member.memberId], scope);
  }
  return { kind: "consumer-heartbeat", memberEpoch, assignment: undefined };
}

export function foldSetTargetAssignment(
  command: SetTargetAssignmentCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  if (!isAsSeen(command, consumer, scope) || consumer.assignmentEpoch === consumer.groupEpoch) return MOVED;
  consumer.targetAssignment.clear();
  for (const { memberId, partitions } of command.target) {
    const target = normalized(partitions);
    if (target.size > 0 && consumer.members.has(memberId)) consumer.targetAssignment.set(memberId, target);
  }
  consumer.assignmentEpoch = consumer.groupEpoch;
  return DONE;
}

export function foldMetadataChanged(
  command: MetadataChangedCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  if (!isAsSeen(command, consumer, scope) || command.clusterSeq < consumer.metadataSeq) return MOVED;
  consumer.metadataSeq = command.clusterSeq;
  const used = subscribedRegexes(consumer);
  const resolved = new Map(
    command.resolvedRegexes.filter(({ regex }) => used.has(regex)).map(({ regex, topicNames }) => [regex, topicNames]),
  );
  if (command.metadataHash === consumer.metadataHash && isSame(resolved, consumer.resolvedRegexes)) return DONE;
  consumer.metadataHash = command.metadataHash;
  consumer.resolvedRegexes.clear();
  for (const [regex, topicNames] of resolved) consumer.resolvedRegexes.set(regex, topicNames);
  raiseGroupEpoch(consumer, scope);
  return DONE;
}

function isAsSeen(
  command: SetTargetAssignmentCommand | MetadataChangedCommand,
  consumer: ConsumerGroup,
  { group }: GroupScope,
): boolean {
  return command.createdSeq === group.createdSeq && command.groupEpoch === consumer.groupEpoch;
}

function isSame(one: ReadonlyMap<string, readonly string[]>, other: ReadonlyMap<string, readonly string[]>): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([regex, topicNames]) => {
    const others = other.get(regex);
    return others?.length === topicNames.length && topicNames.every((name, index) => others[index] === name);
  });
}

export function foldExpireRebalance(
  command: ExpireRebalanceCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  const member = consumer.members.get(command.memberId);
  if (member === undefined || member.memberEpoch !== command.memberEpoch) return MOVED;
  const isLate = member.classic === undefined ? member.state === "UnrevokedPartitions" : mustRejoin(consumer, member);
  if (!isLate) return MOVED;
  removeConsumerMembers(consumer, [member.memberId], scope);
  return DONE;
}

export function foldExpireConsumerMember(
  command: ExpireMemberCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  const member = consumer.members.get(command.memberId);
  if (member === undefined || member.seenSeq !== command.seenSeq) return MOVED;
  removeConsumerMembers(consumer, [member.memberId], scope);
  return DONE;
}
