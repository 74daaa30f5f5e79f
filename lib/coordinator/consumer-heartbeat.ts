import { ErrorCode } from "#lib/protocol/error-code.ts";
import { haveSamePartitions } from "./assignment-sets.ts";
import type { ConsumerHeartbeatCommand } from "./consumer-command.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import { checkMemberEpoch, JOIN_EPOCH, LEAVE_FOR_A_WHILE_EPOCH, memberFor, staticMember } from "./consumer-members.ts";
import { hasItsTarget, reconciled } from "./consumer-reconciliation.ts";
import type { ConsumerHeartbeatOutcome } from "./group-outcome.ts";
import type { Assignment } from "./member-types.ts";

// What a heartbeat says, whether it may, and what it is answered.

/** Whether a heartbeat that is no leave may be taken: NONE, or why not. Changes nothing. */
export function checkConsumerHeartbeat(group: ConsumerGroup, command: ConsumerHeartbeatCommand): ErrorCode {
  if (command.memberEpoch === JOIN_EPOCH) return checkJoin(group, command);
  const member = memberFor(group, command);
  return typeof member === "number" ? member : checkMemberEpoch(member, command);
}

function checkJoin(group: ConsumerGroup, command: ConsumerHeartbeatCommand): ErrorCode {
  const { memberId, instanceId, groupSizeMax } = command;
  const standing = instanceId === undefined ? undefined : staticMember(group, instanceId);
  const isMember = group.members.has(memberId);
  if (standing !== undefined && standing.memberId !== memberId) {
    // Somebody else may only follow a static member that has said good-bye, or one that spoke the classic protocol.
    const isReleased = standing.memberEpoch === LEAVE_FOR_A_WHILE_EPOCH || standing.classic !== undefined;
    return isReleased && !isMember ? ErrorCode.NONE : ErrorCode.UNRELEASED_INSTANCE_ID;
  }
  // Kafka refuses those as well who take a static member's place in a full group, although it does not grow by them.
  if (!isMember && group.members.size >= groupSizeMax) return ErrorCode.GROUP_MAX_SIZE_REACHED;
  return ErrorCode.NONE;
}

/** The member's fields after the heartbeat; what it does not mention stays. */
export function toldFields(member: ConsumerMember, command: ConsumerHeartbeatCommand) {
  const { rebalanceTimeoutMs, subscribedTopicRegex: regex } = command;
  return {
    instanceId: command.instanceId ?? member.instanceId,
    rackId: command.rackId ?? member.rackId,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : rebalanceTimeoutMs,
    subscribedTopicNames: command.subscribedTopicNames ?? member.subscribedTopicNames,
    subscribedTopicRegex: regex === undefined ? member.subscribedTopicRegex : regex || undefined,
    serverAssignor: command.serverAssignor ?? member.serverAssignor,
  } satisfies Partial<ConsumerMember>;
}

type Subscription = Pick<ConsumerMember, "subscribedTopicNames" | "subscribedTopicRegex">;

export function haveSameSubscription(one: Subscription, other: Subscription): boolean {
  const [names, otherNames] = [one.subscribedTopicNames, other.subscribedTopicNames];
  if (one.subscribedTopicRegex !== other.subscribedTopicRegex || names.length !== otherNames.length) return false;
  return names.every((name, index) => otherNames[index] === name);
}

/**
 * The answer: with the assignment if the member joins, tells everything anew (as clients do after an error), has missed
 * the answer with its present epoch, or if its assignment has changed.
 */
export function heartbeatOutcome(
  member: ConsumerMember,
  command: ConsumerHeartbeatCommand,
  before: Pick<ConsumerMember, "memberEpoch" | "assigned">,
): ConsumerHeartbeatOutcome {
  const { memberEpoch, assigned } = member;
  const isBehind = command.memberEpoch === JOIN_EPOCH || command.memberEpoch !== before.memberEpoch;
  const isTold = isBehind || isFullRequest(command) || !haveSamePartitions(before.assigned, assigned);
  return { kind: "consumer-heartbeat", memberEpoch, assignment: isTold ? assigned : undefined };
}

function isFullRequest(command: ConsumerHeartbeatCommand): boolean {
  const { rebalanceTimeoutMs, subscribedTopicNames, subscribedTopicRegex, owned } = command;
  const isSubscribing = subscribedTopicNames !== undefined || subscribedTopicRegex !== undefined;
  return rebalanceTimeoutMs !== -1 && isSubscribing && owned !== undefined;
}

/**
 * The answer to a heartbeat that changes nothing: it needs no record unless a third of the session time-out has passed
 * since the last one. undefined if it must be proposed.
 */
export function unchangedHeartbeat(
  group: ConsumerGroup,
  command: ConsumerHeartbeatCommand,
): ConsumerHeartbeatOutcome | undefined {
  if (command.memberEpoch <= JOIN_EPOCH || checkConsumerHeartbeat(group, command) !== ErrorCode.NONE) return undefined;
  const member = group.members.get(command.memberId);
  if (member === undefined || member.classic !== undefined) return undefined;
  const told = toldFields(member, command);
  const isSame =
    haveSameSubscription(member, told) &&
    member.instanceId === told.instanceId &&
    member.rackId === told.rackId &&
    member.rebalanceTimeoutMs === told.rebalanceTimeoutMs &&
    member.serverAssignor === told.serverAssignor;
  if (!isSame) return undefined;
  const outcome = heartbeatOutcome(member, command, member);
  if (hasItsTarget(group, member)) return { ...outcome, memberEpoch: group.assignmentEpoch };
  return reconciled(group, member, command.owned) === undefined ? outcome : undefined;
}

/**
 * Whether the member may be moved on once more before it hears of `outcome`. If it does not say what it owns it counts as
 * owning whatever was given to it, and would be waited for to give up what it has never heard of.
 */
export function mayFollowUp(command: ConsumerHeartbeatCommand, outcome: ConsumerHeartbeatOutcome): boolean {
  return command.owned !== undefined || outcome.assignment === undefined;
}

/**
 * A heartbeat to be proposed together with a `set-target-assignment`, after `command` has had `outcome`, so that a member
 * has its part of the new target in the same answer and need not wait for its next heartbeat.
 */
export function followUpHeartbeat(
  command: ConsumerHeartbeatCommand,
  outcome: ConsumerHeartbeatOutcome,
): ConsumerHeartbeatCommand {
  return {
    ...command,
    memberEpoch: outcome.memberEpoch,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: undefined,
    subscribedTopicRegex: undefined,
    upgrade: undefined,
  };
}

/** The one answer to a heartbeat and its follow-up. */
export function joinedOutcomes(
  first: ConsumerHeartbeatOutcome,
  followUp: ConsumerHeartbeatOutcome,
): ConsumerHeartbeatOutcome {
  const assignment: Assignment | undefined = followUp.assignment ?? first.assignment;
  return { ...followUp, assignment };
}
