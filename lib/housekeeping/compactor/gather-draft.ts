import { BatchCursor, wholeEntry } from "#lib/log/entry-index.ts";
import { assembleRange } from "#lib/log/fetch-assembler.ts";
import type { GatherPart } from "#lib/log/log-command.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import { entryInput } from "#lib/log/segments.ts";
import { type SealedWriteAheadSegment, sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import type { FlushId } from "#lib/util/branded.ts";
import { copyChunks } from "#lib/util/join-chunks.ts";
import type { EntryPiece } from "./entry-pieces.ts";
import type { GatheredRun, GatherPlan } from "./plan-gather.ts";
import { sumBytes } from "./plan-segments.ts";

interface RunSlot {
  readonly run: GatheredRun;
  readonly bytes: Uint8Array;
  failure: { readonly error: unknown } | undefined;
}

export interface SealedGather {
  readonly sealed: SealedWriteAheadSegment;
  readonly parts: readonly GatherPart[];
}

/** A write-ahead object made of entries, whose bytes stay as they were stored: base offset 0 in each batch. */
export class GatherDraft {
  readonly pieces: readonly EntryPiece[];
  readonly #slots: readonly RunSlot[];

  constructor({ runs }: GatherPlan) {
    this.#slots = runs.map((run) => ({
      run,
      bytes: Buffer.allocUnsafeSlow(sumBytes(run.entries)),
      failure: undefined,
    }));
    this.pieces = this.#slots.flatMap(piecesOf);
  }

  /** The runs with a piece that could not be read, which are left out. */
  get failed(): readonly { readonly run: GatheredRun; readonly error: unknown }[] {
    return this.#slots.flatMap(({ run, failure }) => (failure === undefined ? [] : [{ run, error: failure.error }]));
  }

  /** Undefined if nothing could be read. */
  seal(flushId: FlushId): SealedGather | undefined {
    const whole = this.#slots.filter(({ failure }) => failure === undefined);
    if (whole.length === 0) return undefined;
    const sealed = sealWriteAheadSegment({
      flushId,
      parts: whole.map(({ run, bytes }) => {
        const { topicId, partitionIndex } = run.partition;
        return { topicId, partitionIndex, batches: batchesOf(run.entries, bytes) };
      }),
    });
    const parts = whole.map(({ run }, index) => ({
      topicId: run.partition.topicId,
      partitionIndex: run.partition.partitionIndex,
      inputs: run.entries.map(entryInput),
      position: defined(sealed.positions[index]),
    }));
    return { sealed, parts };
  }
}

function piecesOf(slot: RunSlot): readonly EntryPiece[] {
  let at = 0;
  return slot.run.entries.map((entry) => {
    const target = slot.bytes.subarray(at, at + entry.byteLength);
    at += entry.byteLength;
    return {
      entry,
      isWanted: () => slot.failure === undefined,
      take: (chunks) => {
        // Only what is whole is carried on: a damaged copy would otherwise become the only one.
        assembleRange(wholeEntry(entry), chunks, "sums");
        copyChunks(target, chunks);
      },
      fail: (error) => {
        slot.failure ??= { error };
      },
    };
  });
}

function batchesOf(entries: readonly WriteAheadEntry[], bytes: Uint8Array): readonly Uint8Array[] {
  const batches: Uint8Array[] = [];
  let at = 0;
  for (const entry of entries) {
    const cursor = BatchCursor.ofEntry(entry);
    for (; cursor.next(); at += cursor.byteLength) batches.push(bytes.subarray(at, at + cursor.byteLength));
  }
  return batches;
}
