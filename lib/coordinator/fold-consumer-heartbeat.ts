import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { ConsumerHeartbeatCommand } from "./consumer-command.ts";
import { upgradedGroup } from "./consumer-conversion.ts";
import { type ConsumerGroup, type ConsumerMember, newConsumerGroup } from "./consumer-group.ts";
import { checkConsumerHeartbeat, haveSameSubscription, heartbeatOutcome, toldFields } from "./consumer-heartbeat.ts";
import {
  epochFields,
  forgetUnusedRegexes,
  JOIN_EPOCH,
  newConsumerMember,
  replaceStaticMember,
  setMember,
  staticMember,
} from "./consumer-members.ts";
import { reconciled } from "./consumer-reconciliation.ts";
import { raiseGroupEpoch } from "./consumer-removal.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { createGroup, type GroupScope, noteStateChange, refused, replaceMembership } from "./group-scope.ts";
import type { GroupJournalState, GroupState } from "./group-state.ts";
import type { Assignment } from "./member-types.ts";

/** A heartbeat that is no leave. Whoever shows epoch 0 joins, and makes the group if there is none. */
export function foldHeartbeatOrJoin(
  state: GroupJournalState,
  command: ConsumerHeartbeatCommand,
  context: FoldContext,
): GroupOutcome {
  const standing = state.groups.get(command.groupId);
  const isConsumer = standing?.membership.type === "consumer";
  if (!isConsumer && command.memberEpoch !== JOIN_EPOCH) return refused(ErrorCode.GROUP_ID_NOT_FOUND);
  const found = consumerGroupFor(standing, command);
  if (found.kind !== "group") return found;
  const { consumer } = found;
  const error = checkConsumerHeartbeat(consumer, command);
  if (error !== ErrorCode.NONE) return refused(error);
  const scope =
    standing === undefined ? createGroup(state, command.groupId, context) : { state, group: standing, context };
  if (!isConsumer) replaceMembership(scope, consumer);
  return beat(command, consumer, scope);
}

type Found = { readonly kind: "group"; readonly consumer: ConsumerGroup } | Exclude<GroupOutcome, { kind: "group" }>;

/** The group, or what a classic one is to become for a member of the consumer protocol; or why it cannot. */
function consumerGroupFor(standing: GroupState | undefined, command: ConsumerHeartbeatCommand): Found {
  if (standing === undefined) return { kind: "group", consumer: newConsumerGroup() };
  const { membership } = standing;
  if (membership.type === "consumer") return { kind: "group", consumer: membership };
  if (membership.members.size === 0) return { kind: "group", consumer: newConsumerGroup() };
  const isPossible = membership.protocolType === "consumer" && membership.members.size <= command.groupSizeMax;
  if (!isPossible) return refused(ErrorCode.GROUP_ID_NOT_FOUND);
  const { upgrade } = command;
  if (upgrade === undefined || upgrade.changedSeq !== standing.changedSeq) return { kind: "upgrade-needed" };
  const consumer = upgradedGroup(membership, upgrade.members);
  return consumer === undefined ? { kind: "upgrade-needed" } : { kind: "group", consumer };
}

function beat(command: ConsumerHeartbeatCommand, group: ConsumerGroup, scope: GroupScope): GroupOutcome {
  const member = beatingMember(command, group, scope);
  const before = { memberEpoch: member.memberEpoch, assigned: member.assigned };
  const { clientId, clientHost } = command;
  group.classicSizeMax = command.classicSizeMax;
  updateConsumerMember(
    group,
    member,
    { fields: { ...toldFields(member, command), clientId, clientHost, classic: undefined }, owned: command.owned },
    scope,
  );
  return heartbeatOutcome(member, command, before);
}

/** The member that beats: one that is there, a static one's new self, or a new one. */
function beatingMember(command: ConsumerHeartbeatCommand, group: ConsumerGroup, scope: GroupScope): ConsumerMember {
  const { memberId, instanceId, memberEpoch } = command;
  const byInstance = instanceId === undefined ? undefined : staticMember(group, instanceId);
  const standing = byInstance ?? group.members.get(memberId);
  if (standing === undefined) return newConsumerMember(memberId);
  const isBack = memberEpoch === JOIN_EPOCH && standing.memberEpoch < 0;
  if (!isBack && standing.memberId === memberId) return standing;
  return comeBack(group, { standing, memberId }, scope);
}

/** A static member's new self takes its old one's place. */
export function comeBack(
  group: ConsumerGroup,
  who: { readonly standing: ConsumerMember; readonly memberId: string },
  scope: GroupScope,
): ConsumerMember {
  // A target that is being computed names the old id, and would leave the new one with nothing.
  if (group.groupEpoch > group.assignmentEpoch) raiseGroupEpoch(group, scope);
  return replaceStaticMember(group, who.standing, who.memberId);
}

/** Takes in what a member has told, raises the group epoch if that concerns its subscription, and moves the member on. */
export function updateConsumerMember(
  group: ConsumerGroup,
  member: ConsumerMember,
  told: { readonly fields: Partial<ConsumerMember>; readonly owned: Assignment | undefined },
  scope: GroupScope,
): void {
  const isNew = !group.members.has(member.memberId);
  const changesSubscription = isNew || !haveSameSubscription(member, { ...member, ...told.fields });
  if (group.members.size === 0) noteStateChange(scope);
  setMember(group, member, { ...told.fields, seenSeq: scope.context.seq });
  if (changesSubscription) {
    forgetUnusedRegexes(group);
    raiseGroupEpoch(group, scope);
    member.subscriptionEpoch = group.groupEpoch;
  }
  const next = reconciled(group, member, told.owned);
  if (next !== undefined) setMember(group, member, { ...next, ...epochFields(member, next.memberEpoch) });
}
