import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type {
  ConsumerHeartbeatCommand,
  ExpireRebalanceCommand,
  MetadataChangedCommand,
  SetTargetAssignmentCommand,
} from "./consumer-command.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { CommitOffsetsCommand, ExpireMemberCommand } from "./group-command.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { type GroupScope, refused } from "./group-scope.ts";
import type { GroupJournalState } from "./group-state.ts";

export function foldConsumerHeartbeat(
  _state: GroupJournalState,
  _command: ConsumerHeartbeatCommand,
  _context: FoldContext,
): GroupOutcome {
  return refused(ErrorCode.UNSUPPORTED_VERSION);
}

export function foldSetTargetAssignment(
  _command: SetTargetAssignmentCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNSUPPORTED_VERSION);
}

export function foldMetadataChanged(
  _command: MetadataChangedCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNSUPPORTED_VERSION);
}

export function foldExpireRebalance(
  _command: ExpireRebalanceCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNSUPPORTED_VERSION);
}

export function foldExpireConsumerMember(
  _command: ExpireMemberCommand,
  _consumer: ConsumerGroup,
  _scope: GroupScope,
): GroupOutcome {
  return refused(ErrorCode.UNSUPPORTED_VERSION);
}

/** Whether a commit is the group's to take: NONE, or why not. */
export function checkConsumerCommit(_command: CommitOffsetsCommand, _consumer: ConsumerGroup): ErrorCode {
  return ErrorCode.UNSUPPORTED_VERSION;
}
