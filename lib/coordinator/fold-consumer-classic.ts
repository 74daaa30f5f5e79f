import { ErrorCode } from "#lib/protocol/error-code.ts";
import { NO_PARTITIONS } from "./assignment-sets.ts";
import type { HeartbeatCommand, JoinCommand, LeaveCommand, LeavingMember, SyncCommand } from "./classic-command.ts";
import { checkHeartbeatInConsumerGroup, checkSyncInConsumerGroup } from "./consumer-classic-checks.ts";
import type { ConsumerSubscription } from "./consumer-command.ts";
import { downgradeGroup } from "./consumer-conversion.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import { mustDowngrade, newConsumerMember, staticMember } from "./consumer-members.ts";
import { removeConsumerMembers } from "./consumer-removal.ts";
import { foldJoin } from "./fold-classic-join.ts";
import { comeBack, updateConsumerMember } from "./fold-consumer-heartbeat.ts";
import { copyProtocols } from "./group-fields.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, type GroupScope, refused } from "./group-scope.ts";

// Members of a consumer group that speak the classic protocol.

/** JoinGroup. Nobody waits for others: the answer says the member's epoch as its generation. */
export function foldJoinConsumerGroup(command: JoinCommand, consumer: ConsumerGroup, scope: GroupScope): GroupOutcome {
  const error = checkJoin(command, consumer);
  if (error !== ErrorCode.NONE) return refused(error);
  if (command.mustReserve && command.isNewMemberId && command.groupInstanceId === undefined) {
    // Nothing is remembered: this group waits for nobody, and takes in whoever comes with an id.
    return { kind: "reserved" };
  }
  const { subscription } = command;
  if (subscription === undefined) return { kind: "subscription-needed" };
  // Whoever was expelled and does not know it yet has to give up first what others may have by now.
  const isStranger = !command.isNewMemberId && !consumer.members.has(command.memberId);
  if (isStranger && (subscription.owned?.size ?? 0) > 0) return refused(ErrorCode.UNKNOWN_MEMBER_ID);
  const member = joiningMember(command, consumer, scope);
  // Without a word about what they own members have given up everything before they joined.
  const owned = subscription.owned ?? NO_PARTITIONS;
  updateConsumerMember(consumer, member, { fields: joinFields(command, member, subscription), owned }, scope);
  if (mustDowngrade(consumer)) {
    // The last member of the consumer protocol speaks the classic one from now on.
    downgradeGroup(consumer, scope);
    return foldJoin(scope.state, { ...command, isNewMemberId: false }, scope.context);
  }
  const protocolName = command.protocols[0]?.name ?? "";
  return { kind: "joined-consumer-group", memberEpoch: member.memberEpoch, protocolName };
}

function checkJoin(command: JoinCommand, consumer: ConsumerGroup): ErrorCode {
  const { memberId, groupInstanceId, groupSizeMax } = command;
  if (!supportsProtocols(command, consumer)) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  const isMember = consumer.members.has(memberId);
  if (groupInstanceId !== undefined) {
    const standing = staticMember(consumer, groupInstanceId);
    if (standing !== undefined && standing.memberId !== memberId) {
      // Whoever has a new id takes the static member's place; whoever has an old one was replaced itself.
      return command.isNewMemberId && !isMember ? ErrorCode.NONE : ErrorCode.FENCED_INSTANCE_ID;
    }
    if (standing === undefined && !command.isNewMemberId) return ErrorCode.UNKNOWN_MEMBER_ID;
  }
  return isMember || consumer.members.size < groupSizeMax ? ErrorCode.NONE : ErrorCode.GROUP_MAX_SIZE_REACHED;
}

/** Classic members need a protocol in common, for the day when their group is classic again. */
function supportsProtocols({ memberId, protocolType, protocols }: JoinCommand, consumer: ConsumerGroup): boolean {
  if (protocolType !== "consumer") return false;
  return protocols.some(({ name }) => {
    for (const member of consumer.members.values()) {
      if (member.classic === undefined || member.memberId === memberId) continue;
      if (!member.classic.protocols.some((protocol) => protocol.name === name)) return false;
    }
    return true;
  });
}

function joiningMember(command: JoinCommand, consumer: ConsumerGroup, scope: GroupScope): ConsumerMember {
  const { memberId, groupInstanceId } = command;
  const byInstance = groupInstanceId === undefined ? undefined : staticMember(consumer, groupInstanceId);
  const standing = byInstance ?? consumer.members.get(memberId);
  if (standing === undefined) return newConsumerMember(memberId);
  const isBack = standing.memberEpoch < 0 || standing.memberId !== memberId;
  return isBack ? comeBack(consumer, { standing, memberId }, scope) : standing;
}

function joinFields(
  command: JoinCommand,
  member: ConsumerMember,
  subscription: ConsumerSubscription,
): Partial<ConsumerMember> {
  const { clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols } = command;
  return {
    instanceId: command.groupInstanceId ?? member.instanceId,
    rackId: subscription.rackId ?? member.rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    subscribedTopicNames: subscription.topicNames,
    subscribedTopicRegex: undefined,
    classic: { sessionTimeoutMs, protocols: copyProtocols(protocols) },
  };
}

/** SyncGroup: a sign of life. The answer is in the state already. */
export function foldSyncInConsumerGroup(
  command: SyncCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  const error = checkSyncInConsumerGroup(consumer, command);
  if (error !== ErrorCode.NONE) return refused(error);
  noteSeen(consumer, command.memberId, scope);
  return DONE;
}

export function foldHeartbeatInConsumerGroup(
  command: HeartbeatCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  const error = checkHeartbeatInConsumerGroup(consumer, command);
  if (error === ErrorCode.NONE || error === ErrorCode.REBALANCE_IN_PROGRESS) {
    noteSeen(consumer, command.memberId, scope);
  }
  return error === ErrorCode.NONE ? DONE : refused(error);
}

function noteSeen(consumer: ConsumerGroup, memberId: string, scope: GroupScope): void {
  const member = consumer.members.get(memberId);
  if (member !== undefined) member.seenSeq = scope.context.seq;
}

/** LeaveGroup, and the removal of members of either protocol by an administrator. */
export function foldLeaveConsumerGroup(
  command: LeaveCommand,
  consumer: ConsumerGroup,
  scope: GroupScope,
): GroupOutcome {
  const leaving = new Set<string>();
  const errors = command.members.map((member) => {
    const found = leavingMember(consumer, member);
    if (typeof found === "number") return found;
    leaving.add(found.memberId);
    return ErrorCode.NONE;
  });
  if (leaving.size > 0) removeConsumerMembers(consumer, leaving, scope);
  return { kind: "left", errors };
}

function leavingMember(consumer: ConsumerGroup, leaving: LeavingMember): ConsumerMember | ErrorCode {
  const { memberId, groupInstanceId } = leaving;
  const standing =
    groupInstanceId === undefined ? consumer.members.get(memberId) : staticMember(consumer, groupInstanceId);
  if (standing === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const isNamed = memberId === "" || standing.memberId === memberId;
  return isNamed ? standing : ErrorCode.FENCED_INSTANCE_ID;
}
