import { wholeEntry } from "#lib/log/entry-index.ts";
import { assembleRange } from "#lib/log/fetch-assembler.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { defined } from "#lib/util/assert.ts";
import { copyChunks } from "#lib/util/join-chunks.ts";
import type { EntryPiece } from "./entry-pieces.ts";
import { sumBytes } from "./plan-segments.ts";

interface Slot {
  readonly entry: WriteAheadEntry;
  readonly bytes: Uint8Array;
  isFilled: boolean;
}

/**
 * A segment made of entries, in memory of its own: the pieces come in any order, what they were read into is used again,
 * and a small piece must not keep a large block. The indexes grow as far as the log is there without a gap.
 */
export class EntryDraft {
  readonly pieces: readonly EntryPiece[];
  readonly #bytes: Buffer;
  readonly #slots: readonly Slot[];
  readonly #builder: SegmentBuilder;
  #indexedCount = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(entries: readonly WriteAheadEntry[]) {
    this.#bytes = Buffer.allocUnsafeSlow(sumBytes(entries));
    this.#builder = new SegmentBuilder({ baseOffset: defined(entries[0]).baseOffset });
    let at = 0;
    this.#slots = entries.map((entry) => {
      const bytes = this.#bytes.subarray(at, at + entry.byteLength);
      at += entry.byteLength;
      return { entry, bytes, isFilled: false };
    });
    this.pieces = this.#slots.map((slot) => ({
      entry: slot.entry,
      isWanted: () => this.#failure === undefined,
      take: (chunks) => this.#fill(slot, chunks),
      fail: (error) => {
        this.#failure ??= { error };
      },
    }));
  }

  /** Fails with what the first piece that could not be read has failed with. */
  finish(): SegmentFiles {
    if (this.#failure !== undefined) throw this.#failure.error;
    return { ...this.#builder.finish(), log: [this.#bytes] };
  }

  #fill(slot: Slot, chunks: readonly Uint8Array[]): void {
    copyChunks(slot.bytes, assembleRange(wholeEntry(slot.entry), chunks, "sums"));
    slot.isFilled = true;
    for (; ; this.#indexedCount++) {
      const next = this.#slots[this.#indexedCount];
      if (next?.isFilled !== true) return;
      this.#builder.add([next.bytes]);
    }
  }
}
