import type { FoldContext, StateMachine } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { unreachable } from "#lib/util/assert.ts";
import type { HeartbeatCommand, JoinCommand, LeaveCommand, SyncCommand } from "./classic-command.ts";
import type { ClassicGroup } from "./classic-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { foldExpireClassicMember, foldHeartbeat } from "./fold-classic-heartbeat.ts";
import { foldCompleteJoin, foldJoin } from "./fold-classic-join.ts";
import { foldLeave } from "./fold-classic-leave.ts";
import { foldExpireSync, foldSync } from "./fold-classic-sync.ts";
import {
  foldExpireConsumerMember,
  foldExpireRebalance,
  foldMetadataChanged,
  foldSetTargetAssignment,
} from "./fold-consumer.ts";
import {
  foldHeartbeatInConsumerGroup,
  foldJoinConsumerGroup,
  foldLeaveConsumerGroup,
  foldSyncInConsumerGroup,
} from "./fold-consumer-classic.ts";
import { foldDeleteGroup, foldDropTopic, foldExpireOffsets } from "./fold-groups.ts";
import { foldHeartbeatWithInstances } from "./fold-instance-members.ts";
import { foldInstanceCommand } from "./fold-instances.ts";
import { foldCommitOffsets, foldDeleteOffsets } from "./fold-offsets.ts";
import type { GroupCommand } from "./group-command.ts";
import { decodeGroupCommand, encodeGroupCommand } from "./group-command-codec.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { encodeGroupOutcome } from "./group-outcome-codec.ts";
import { type GroupScope, MOVED, refused } from "./group-scope.ts";
import { type GroupJournalState, initialGroupJournalState } from "./group-state.ts";
import { decodeGroupJournalState, encodeGroupJournalState } from "./group-state-codec.ts";
import type { InstanceCommand } from "./instance-command.ts";
import { INSTANCE_KINDS } from "./instance-command-codec.ts";

export type GroupStateMachine = StateMachine<GroupJournalState, GroupCommand, GroupOutcome>;

/** 2: consumer instances. */
export const GROUP_FEATURE_LEVEL = 2;

export const groupStateMachine: GroupStateMachine = {
  featureLevel: GROUP_FEATURE_LEVEL,
  initial: initialGroupJournalState,
  fold: foldGroupCommand,
  encodeCommand: encodeGroupCommand,
  decodeCommand: decodeGroupCommand,
  encodeOutcome: encodeGroupOutcome,
  encodeState: encodeGroupJournalState,
  decodeState: decodeGroupJournalState,
  oldestNeededSeq: () => undefined,
};

/** Applies one command to the groups. Pure: time comes with the command; nothing is logged, read or written. */
export function foldGroupCommand(state: GroupJournalState, command: GroupCommand, context: FoldContext): GroupOutcome {
  if (isInstanceCommand(command)) return foldInstanceCommand(state, command, context);
  // These four may concern a group that is not there (yet).
  if (command.kind === "drop-topic") return foldDropTopic(state, command);
  if (command.kind === "consumer-heartbeat") return foldHeartbeatWithInstances(state, command, context);
  if (command.kind === "commit-offsets") return foldCommitOffsets(state, command, context);
  if (command.kind === "join" && !hasConsumers(state, command)) return foldJoin(state, command, context);

  const group = state.groups.get(command.groupId);
  if (group === undefined) return outcomeWithoutGroup(command);
  const scope = { state, group, context };
  if (command.kind === "delete-offsets") return foldDeleteOffsets(command, scope);
  if (command.kind === "expire-offsets") return foldExpireOffsets(command, scope);
  if (command.kind === "delete-group") return foldDeleteGroup(scope);
  const { membership } = group;
  if (membership.type === "classic") return foldInClassicGroup(command, membership, scope);
  return foldInConsumerGroup(command, membership, scope);
}

function isInstanceCommand(command: GroupCommand): command is InstanceCommand {
  return command.kind in INSTANCE_KINDS;
}

/** A consumer group with members takes classic members in as well; an empty one makes way for a classic group. */
function hasConsumers(state: GroupJournalState, command: JoinCommand): boolean {
  const membership = state.groups.get(command.groupId)?.membership;
  return membership?.type === "consumer" && membership.members.size > 0;
}

type CommandOnGroup = Exclude<
  Exclude<GroupCommand, InstanceCommand>,
  { readonly kind: "drop-topic" | "consumer-heartbeat" | "commit-offsets" | "join" }
>;
type CommandOnMembers =
  | JoinCommand
  | Exclude<CommandOnGroup, { readonly kind: "delete-offsets" | "expire-offsets" | "delete-group" }>;

function outcomeWithoutGroup(command: CommandOnGroup | JoinCommand): GroupOutcome {
  switch (command.kind) {
    case "sync":
    case "heartbeat":
    case "join":
      return refused(ErrorCode.UNKNOWN_MEMBER_ID);
    case "leave":
      return { kind: "left", errors: command.members.map(() => ErrorCode.UNKNOWN_MEMBER_ID) };
    case "delete-offsets":
    case "delete-group":
      return refused(ErrorCode.GROUP_ID_NOT_FOUND);
    case "complete-join":
    case "expire-sync":
    case "expire-member":
    case "expire-rebalance":
    case "set-target-assignment":
    case "metadata-changed":
    case "expire-offsets":
      return MOVED;
    default:
      return unreachable(command);
  }
}

function foldInClassicGroup(command: CommandOnMembers, classic: ClassicGroup, scope: GroupScope): GroupOutcome {
  switch (command.kind) {
    case "join":
      return foldJoin(scope.state, command, scope.context);
    case "complete-join":
      return foldCompleteJoin(command, classic, scope);
    case "sync":
      return foldSync(command, classic, scope);
    case "expire-sync":
      return foldExpireSync(command, classic, scope);
    case "heartbeat":
      return foldHeartbeat(command, classic, scope);
    case "leave":
      return foldLeave(command, classic, scope);
    case "expire-member":
      return foldExpireClassicMember(command, classic, scope);
    case "set-target-assignment":
    case "metadata-changed":
    case "expire-rebalance":
      return MOVED;
    default:
      return unreachable(command);
  }
}

function foldInConsumerGroup(command: CommandOnMembers, consumer: ConsumerGroup, scope: GroupScope): GroupOutcome {
  switch (command.kind) {
    case "join":
    case "sync":
    case "heartbeat":
    case "leave":
      // A consumer group without members knows nobody.
      if (consumer.members.size === 0) return outcomeWithoutGroup(command);
      return foldByClassicMember(command, consumer, scope);
    case "expire-member":
      return foldExpireConsumerMember(command, consumer, scope);
    case "expire-rebalance":
      return foldExpireRebalance(command, consumer, scope);
    case "set-target-assignment":
      return foldSetTargetAssignment(command, consumer, scope);
    case "metadata-changed":
      return foldMetadataChanged(command, consumer, scope);
    case "complete-join":
    case "expire-sync":
      return MOVED;
    default:
      return unreachable(command);
  }
}

type ClassicRequest = JoinCommand | SyncCommand | HeartbeatCommand | LeaveCommand;

function foldByClassicMember(command: ClassicRequest, consumer: ConsumerGroup, scope: GroupScope): GroupOutcome {
  switch (command.kind) {
    case "join":
      return foldJoinConsumerGroup(command, consumer, scope);
    case "sync":
      return foldSyncInConsumerGroup(command, consumer, scope);
    case "heartbeat":
      return foldHeartbeatInConsumerGroup(command, consumer, scope);
    case "leave":
      return foldLeaveConsumerGroup(command, consumer, scope);
    default:
      return unreachable(command);
  }
}
