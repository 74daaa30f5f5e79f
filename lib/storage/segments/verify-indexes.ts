import type { BatchHeader } from "#lib/record/record-batch.ts";
import { lastOffsetOf } from "#lib/record/record-batch.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { SegmentSuffix } from "../object-keys.ts";
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex, RELATIVE_OFFSET_MAX } from "./offset-index.ts";
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from "./time-index.ts";
import {
  ABORTED_TRANSACTION_BYTES,
  type AbortedTransaction,
  decodeTransactionIndex,
  type OpenTransactions,
  TransactionTracker,
} from "./transaction-index.ts";
import type { ProblemList } from "./verify-report.ts";

// Indexes beside a walk through their log: entries and batches ascend together, so one pass compares all of them.

/** Entries that fit the log and the others. If none fits it is said once: the file is of another segment. */
class EntryTally {
  readonly #problems: ProblemList;
  readonly #file: SegmentSuffix;
  readonly #held: { readonly position: number; readonly problem: string }[] = [];
  #fits = 0;

  constructor(problems: ProblemList, file: SegmentSuffix) {
    this.#problems = problems;
    this.#file = file;
  }

  fit(): void {
    if (this.#fits++ === 0) for (const each of this.#held.splice(0)) this.fault(each.position, each.problem);
  }

  fault(position: number, problem: string): void {
    if (this.#fits > 0) this.#problems.add(this.#file, position, problem);
    else this.#held.push({ position, problem });
  }

  finish(): void {
    const [first] = this.#held;
    if (first === undefined) return;
    const count = this.#held.length;
    const problem = `belongs to another segment: none of its entries fits this log (${count}); the first: ${first.problem}`;
    this.#problems.add(this.#file, first.position, problem);
  }
}

export class OffsetIndexCheck {
  readonly #baseOffset: Offset;
  readonly #index: OffsetIndex | undefined;
  readonly #tally: EntryTally;
  #entry = 0;

  constructor(bytes: Uint8Array, baseOffset: Offset, problems: ProblemList) {
    this.#baseOffset = baseOffset;
    this.#tally = new EntryTally(problems, "index");
    this.#index = attempt(problems, "index", () => new OffsetIndex(bytes, baseOffset));
  }

  add(position: number, header: BatchHeader): void {
    for (;;) {
      const entry = this.#next();
      if (entry === undefined || entry.position > position) return;
      const at = this.#entry++ * OFFSET_INDEX_ENTRY_BYTES;
      const offset = this.#baseOffset + entry.relativeOffset;
      const lastOffset = lastOffsetOf(header);
      const claim = `names offset ${offset} at position ${entry.position}, where`;
      if (entry.position < position) this.#tally.fault(at, `${claim} no batch begins`);
      else if (offset !== lastOffset) this.#tally.fault(at, `${claim} a batch ends with offset ${lastOffset}`);
      else if (position === 0) this.#tally.fault(at, `${claim} the log begins: its first batch has no entry`);
      else this.#tally.fit();
    }
  }

  finish(): void {
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      const offset = this.#baseOffset + entry.relativeOffset;
      const problem = `names offset ${offset} at position ${entry.position}, behind the last batch`;
      this.#tally.fault(this.#entry++ * OFFSET_INDEX_ENTRY_BYTES, problem);
    }
    this.#tally.finish();
  }

  #next() {
    return this.#index !== undefined && this.#entry < this.#index.count ? this.#index.at(this.#entry) : undefined;
  }
}

export class TimeIndexCheck {
  readonly #baseOffset: Offset;
  readonly #index: TimeIndex | undefined;
  readonly #problems: ProblemList;
  readonly #tally: EntryTally;
  #entry = 0;
  #maxTimestampMs: TimestampMs = -1;
  #offsetOfMax: Offset = -1;

  constructor(bytes: Uint8Array, baseOffset: Offset, problems: ProblemList) {
    this.#baseOffset = baseOffset;
    this.#problems = problems;
    this.#tally = new EntryTally(problems, "timeindex");
    this.#index = attempt(problems, "timeindex", () => new TimeIndex(bytes, baseOffset));
  }

  get maxTimestampMs(): TimestampMs {
    return this.#maxTimestampMs;
  }

