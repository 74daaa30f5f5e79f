import type {
  AnswerTimes,
  AppendResult,
  Journal,
  JournalPage,
  JournalRecord,
  ReadOptions,
} from "#lib/journal/journal.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import type { JournalCall, JournalFault, JournalFaultPlan } from "./journal-fault.ts";

/** What all handles have in common: the journals, and effects that are still under way. */
export interface SharedJournals {
  readonly clock: Clock;
  append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): AppendEffect;
  read(journal: JournalId, options: ReadOptions, recordsHidden: number): Pick<JournalPage, "records" | "isTruncated">;
  last(journal: JournalId): JournalRecord | undefined;
  trim(journal: JournalId, upTo: JournalSeq): void;
  countCall(): void;
  applyAfterCalls(calls: number, apply: () => void): void;
}

export type AppendEffect =
  | { readonly kind: "appended" | "trimmed" }
  | { readonly kind: "conflict"; readonly existing: Uint8Array };

/** One process' handle on a `MemoryJournalService`: does what its fault plan says. */
export class MemoryJournal implements Journal {
  readonly #service: SharedJournals;
  readonly #faults: JournalFaultPlan;
  readonly #name: string;
  #isDead = false;

  constructor(service: SharedJournals, faults: JournalFaultPlan, name: string) {
    this.#service = service;
    this.#faults = faults;
    this.#name = name;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Every call fails from now on, those under way included. */
  kill(): void {
    this.#isDead = true;
  }

  append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    const apply = () => this.#service.append(journal, seq, bytes);
    return this.#call<AppendResult>({ method: "append", journal, seq }, signal, {
      apply: (times, fault) => {
        if (fault?.kind === "foreign-record") this.#service.append(journal, seq, fault.bytes);
        return { ...apply(), ...times };
      },
      applyLate: apply,
    });
  }

  read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    return this.#call<JournalPage>({ method: "read", journal, seq: options.from }, signal, {
      apply: (times, fault) => {
        const isStale = fault?.kind === "stale" && options.consistency === "eventual";
        return { ...this.#service.read(journal, options, isStale ? fault.recordsHidden : 0), ...times };
      },
    });
  }

  last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    return this.#call<JournalPage>({ method: "last", journal, seq: 0 }, signal, {
      apply: (times) => {
        const record = this.#service.last(journal);
        return { records: record === undefined ? [] : [record], isTruncated: false, ...times };
      },
    });
  }

  trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    return this.#call<void>({ method: "trim", journal, seq: upTo }, signal, {
      apply: () => this.#service.trim(journal, upTo),
    });
  }

  async #call<T>(
    call: JournalCall,
    signal: AbortSignal,
    effect: {
      readonly apply: (times: AnswerTimes, fault: JournalFault | undefined) => T;
      readonly applyLate?: () => unknown;
    },
  ): Promise<T> {
    this.#checkAlive();
    signal.throwIfAborted();
    const clock = this.#service.clock;
    const fault = this.#faults.next(call);
    // A frozen process does not see its own signal abort either.
    if (fault?.kind === "freeze") await clock.sleep(fault.ms);
    this.#checkAlive();
    const signedAtMs = clock.nowMs();
    this.#failBefore(fault, effect.applyLate);
    const result = effect.apply(this.#times(signedAtMs), fault);
    this.#service.countCall();
    if (fault?.kind === "slow") await clock.sleep(fault.ms, signal);
    if (fault?.kind === "death") this.kill();
    this.#checkAlive();
    if (fault?.kind === "lost-answer") throw unavailable("the answer was lost");
    return result;
  }

  #failBefore(fault: JournalFault | undefined, applyLate: (() => unknown) | undefined): void {
    if (fault?.kind === "failure") throw unavailable("internal server error");
    if (fault?.kind === "throttle") throw new JournalUnavailableError("too many requests", { throttled: true });
    if (fault?.kind === "death" && !fault.hasEffect) {
      this.kill();
      this.#checkAlive();
    }
    if (fault?.kind === "late-effect") {
      if (applyLate !== undefined) this.#service.clock.schedule(fault.afterMs, applyLate);
      throw unavailable("no answer in time");
    }
    if (fault?.kind === "late-effect-after-calls") {
      if (applyLate !== undefined) this.#service.applyAfterCalls(fault.calls, applyLate);
      throw unavailable("no answer in time");
    }
  }

  #times(signedAtMs: TimestampMs): AnswerTimes {
    return { servedAtMs: this.#service.clock.nowMs(), signedAtMs };
  }

  #checkAlive(): void {
    if (this.#isDead) throw unavailable(`${this.#name} is dead`);
  }
}

function unavailable(message: string): JournalUnavailableError {
  return new JournalUnavailableError(message, { throttled: false });
}
