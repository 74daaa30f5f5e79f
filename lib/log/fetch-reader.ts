import { ErrorCode } from "#lib/protocol/error-code.ts";
import { assert } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { BLOCK_CACHE_BYTES_MAX, READ_AHEAD_PENDING_BYTES_MAX } from "#lib/util/limits.ts";
import { checkedBytesOf, markChecked } from "./checked-chunks.ts";
import { nextOffsetOf } from "./entry-index.ts";
import type { EntryReader, EntryReadOptions } from "./entry-reader.ts";
import { assembleRange } from "./fetch-assembler.ts";
import type { ByteBudget } from "./fetch-budget.ts";
import { lastStableOffset, type PartitionAccess, type PartitionSlot } from "./fetch-partitions.ts";
import { FetchSequences } from "./fetch-sequences.ts";
import type { FetchedPartition, PartitionFetch } from "./log-api.ts";
import type { PartitionState } from "./log-state.ts";
import { NO_READS, type PartitionReads, planPartition, type ReadPiece } from "./partition-plan.ts";
import type { SegmentReader } from "./segment-reader.ts";

export interface FetchSlot extends PartitionSlot {
  readonly request: PartitionFetch;
}

/** What one partition will answer, but for the bytes. */
interface PartitionPlan {
  readonly slot: FetchSlot;
  readonly limits: ReadLimits;
  readonly answer: FetchedPartition;
  readonly reads: PartitionReads;
}

/** What came of one piece. */
interface ReadRecords {
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
  /** Whether the next piece follows it without a gap. */
  readonly isWhole: boolean;
  /** Behind the last batch, if that is known. */
  readonly nextOffset: Offset | undefined;
}

/** An answer, and where a client that goes on begins its next fetch. */
interface ReadPartition {
  readonly answer: FetchedPartition;
  readonly nextOffset: Offset | undefined;
}

interface ReadLimits {
  readonly bytesMax: number;
  readonly atLeastOneBatch: boolean;
  readonly readCommitted: boolean;
}

/** Turns slots that have their final standing into answers: plans by the index, reads, assembles. */
export class FetchReader {
  readonly #access: PartitionAccess;
  readonly #entries: EntryReader;
  readonly #segments: SegmentReader;
  readonly #budget: ByteBudget;
  readonly #sequences: FetchSequences | undefined;
  /** What is read ahead behind one fetch. */
  readonly #aheadBytesMax: number;

  constructor(deps: {
    readonly access: PartitionAccess;
    readonly entries: EntryReader;
    readonly segments: SegmentReader;
    readonly budget: ByteBudget;
    /** For all who read in sequence together; 0: nothing. Half of the block cache by default. */
    readonly readAheadBytes?: number | undefined;
  }) {
    this.#access = deps.access;
    this.#entries = deps.entries;
    this.#segments = deps.segments;
    this.#budget = deps.budget;
    const { readAheadBytes = BLOCK_CACHE_BYTES_MAX / 2 } = deps;
    this.#aheadBytesMax = Math.min(readAheadBytes, READ_AHEAD_PENDING_BYTES_MAX);
    this.#sequences = readAheadBytes === 0 ? undefined : new FetchSequences(readAheadBytes);
  }

