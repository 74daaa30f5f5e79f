import type { JournalRecord, ReadOptions } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { assert } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { JOURNAL_RECORD_BYTES_MAX } from "#lib/util/limits.ts";
import type { JournalFaultPlan } from "./journal-fault.ts";
import { NO_JOURNAL_FAULTS } from "./journal-fault.ts";
import { type AppendEffect, MemoryJournal, type SharedJournals } from "./memory-journal.ts";

interface StoredJournal {
  /** Ascending and without holes above the trim mark in well-behaved use; a late effect may leave some below. */
  records: JournalRecord[];
  trimMark: JournalSeq;
}

/** What all processes of a simulation share: the journals themselves, and effects that are still under way. */
export class MemoryJournalService implements SharedJournals {
  readonly clock: Clock;
  readonly #checksTrimMark: boolean;
  readonly #journals = new Map<JournalId, StoredJournal>();
  #lateEffects: { callsLeft: number; readonly apply: () => void }[] = [];
  #processCount = 0;

  /** Without `checksTrimMark` a trimmed number is simply absent and may be put again, as in DynamoDB. */
  constructor(clock: Clock, options: { readonly checksTrimMark: boolean } = { checksTrimMark: true }) {
    this.clock = clock;
    this.#checksTrimMark = options.checksTrimMark;
  }

  /** A process' own handle, with what shall go wrong for it. */
  connect(faults: JournalFaultPlan = NO_JOURNAL_FAULTS): MemoryJournal {
    this.#processCount++;
    return new MemoryJournal(this, faults, `process ${this.#processCount}`);
  }

  /** All records that stand there, for checks. */
  recordsOf(journal: JournalId): readonly JournalRecord[] {
    return this.#journal(journal).records;
  }

  /** Replaces or removes what stands at a number, as damage would. */
  tamper(journal: JournalId, seq: JournalSeq, bytes: Uint8Array | undefined): void {
    const stored = this.#journal(journal);
    stored.records = stored.records.filter((record) => record.seq !== seq);
    if (bytes !== undefined) this.#insert(stored, { seq, bytes });
  }

  append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array): AppendEffect {
    assert(Number.isSafeInteger(seq) && seq >= 1, "a record's number is at least 1");
    assert(bytes.byteLength <= JOURNAL_RECORD_BYTES_MAX, "the record is too large");
    const stored = this.#journal(journal);
    const last = stored.records.at(-1);
    if (last === undefined || seq > last.seq) {
      if (this.#isTrimmed(stored, seq)) return { kind: "trimmed" };
      stored.records.push({ seq, bytes: bytes.slice() });
      return { kind: "appended" };
    }
    const existing = stored.records[this.#firstFrom(stored, seq)];
    if (existing?.seq === seq) return { kind: "conflict", existing: existing.bytes };
    if (this.#isTrimmed(stored, seq)) return { kind: "trimmed" };
    this.#insert(stored, { seq, bytes: bytes.slice() });
    return { kind: "appended" };
  }

  read(
    journal: JournalId,
    options: ReadOptions,
    recordsHidden: number,
  ): { readonly records: readonly JournalRecord[]; readonly isTruncated: boolean } {
    const stored = this.#journal(journal);
    const end = Math.max(0, stored.records.length - recordsHidden);
    const records: JournalRecord[] = [];
    let byteLength = 0;
    let at = this.#firstFrom(stored, options.from);
    for (; at < end; at++) {
      const record = stored.records[at];
      if (record === undefined) break;
      byteLength += record.bytes.byteLength;
      if (records.length > 0 && (records.length >= options.recordsMax || byteLength > options.bytesMax)) break;
      records.push(record);
    }
    return { records, isTruncated: at < end };
  }

  last(journal: JournalId): JournalRecord | undefined {
    return this.#journal(journal).records.at(-1);
  }

  trim(journal: JournalId, upTo: JournalSeq): void {
    const stored = this.#journal(journal);
    const newest = stored.records.at(-1);
    if (newest === undefined) return;
    const mark = Math.min(upTo, newest.seq - 1);
    stored.trimMark = Math.max(stored.trimMark, mark);
    stored.records = stored.records.filter((record) => record.seq > mark);
  }

  applyAfterCalls(calls: number, apply: () => void): void {
    this.#lateEffects.push({ callsLeft: calls, apply });
  }

  /** Called when a call of any process has been answered. */
  countCall(): void {
    if (this.#lateEffects.length === 0) return;
    for (const effect of this.#lateEffects) effect.callsLeft--;
    const due = this.#lateEffects.filter((effect) => effect.callsLeft < 0);
    this.#lateEffects = this.#lateEffects.filter((effect) => effect.callsLeft >= 0);
    for (const effect of due) effect.apply();
  }

  #journal(id: JournalId): StoredJournal {
    let stored = this.#journals.get(id);
    if (stored === undefined) {
      stored = { records: [], trimMark: 0 };
      this.#journals.set(id, stored);
    }
    return stored;
  }

  #isTrimmed(stored: StoredJournal, seq: JournalSeq): boolean {
    return this.#checksTrimMark && seq <= stored.trimMark;
  }

  #insert(stored: StoredJournal, record: JournalRecord): void {
    stored.records.splice(this.#firstFrom(stored, record.seq), 0, record);
  }

  /** The place of the first record numbered `seq` or higher. */
  #firstFrom(stored: StoredJournal, seq: JournalSeq): number {
    let low = 0;
    let high = stored.records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = stored.records[middle];
      if (record !== undefined && record.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
