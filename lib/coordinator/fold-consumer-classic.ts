import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { HeartbeatCommand, JoinCommand, LeaveCommand, SyncCommand } from "./classic-command.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { type GroupScope, refused } from "./group-scope.ts";

// Members of a consumer group that speak the classic protocol.

export function foldJoinConsumerGroup(
  _command: JoinCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
}

export function foldSyncInConsumerGroup(
  _command: SyncCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNKNOWN_MEMBER_ID);
}

export function foldHeartbeatInConsumerGroup(
  _command: HeartbeatCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNKNOWN_MEMBER_ID);
}

export function foldLeaveConsumerGroup(
  command: LeaveCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return { kind: "left", errors: command.members.map(() => ErrorCode.UNKNOWN_MEMBER_ID) };
}
