import type { LogSegment } from "#lib/log/log-state.ts";
import { emptyBatch } from "#lib/record/batch-filter.ts";
import { lastOffsetOf } from "#lib/record/record-batch.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import type { OpenTransactions } from "#lib/storage/segments/transaction-index.ts";
import { defined } from "#lib/util/assert.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset } from "#lib/util/branded.ts";
import type { BatchCleaner } from "./batch-cleaner.ts";
import { readSegment, type SegmentBatch } from "./segment-steps.ts";
import type { Turns } from "./turns.ts";

export interface GroupInput {
  /** Not empty; they follow one another. */
  readonly group: readonly LogSegment[];
  /** Where cleaning ends, at the end of a batch; the group may go beyond it, in its last segment. */
  readonly endOffset: Offset;
  readonly openTransactions: OpenTransactions;
}

export interface CleanedGroup {
  /** Ends where the group does, or at `endOffset`. */
  readonly cleaned: SegmentFiles;
  /** What comes behind `endOffset`, as it was. */
  readonly rest: SegmentFiles | undefined;
  /** Every batch is as it was. */
  readonly isUnchanged: boolean;
  /** Those that the next group begins with. */
  readonly openTransactions: OpenTransactions;
}

export interface GroupSource {
  readonly objects: RangeReader;
  /** Gets what is to be given back when the files have been written. */
  readonly borrowed: Borrowed;
  readonly turns: Turns;
  readonly signal: AbortSignal;
}

/**
 * Makes one segment of a group, in memory. Batches that stay whole are views of what was read. Fails as `readSegment` and `readRecords` do.
 */
export async function cleanGroup(
  { group, endOffset, openTransactions }: GroupInput,
  batches: BatchCleaner,
  from: GroupSource,
): Promise<CleanedGroup> {
  const cleanedEnd = Math.min(endOffset, defined(group.at(-1)).nextOffset);
  const output = new GroupOutput(defined(group[0]).baseOffset, cleanedEnd, openTransactions);
  for (const segment of group) {
    for await (const step of readSegment(segment, from)) {
      let isKept = false;
      for (const batch of step.batches) {
        isKept = output.add(batch, batches) || isKept;
        if (from.turns.add(batch.header.recordCount)) await from.turns.end();
      }
      if (isKept) from.borrowed.add(() => step.borrowed.release());
      else step.borrowed.release();
    }
  }
  return output.finish();
}

class GroupOutput {
  readonly #cleaned: SegmentBuilder;
  readonly #cleanedEnd: Offset;
  #rest: SegmentBuilder | undefined;
  #isUnchanged = true;

  constructor(baseOffset: Offset, cleanedEnd: Offset, openTransactions: OpenTransactions) {
    this.#cleaned = new SegmentBuilder({ baseOffset, openTransactions });
    this.#cleanedEnd = cleanedEnd;
  }

  /** Whether the batch's own bytes are part of the output. */
  add(batch: SegmentBatch, batches: BatchCleaner): boolean {
    const { bytes, header } = batch;
    if (header.baseOffset >= this.#cleanedEnd) {
      this.#restBuilder().add([bytes]);
      return true;
    }
    const left = batches.clean(batch);
    if (left.kind === "whole") {
      this.#cleaned.add([bytes]);
      return true;
    }
    // So that the segment's last batch ends where the segment does.
    const isLast = lastOffsetOf(header) + 1 === this.#cleanedEnd;
    const isEmptyAlready = isLast && header.recordCount === 0 && header.producerId === -1;
    if (isEmptyAlready) {
      this.#cleaned.add([bytes]);
      return true;
    }
    this.#isUnchanged = false;
    if (left.kind === "rebuilt") this.#cleaned.add([left.batch]);
    else if (isLast) this.#cleaned.add([emptyBatch(header)]);
    return false;
  }

  finish(): CleanedGroup {
    const rest = this.#rest;
    return {
      cleaned: this.#cleaned.finish(),
      rest: rest?.finish(),
      isUnchanged: this.#isUnchanged && rest === undefined,
      openTransactions: (rest ?? this.#cleaned).openTransactions,
    };
  }

  #restBuilder(): SegmentBuilder {
    const { openTransactions } = this.#cleaned;
    this.#rest ??= new SegmentBuilder({ baseOffset: this.#cleanedEnd, openTransactions });
    return this.#rest;
  }
}
