import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";

export interface JournalRecord {
  readonly seq: JournalSeq;
  readonly bytes: Uint8Array;
}

/** When an answer was made, as far as time may be trusted (docs/ARCHITECTURE.md J4 and J6). */
export interface AnswerTimes {
  /** The journal service's own clock at its answer; the host's clock where the service is in the process. */
  readonly servedAtMs: TimestampMs;
  /** When this request was signed, by the clock that the service holds against its own. */
  readonly signedAtMs: TimestampMs;
}

export type AppendResult =
  | ({ readonly kind: "appended" } & AnswerTimes)
  /** Another record, or our own from an earlier try, stands at that number; `existing` are its bytes. */
  | ({ readonly kind: "conflict"; readonly existing: Uint8Array } & AnswerTimes)
  /** The number lies at or below the trim mark, where the service checks it (SQLite, memory). */
  | ({ readonly kind: "trimmed" } & AnswerTimes);

export interface JournalPage extends AnswerTimes {
  /** Ascending. Empty: nothing is known from there on. A first record other than the one asked for: trimmed. */
  readonly records: readonly JournalRecord[];
  /** Whether more may follow the last record; false: when this was read, nothing did. */
  readonly isTruncated: boolean;
}

export interface ReadOptions {
  readonly from: JournalSeq;
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** `strong` sees every append that was answered before the read began. */
  readonly consistency: "strong" | "eventual";
}

/**
 * Ordered records under put-if-absent: the only mutable thing outside a process.
 *
 * Every method may fail with `JournalUnavailableError`; after a failed `append` the record may or may not stand there,
 * or may come to stand there later: send the identical call again to find out (J3).
 * Every implementation passes `test/contract/journal.ts`.
 */
export interface Journal {
  /** Puts `bytes` at `seq` if nothing stands there. Journals come into being with their first record. */
  append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult>;
  /** The records from `from` on, at least one if there is one, else as many as the limits allow. */
  read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage>;
  /** The record with the highest number, by a strong read. */
  last(journal: JournalId, signal: AbortSignal): Promise<JournalPage>;
  /** Removes every record up to and including `upTo`, but never the newest one. May stop half-way; safe to repeat. */
  trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void>;
}

/** No answer, a time-out or a refusal that may pass. `throttled` asks for a back-off, the others for the same call again. */
export class JournalUnavailableError extends LogError {
  override readonly name = "JournalUnavailableError";
  override readonly kind = "unavailable";
  readonly throttled: boolean;

  constructor(message: string, options: { readonly throttled: boolean; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.throttled = options.throttled;
  }
}
