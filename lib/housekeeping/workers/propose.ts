import type { LogCommand, LogOutcome, ReplaceCommand } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { CLEANING_FEATURE_LEVEL, SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { ErrorCode, errorName } from "#lib/protocol/error-code.ts";
import { LogError } from "#lib/util/errors.ts";

const LANE = "workers";

/** The fold refuses what this process made of its state, although the state has not moved: a fault, not a race. */
export class WorkRefusedError extends LogError {
  override readonly name = "WorkRefusedError";
  override readonly kind = "internal";

  constructor(command: LogCommand["kind"], error: ErrorCode) {
    super(`${command} is refused: ${errorName(error)}`);
  }
}

/** Raises the journal's feature level first, where it is lower. Fails as `ReplicatedStateView.propose` does. */
export async function proposeWork(journal: LogJournal, command: LogCommand, signal: AbortSignal): Promise<LogOutcome> {
  await journal.raiseFeatureLevel(levelOf(command), signal);
  return (await journal.propose(command, { lane: LANE, signal })).outcome;
}

function levelOf(command: LogCommand): number {
  return command.kind === "note-cleaning" ? CLEANING_FEATURE_LEVEL : SEGMENTS_FEATURE_LEVEL;
}

/**
 * Whether the segments are in their inputs' place now. If not, others were first, the topic is gone, or the files have been
 * given up: they are garbage, and the next run plans by what is there then. Fails with `WorkRefusedError`, and as
 * `proposeWork` does: then it may have been taken all the same, and the next plan does not see the inputs any more.
 */
export async function proposeReplace(
  journal: LogJournal,
  command: ReplaceCommand,
  signal: AbortSignal,
): Promise<boolean> {
  const outcome = await proposeWork(journal, command, signal);
  if (outcome.kind === "done") return true;
  if (outcome.kind !== "refused") return false;
  const { error } = outcome;
  const isRace =
    error === ErrorCode.INVALID_UPDATE_VERSION ||
    error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ||
    // The ISR has changed since the copies were counted.
    error === ErrorCode.NOT_ENOUGH_REPLICAS;
  if (isRace) return false;
  throw new WorkRefusedError(command.kind, error);
}
