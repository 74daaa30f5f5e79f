import { ErrorCode } from "#lib/protocol/error-code.ts";
import { assert } from "#lib/util/assert.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import { type EntryRange, planFetch, sumBytes } from "./entry-index.ts";
import type { EntryReader, EntryReadOptions } from "./entry-reader.ts";
import { assembleRange } from "./fetch-assembler.ts";
import type { ByteBudget } from "./fetch-budget.ts";
import { lastStableOffset, type PartitionAccess, type PartitionSlot } from "./fetch-partitions.ts";
import type { FetchedPartition, PartitionFetch } from "./log-api.ts";
import type { PartitionState } from "./log-state.ts";

export interface FetchSlot extends PartitionSlot {
  readonly request: PartitionFetch;
}

/** What one partition will answer, but for the bytes. */
interface PartitionPlan {
  readonly slot: FetchSlot;
  readonly limits: ReadLimits;
  readonly answer: FetchedPartition;
  readonly ranges: readonly EntryRange[];
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
  readonly #budget: ByteBudget;

  constructor(deps: {
    readonly access: PartitionAccess;
    readonly entries: EntryReader;
    readonly budget: ByteBudget;
  }) {
    this.#access = deps.access;
    this.#entries = deps.entries;
    this.#budget = deps.budget;
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
      if (answers[index] === undefined) coldBytes += sumBytes(plan.ranges);
    }
    if (coldBytes === 0) return allDefined(answers);
    using _grant = await this.#budget.acquire(coldBytes, options.signal);
    return await Promise.all(plans.map((plan, index) => answers[index] ?? this.#readCold(plan, options)));
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
      bytesLeft = Math.max(0, bytesLeft - plan.answer.recordsByteLength);
      if (plan.ranges.length > 0) atLeastOneBatch = false;
      return plan;
    });
  }

  #plan(slot: FetchSlot, limits: ReadLimits): PartitionPlan {
    const { fetchOffset } = slot.request;
    if (slot.error !== ErrorCode.NONE) return { slot, limits, answer: failed(slot.error), ranges: [] };
    const partition = this.#access.partition(slot);
    if (partition === undefined) return { slot, limits, answer: EMPTY_LOG, ranges: [] };
    if (!isWithin(partition, fetchOffset)) {
      return { slot, limits, answer: failed(ErrorCode.OFFSET_OUT_OF_RANGE), ranges: [] };
    }
    const stableOffset = lastStableOffset(partition);
    const ranges = planFetch(partition.entries, fetchOffset, {
      bytesMax: limits.bytesMax,
      atLeastOneBatch: limits.atLeastOneBatch,
      endOffset: limits.readCommitted ? stableOffset : partition.logEndOffset,
    });
    const answer = {
      error: ErrorCode.NONE,
      highWatermark: partition.logEndOffset,
      lastStableOffset: stableOffset,
      logStartOffset: partition.logStartOffset,
      records: [],
      recordsByteLength: sumBytes(ranges),
    };
    return { slot, limits, answer, ranges };
  }

  /** The whole answer if no byte must be waited for. */
  #readCached(plan: PartitionPlan, borrowed: Borrowed | undefined): FetchedPartition | undefined {
    if (plan.ranges.length === 0) return plan.answer;
    const journal = journalIdOf(plan.slot);
    const records: Uint8Array[] = [];
    try {
      for (const range of plan.ranges) {
        const chunks = this.#entries.cached(journal, range, borrowed);
        if (chunks === undefined) return undefined;
        for (const chunk of assembleRange(range, chunks, "lengths")) records.push(chunk);
      }
    } catch (error) {
      return failed(this.#access.readError(plan.slot, error));
    }
    return { ...plan.answer, records };
  }

  async #readCold(first: PartitionPlan, options: EntryReadOptions): Promise<FetchedPartition> {
    const { slot, limits } = first;
    const { signal } = options;
    let plan: PartitionPlan | undefined = first;
    try {
      return await this.#access.retryMissing(slot, signal, () => {
        const current = plan ?? this.#plan(slot, limits);
        plan = undefined;
        return this.#readPlan(current, options);
      });
    } catch (error) {
      signal.throwIfAborted();
      return failed(this.#access.readError(slot, error));
    }
  }

  async #readPlan(plan: PartitionPlan, { signal, borrowed }: EntryReadOptions): Promise<FetchedPartition> {
    if (plan.ranges.length === 0) return plan.answer;
    const journal = journalIdOf(plan.slot);
    const reads = plan.ranges.map((range) =>
      this.#entries.read(journal, range, { signal, borrowed, use: (chunks) => assembleRange(range, chunks, "sums") }),
    );
    const records = (await Promise.all(reads)).flat();
    return { ...plan.answer, records };
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
