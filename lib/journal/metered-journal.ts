import type { Clock } from "#lib/runtime/clock.ts";
import { JOURNAL_APPEND_SECONDS, JOURNAL_APPENDS, JOURNAL_READS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import type { AppendResult, Journal, JournalPage, ReadOptions } from "./journal.ts";

/** Counts and times the appends to another journal, and counts the reads; changes nothing. */
export class MeteredJournal implements Journal {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;

  constructor(journal: Journal, ports: { readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#journal = journal;
    this.#clock = ports.clock;
    this.#telemetry = ports.telemetry;
  }

  async append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    const startMs = this.#clock.monotonicMs();
    const labels = { journal: kindOf(journal) };
    let result: AppendResult["kind"] | "failed" = "failed";
    try {
      const answer = await this.#journal.append(journal, seq, bytes, signal);
      result = answer.kind;
      return answer;
    } finally {
      this.#telemetry.count(JOURNAL_APPENDS, 1, { ...labels, result });
      this.#telemetry.observe(JOURNAL_APPEND_SECONDS, (this.#clock.monotonicMs() - startMs) / 1_000, labels);
    }
  }

  read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    this.#telemetry.count(JOURNAL_READS, 1, { journal: kindOf(journal) });
    return this.#journal.read(journal, options, signal);
  }

  last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    this.#telemetry.count(JOURNAL_READS, 1, { journal: kindOf(journal) });
    return this.#journal.last(journal, signal);
  }

  trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    return this.#journal.trim(journal, upTo, signal);
  }
}

/** `log` of `log-3`, `snapshots` of `log-3/snapshots`: a few kinds, however many journals there are. */
function kindOf(journal: JournalId): string {
  const [name = "", part] = journal.split("/");
  return part ?? name.replace(/-\d+$/, "");
}