  add(header: BatchHeader): void {
    const lastOffset = lastOffsetOf(header);
    if (header.recordCount > 0 && header.maxTimestamp > this.#maxTimestampMs) {
      this.#maxTimestampMs = header.maxTimestamp;
      this.#offsetOfMax = lastOffset;
    }
    for (;;) {
      const entry = this.#next();
      if (entry === undefined || this.#baseOffset + entry.relativeOffset > lastOffset) return;
      const at = this.#entry++ * TIME_INDEX_ENTRY_BYTES;
      const offset = this.#baseOffset + entry.relativeOffset;
      if (offset === this.#offsetOfMax && entry.timestampMs === this.#maxTimestampMs) this.#tally.fit();
      else this.#tally.fault(at, this.#faultOf(entry.timestampMs, offset));
    }
  }

  finish(): void {
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      const at = this.#entry++ * TIME_INDEX_ENTRY_BYTES;
      this.#tally.fault(at, `names offset ${this.#baseOffset + entry.relativeOffset}, behind the last batch`);
    }
    this.#tally.finish();
    const isNameable = this.#maxTimestampMs >= 0 && this.#offsetOfMax - this.#baseOffset <= RELATIVE_OFFSET_MAX;
    if (this.#index === undefined || !isNameable) return;
    const { count } = this.#index;
    if (count > 0 && this.#index.at(count - 1).timestampMs === this.#maxTimestampMs) return;
    const problem = `ends without the largest timestamp, ${this.#maxTimestampMs} at offset ${this.#offsetOfMax}`;
    this.#problems.add("timeindex", count * TIME_INDEX_ENTRY_BYTES, problem);
  }

  #faultOf(timestampMs: TimestampMs, offset: Offset): string {
    return (
      `names timestamp ${timestampMs} first at the batch that ends with offset ${offset}; ` +
      `up to there it is ${this.#maxTimestampMs}, at ${this.#offsetOfMax}`
    );
  }

  #next() {
    return this.#index !== undefined && this.#entry < this.#index.count ? this.#index.at(this.#entry) : undefined;
  }
}

/** A transaction that began before the segment is believed what the index says of its beginning. */
export class TransactionIndexCheck {
  readonly #baseOffset: Offset;
  readonly #problems: ProblemList;
  readonly #stated: readonly AbortedTransaction[] | undefined;
  readonly #tracker: TransactionTracker;
  #entry = 0;

  constructor(bytes: Uint8Array, baseOffset: Offset, problems: ProblemList) {
    this.#baseOffset = baseOffset;
    this.#problems = problems;
    this.#stated = attempt(problems, "txnindex", () => decodeTransactionIndex(bytes, baseOffset));
    this.#tracker = new TransactionTracker(openBefore(this.#stated ?? [], baseOffset));
  }

  /** Fails with `CorruptRecordError` if the batch is a broken control batch. */
  add(header: BatchHeader, readBatch: () => Uint8Array): void {
    const found = this.#tracker.add(header, readBatch);
    if (found === undefined || this.#stated === undefined) return;
    const stated = this.#stated[this.#entry];
    const at = this.#entry++ * ABORTED_TRANSACTION_BYTES;
    if (stated === undefined) this.#problems.add("txnindex", at, `misses ${nameOf(found)}`);
    else if (!this.#isSame(stated, found)) {
      this.#problems.add("txnindex", at, `has ${nameOf(stated)} where the log has ${nameOf(found)}`);
    }
  }

  finish(): void {
    for (const each of this.#stated?.slice(this.#entry) ?? []) {
      const problem = `has ${nameOf(each)}, of which the log knows nothing`;
      this.#problems.add("txnindex", this.#entry++ * ABORTED_TRANSACTION_BYTES, problem);
    }
  }

  #isSame(stated: AbortedTransaction, found: AbortedTransaction): boolean {
    const isStable =
      stated.lastStableOffset === found.lastStableOffset ||
      // Held back by a transaction from before the segment, of which its log need not tell.
      (stated.lastStableOffset >= 0 && stated.lastStableOffset < this.#baseOffset);
    return (
      stated.producerId === found.producerId &&
      stated.firstOffset === found.firstOffset &&
      stated.lastOffset === found.lastOffset &&
      isStable
    );
  }
}

function openBefore(stated: readonly AbortedTransaction[], baseOffset: Offset): OpenTransactions {
  const open = new Map<number, Offset>();
  for (const { producerId, firstOffset } of stated) {
    if (firstOffset >= 0 && firstOffset < baseOffset && !open.has(producerId)) open.set(producerId, firstOffset);
  }
  return open;
}

function nameOf({ producerId, firstOffset, lastOffset, lastStableOffset }: AbortedTransaction): string {
  return `producer ${producerId}'s aborted transaction from ${firstOffset} to ${lastOffset}, last stable offset ${lastStableOffset}`;
}

function attempt<T>(problems: ProblemList, file: SegmentSuffix, open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    problems.add(file, 0, error.message);
    return undefined;
  }
}
