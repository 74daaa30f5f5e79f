import type { JournalId, JournalSeq } from "#lib/util/branded.ts";

export interface JournalCall {
  readonly method: "append" | "read" | "last" | "trim";
  readonly journal: JournalId;
  /** The number to append at, to read from, or to trim up to; 0 for `last`. */
  readonly seq: JournalSeq;
}

/** What goes wrong with one call. */
export type JournalFault =
  /** The call takes effect and its answer is lost. */
  | { readonly kind: "lost-answer" }
  /** The call fails without effect. */
  | { readonly kind: "failure" }
  /** The call is refused without effect, for there are too many. */
  | { readonly kind: "throttle" }
  /** The call fails, and an append takes effect when that much time has passed. */
  | { readonly kind: "late-effect"; readonly afterMs: number }
  /** The call fails, and an append takes effect when that many more calls of any process have been answered. */
  | { readonly kind: "late-effect-after-calls"; readonly calls: number }
  /** Another process was faster: these bytes stand at the number when the append arrives. */
  | { readonly kind: "foreign-record"; readonly bytes: Uint8Array }
  /** An eventually consistent read does not see that many of the newest records. */
  | { readonly kind: "stale"; readonly recordsHidden: number }
  /** The process stands still for so long before it signs the request. */
  | { readonly kind: "freeze"; readonly ms: number }
  /** The answer takes so long. */
  | { readonly kind: "slow"; readonly ms: number }
  /** The process dies, before or after the effect; from now on all its calls fail. */
  | { readonly kind: "death"; readonly hasEffect: boolean };

/** Asked once a call; undefined lets it pass. */
export interface JournalFaultPlan {
  next(call: JournalCall): JournalFault | undefined;
}

export const NO_JOURNAL_FAULTS: JournalFaultPlan = { next: () => undefined };
