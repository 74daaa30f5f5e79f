import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { LogOutcome, NoteCleaningCommand } from "./log-command.ts";
import { type LogState, type PartitionState, partitionKey } from "./log-state.ts";
import { isLost } from "./segments.ts";

export function foldNoteCleaning(state: LogState, command: NoteCleaningCommand): LogOutcome {
  const partition = state.partitions.get(partitionKey(command.topicId, command.partitionIndex));
  if (partition === undefined) return { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
  const { cleanedUntil, endOffset } = command.pass;
  if (cleanedUntil >= endOffset || endOffset > partition.logEndOffset) {
    return { kind: "refused", error: ErrorCode.INVALID_REQUEST };
  }
  partition.cleaning = { cleanedUntil, endOffset };
  forgetEndedPass(partition);
  return { kind: "done" };
}

/** A pass has ended when everything below its end is cleaned. */
export function forgetEndedPass(partition: PartitionState): void {
  const { cleaning } = partition;
  if (cleaning === undefined) return;
  const firstDirty = partition.segments.find((segment) => !segment.isCleaned && !isLost(segment));
  if (firstDirty !== undefined && firstDirty.baseOffset < cleaning.endOffset) return;
  partition.cleaning = undefined;
}
