import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";

/** The command was in flight and nobody knows what became of it: it takes effect once or never, now or later. */
export class UnknownOutcomeError extends LogError {
  override readonly name = "UnknownOutcomeError";
  override readonly kind = "unavailable";
  readonly journal: JournalId;
  readonly seq: JournalSeq;

  constructor(journal: JournalId, seq: JournalSeq, options: { readonly reason: string; readonly cause?: unknown }) {
    super(
      `journal ${journal}: the outcome of a command proposed at ${seq} is unknown: ${options.reason}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.journal = journal;
    this.seq = seq;
  }
}

/** This process computed other outcomes than the proposer of a record: one of them is broken, so this one stops. */
export class DivergenceError extends LogError {
  override readonly name = "DivergenceError";
  override readonly kind = "corrupt";

  constructor(journal: JournalId, seq: JournalSeq) {
    super(`journal ${journal}: the outcomes before record ${seq} differ from those of the process that wrote it`);
  }
}

/** The journal holds commands that this version of the code does not know. */
export class FeatureLevelError extends LogError {
  override readonly name = "FeatureLevelError";
  override readonly kind = "fenced";

  constructor(journal: JournalId, levels: { readonly demanded: number; readonly understood: number }) {
    super(
      `journal ${journal} demands feature level ${levels.demanded}, this version understands ${levels.understood}: ` +
        "run a newer version",
    );
  }
}

/** What stands in the journal is not a record, or not one that can be folded. */
export class CorruptRecordError extends LogError {
  override readonly name = "CorruptRecordError";
  override readonly kind = "corrupt";

  constructor(journal: JournalId, seq: JournalSeq, options: { readonly reason: string; readonly cause?: unknown }) {
    super(
      `journal ${journal}: record ${seq}: ${options.reason}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
  }
}

/** No snapshot can be loaded from which the journal's records lead on without a hole. */
export class StateUnreachableError extends LogError {
  override readonly name = "StateUnreachableError";
  override readonly kind = "corrupt";

  constructor(journal: JournalId, reasons: readonly string[]) {
    super(`journal ${journal}: no state can be restored: ${reasons.join("; ")}`);
  }
}

/** The state was closed; nothing is proposed or read any more. */
export class StateClosedError extends LogError {
  override readonly name = "StateClosedError";
  override readonly kind = "unavailable";

  constructor(journal: JournalId) {
    super(`journal ${journal}: closed`);
  }
}

/** A large command whose object waited too long for its record: it was refused, and nothing has happened. */
export class CommandTooLateError extends LogError {
  override readonly name = "CommandTooLateError";
  override readonly kind = "unavailable";

  constructor(journal: JournalId, seq: JournalSeq) {
    super(
      `journal ${journal}: a large command came to stand at ${seq}, too long after its upload began: send it again`,
    );
  }
}

/** More commands wait for the journal than this process holds for it: this one was not queued, and nothing will happen. */
export class QueueFullError extends LogError {
  override readonly name = "QueueFullError";
  override readonly kind = "unavailable";

  constructor(journal: JournalId, commandsMax: number) {
    super(`journal ${journal}: ${commandsMax} commands wait for it already`);
  }
}
