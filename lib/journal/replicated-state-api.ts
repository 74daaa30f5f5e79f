import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import type { FoldContext } from "./state-machine.ts";

/** What became of a command, and where. */
export interface Committed<Outcome> {
  readonly outcome: Outcome;
  readonly seq: JournalSeq;
  readonly indexInRecord: number;
}

/**
 * A place in a lane, taken before the command is ready (its upload still runs), so that commands of one lane are
 * proposed in the order in which their places were taken (J7).
 */
export interface LaneSlot<Command, Outcome> {
  /**
   * Proposes `command` in this place. Rejects with the signal's reason if it aborts while the command is not yet in
   * flight (then it never will be), or with `UnknownOutcomeError` if it was in flight and nobody knows. When a flight
   * fails, the next one does not begin in the same turn: by then what must not overtake it can be withdrawn.
   */
  propose(command: Command, signal: AbortSignal): Promise<Committed<Outcome>>;
  /** Gives the place up; what comes behind moves on. */
  release(): void;
}

export type FoldListener<Command, Outcome> = (command: Command, outcome: Outcome, context: FoldContext) => void;

/**
 * One journal as a state: proposes commands, folds what everyone proposed, and answers with outcomes. The interface
 * through which `lib/log`, `lib/cluster` and `lib/coordinator` see `ReplicatedState`.
 */
export interface ReplicatedStateView<State, Command, Outcome> {
  readonly id: JournalId;
  /** The state as folded so far. Only the fold may change it. Read it anew each time: a reload replaces it. */
  readonly state: State;
  /** The last record folded; 0 before the first. */
  readonly seq: JournalSeq;
  /**
   * When the last look at the journal began whose records are folded, by the monotonic clock: a read, or an append that
   * succeeded, for it stands behind all others. What was committed before is folded, as far as eventually consistent
   * reads show it.
   */
  readonly asOfMs: number;
  /**
   * Loads the newest snapshot and folds what follows. Needed once, before anything else; may be tried again when it
   * fails as unavailable.
   */
  open(signal: AbortSignal): Promise<void>;
  reserve(lane: string): LaneSlot<Command, Outcome>;
  /** `reserve` and `LaneSlot.propose` in one. */
  propose(
    command: Command,
    options: { readonly lane: string; readonly signal: AbortSignal },
  ): Promise<Committed<Outcome>>;
  /** Folds what an eventually consistent read shows that begins after this call; callers share reads. */
  catchUp(signal: AbortSignal): Promise<void>;
  /** Resolves when a strong read that began after this call has been folded; callers share reads (J8). */
  readBarrier(signal: AbortSignal): Promise<void>;
  /** Calls `listener` after each fold, in order, in the same turn. Returns the way to stop it. */
  onFold(listener: FoldListener<Command, Outcome>): () => void;
  /**
   * Calls `listener` when the state was replaced by a newer one from a snapshot, because records that were not folded
   * yet are trimmed: what was derived from folds must be made anew. Returns the way to stop it.
   */
  onReload(listener: () => void): () => void;
  /** See `ReplicatedState`. */
  raiseFeatureLevel(level: number, signal: AbortSignal): Promise<void>;
  /** The journal service's clock: the date of its last answer plus our monotonic time since (J4). */
  nowMs(): TimestampMs;
}
