import { ErrorCode } from "#lib/protocol/error-code.ts";
import { NO_PARTITIONS } from "./assignment-sets.ts";
import type { ConsumerHeartbeatCommand, SetTargetAssignmentCommand } from "./consumer-command.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { checkConsumerHeartbeat, toldFields } from "./consumer-heartbeat.ts";
import { JOIN_EPOCH, newConsumerMember } from "./consumer-members.ts";
import { dueProposal, type TargetInputs } from "./consumer-target.ts";
import type { ConsumerHeartbeatOutcome } from "./group-outcome.ts";
import type { GroupState } from "./group-state.ts";

// What a newcomer's first heartbeat will do to its group, and the target that is due then. It is proposed behind the
// heartbeat, in the same record; the fold takes it only if nothing has come in between.

export interface ForeseenTarget {
  readonly target: SetTargetAssignmentCommand;
  /** Of the heartbeat itself, before there is the target. */
  readonly outcome: ConsumerHeartbeatOutcome;
}

/** undefined unless the heartbeat is that of a newcomer, and what it does is plain. */
export function foreseenTarget(
  group: GroupState,
  command: ConsumerHeartbeatCommand,
  inputs: TargetInputs,
): ForeseenTarget | undefined {
  const { membership } = group;
  if (membership.type !== "consumer" || !isPlainJoin(membership, command)) return undefined;
  const joined: GroupState = { ...group, membership: withNewcomer(membership, command) };
  const target = dueProposal(joined, inputs);
  // Topics have changed as well: one thing after the other.
  if (target?.kind !== "set-target-assignment") return undefined;
  const { assignmentEpoch: memberEpoch } = membership;
  return { target, outcome: { kind: "consumer-heartbeat", memberEpoch, assignment: NO_PARTITIONS } };
}

function isPlainJoin(group: ConsumerGroup, command: ConsumerHeartbeatCommand): boolean {
  const { memberEpoch, memberId, instanceId, owned } = command;
  // An empty group begins with its topics; a static member may be one that comes back.
  if (memberEpoch !== JOIN_EPOCH || instanceId !== undefined || owned === undefined) return false;
  if (group.members.size === 0 || group.members.has(memberId)) return false;
  // One that comes back, and one that finds the group full, leave the epoch as it was foreseen, and the target wrong.
  if (group.staticMembers.size > 0 || group.members.size + 1 >= command.groupSizeMax) return false;
  return group.groupEpoch === group.assignmentEpoch && checkConsumerHeartbeat(group, command) === ErrorCode.NONE;
}

function withNewcomer(group: ConsumerGroup, command: ConsumerHeartbeatCommand): ConsumerGroup {
  const { memberId } = command;
  const member = newConsumerMember(memberId);
  const members = new Map(group.members).set(memberId, { ...member, ...toldFields(member, command) });
  return { ...group, members, groupEpoch: group.groupEpoch + 1 };
}