  /** In the order of `slots`, which is the order in which `bytesMax` is given away. Rejects only if aborted. */
  async read(
    slots: readonly FetchSlot[],
    options: EntryReadOptions & { readonly bytesMax: number; readonly readCommitted: boolean },
  ): Promise<readonly FetchedPartition[]> {
    const plans = this.#planAll(slots, options);
    const answers = plans.map((plan) => this.#readCached(plan, options.borrowed));
    let coldBytes = 0;
    for (const [index, plan] of plans.entries()) {
      if (answers[index] === undefined) coldBytes += plan.reads.readBytes;
    }
    if (coldBytes === 0) return allDefined(answers);
    using _grant = await this.#budget.acquire(coldBytes, options.signal);
    const read = await Promise.all(
      plans.map((plan, index) => {
        const answer = answers[index];
        return answer === undefined ? this.#readCold(plan, options) : { answer, nextOffset: undefined };
      }),
    );
    // When the answer has left, its client is busy with it, and these reads are in nobody's way.
    // Not what was read: a slow store would keep the answers of all who wait for it alive.
    const nextOffsets = read.map(({ nextOffset }) => nextOffset);
    const readAhead = () => void this.#readAhead(plans, nextOffsets, options.signal).catch(() => {});
    if (options.borrowed === undefined) readAhead();
    else options.borrowed.add(readAhead);
    return read.map(({ answer }) => answer);
  }

  /**
   * Reads and checks what the clients that go on in sequence will ask for next, so that the caches have it. What fails is
   * left to the fetch that asks for it.
   */
  async #readAhead(
    plans: readonly PartitionPlan[],
    nextOffsets: readonly (Offset | undefined)[],
    signal: AbortSignal,
  ): Promise<void> {
    // A client that is gone asks for nothing more.
    signal.throwIfAborted();
    const next: PartitionPlan[] = [];
    for (const [index, { slot, limits }] of plans.entries()) {
      const nextOffset = nextOffsets[index];
      const { fetchOffset } = slot.request;
      if (nextOffset === undefined || !this.#sequences?.goesOn(slot.key, { fetchOffset, nextOffset })) continue;
      next.push(this.#plan({ ...slot, request: { ...slot.request, fetchOffset: nextOffset } }, limits));
    }
    const bytes = next.reduce((sum, { reads }) => sum + reads.readBytes, 0);
    // Of more the end would drive out the beginning.
    if (bytes === 0 || bytes > this.#aheadBytesMax) return;
    this.#sequences?.readsAhead(bytes);
    using _grant = await this.#budget.acquire(bytes, signal);
    const missing = next.flatMap(({ slot, reads }) =>
      reads.pieces
        .filter((piece) => piece.kind === "segment" || this.#entries.isInStore(piece.range))
        .map((piece) => ({ slot, piece })),
    );
    this.#entries.prefetch(missing.flatMap(({ piece: { kind, range } }) => (kind === "entry" ? [range] : [])));
    const borrowed = new Borrowed();
    const options = { signal, borrowed, isAhead: true };
    await Promise.allSettled(missing.map(({ slot, piece }) => this.#readPiece(slot, piece, options)));
    borrowed.release();
  }

  /** Gives the bytes away in order. The first partition that has data gets at least one batch (KIP-74). */
  #planAll(
    slots: readonly FetchSlot[],
    options: { readonly bytesMax: number; readonly readCommitted: boolean },
  ): readonly PartitionPlan[] {
    let bytesLeft = options.bytesMax;
    let atLeastOneBatch = true;
    return slots.map((slot) => {
      const bytesMax = Math.min(slot.request.bytesMax, bytesLeft);
      const plan = this.#plan(slot, { bytesMax, atLeastOneBatch, readCommitted: options.readCommitted });
      bytesLeft = Math.max(0, bytesLeft - plan.reads.byteLength);
      if (plan.reads.pieces.length > 0 || plan.reads.unlocated !== undefined) atLeastOneBatch = false;
      return plan;
    });
  }

  #plan(slot: FetchSlot, limits: ReadLimits): PartitionPlan {
    const { fetchOffset } = slot.request;
    if (slot.error !== ErrorCode.NONE) return { slot, limits, answer: failed(slot.error), reads: NO_READS };
    const partition = this.#access.partition(slot);
    if (partition === undefined) return { slot, limits, answer: EMPTY_LOG, reads: NO_READS };
    if (!isWithin(partition, fetchOffset)) {
      return { slot, limits, answer: failed(ErrorCode.OFFSET_OUT_OF_RANGE), reads: NO_READS };
    }
    const stableOffset = lastStableOffset(partition);
    const { bytesMax, atLeastOneBatch, readCommitted } = limits;
    const endOffset = readCommitted ? stableOffset : partition.logEndOffset;
    const reads = planPartition(partition, fetchOffset, { bytesMax, atLeastOneBatch, endOffset }, this.#segments);
    const answer = {
      error: ErrorCode.NONE,
      highWatermark: partition.logEndOffset,
      lastStableOffset: stableOffset,
      logStartOffset: partition.logStartOffset,
      records: [],
      recordsByteLength: 0,
    };
    return { slot, limits, answer, reads };
  }

  /** The whole answer if no byte must be waited for. */
  #readCached(plan: PartitionPlan, borrowed: Borrowed | undefined): FetchedPartition | undefined {
    const { pieces, unlocated, byteLength } = plan.reads;
    if (unlocated !== undefined) return undefined;
    if (pieces.length === 0) return plan.answer;
    const journal = journalIdOf(plan.slot);
    const records: Uint8Array[] = [];
    try {
      for (const { kind, range } of pieces) {
        if (kind === "segment") return undefined;
        const chunks = this.#entries.cached(journal, range, borrowed);
        if (chunks === undefined) return undefined;
        for (const chunk of assembleRange(range, chunks, "lengths")) records.push(chunk);
      }
    } catch (error) {
      return failed(this.#access.readError(plan.slot, error));
    }
    return { ...plan.answer, records, recordsByteLength: byteLength };
  }

  async #readCold(first: PartitionPlan, options: EntryReadOptions): Promise<ReadPartition> {
    const { slot, limits } = first;
    const { signal } = options;
    let planned: PartitionPlan | undefined = first;
    try {
      return await this.#access.retryMissing(slot, signal, async () => {
        let plan = planned ?? this.#plan(slot, limits);
        planned = undefined;
        // Folds change the segments while an index is read.
        while (plan.reads.unlocated !== undefined) {
          await this.#segments.locate(plan.reads.unlocated, slot.request.fetchOffset, signal);
          plan = this.#plan(slot, limits);
        }
        return await this.#readPlan(plan, options);
      });
    } catch (error) {
      signal.throwIfAborted();
      return { answer: failed(this.#access.readError(slot, error)), nextOffset: undefined };
    }
  }

  /** Reads all pieces at once. Those before one that cannot be read are served: whoever goes on from there hears of it. */
  async #readPlan(plan: PartitionPlan, options: EntryReadOptions): Promise<ReadPartition> {
    const { pieces, ahead } = plan.reads;
    if (pieces.length === 0) return { answer: plan.answer, nextOffset: undefined };
    const reading = pieces.map((piece) => this.#readPiece(plan.slot, piece, options));
    if (ahead !== undefined) this.#segments.prefetch(ahead);
    const records: Uint8Array[] = [];
    let recordsByteLength = 0;
    let nextOffset: Offset | undefined;
    const settled = await Promise.allSettled(reading);
    options.signal.throwIfAborted();
    for (const read of settled) {
      if (read.status === "rejected") {
        if (recordsByteLength > 0 && read.reason instanceof LogError) break;
        throw read.reason;
      }
      for (const chunk of read.value.chunks) records.push(chunk);
      recordsByteLength += read.value.byteLength;
      nextOffset = read.value.nextOffset;
      if (!read.value.isWhole) break;
    }
    return { answer: { ...plan.answer, records, recordsByteLength }, nextOffset };
  }

  async #readPiece(slot: FetchSlot, { kind, range }: ReadPiece, options: EntryReadOptions): Promise<ReadRecords> {
    if (kind === "segment") {
      const { chunks, byteLength, next } = await this.#segments.read(range, options);
      const nextOffset = next === undefined ? range.segment.nextOffset : next.offset;
      return { chunks, byteLength, isWhole: next === undefined, nextOffset };
    }
    const use = (stored: readonly Uint8Array[]) => {
      const isChecked = checkedBytesOf(stored) >= range.byteLength;
      const assembled = assembleRange(range, stored, isChecked ? "lengths" : "sums");
      markChecked(stored, range.byteLength);
      return assembled;
    };
    const chunks = await this.#entries.read(journalIdOf(slot), range, { ...options, use });
    return { chunks, byteLength: range.byteLength, isWhole: true, nextOffset: nextOffsetOf(range) };
  }
}

export function isWithin(partition: PartitionState, fetchOffset: number): boolean {
  return fetchOffset >= partition.logStartOffset && fetchOffset <= partition.logEndOffset;
}

const EMPTY_LOG: FetchedPartition = {
  error: ErrorCode.NONE,
  highWatermark: 0,
  lastStableOffset: 0,
  logStartOffset: 0,
  records: [],
  recordsByteLength: 0,
};

/** Kafka answers -1 for every offset beside an error. */
function failed(error: ErrorCode): FetchedPartition {
  return {
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: [],
    recordsByteLength: 0,
  };
}

function journalIdOf(slot: FetchSlot) {
  assert(slot.journal !== undefined, "a partition with entries has an open journal");
  return slot.journal.id;
}

function allDefined(answers: readonly (FetchedPartition | undefined)[]): readonly FetchedPartition[] {
  return answers.map((answer) => {
    assert(answer !== undefined, "no byte is missing and yet an answer");
    return answer;
  });
}
