import { wholeEntry } from "#lib/log/entry-index.ts";
import { ByteBudget } from "#lib/log/fetch-budget.ts";
import type { WriteAheadEntry, WriteAheadObject } from "#lib/log/log-state.ts";
import { placeName } from "#lib/log/log-state.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { JournalId } from "#lib/util/branded.ts";
import { BLOCK_BYTES, COMPACTION_READ_BYTES_MAX, COMPACTION_READS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";

/** What is to be read of one entry: all of it. */
export interface EntryPiece {
  readonly entry: WriteAheadEntry;
  /** False when there is no use for it any more, for another piece of the same whole has failed. */
  readonly isWanted: () => boolean;
  /** Gets the bytes as they are stored, for this turn only. Fails with `CorruptEntryError` if they are not what was written. */
  readonly take: (chunks: readonly Uint8Array[]) => void;
  /** Called in place of `take`. */
  readonly fail: (error: unknown) => void;
}

/**
 * Reads many entries, each object once: pieces that lie next to each other in one object come with one ranged read,
 * whichever partitions they are of. At most `COMPACTION_READ_BYTES_MAX` are under way; the pieces come in any order.
 */
export class EntryPieces {
  readonly #parts: Pick<WorkerParts, "entries" | "objects" | "clock">;
  readonly #budget = new ByteBudget(COMPACTION_READ_BYTES_MAX);

  constructor(parts: Pick<WorkerParts, "entries" | "objects" | "clock">) {
    this.#parts = parts;
  }

  /** Resolves when each piece was taken or has failed. Rejects only if aborted. */
  async read(journal: JournalId, pieces: readonly EntryPiece[], signal: AbortSignal): Promise<void> {
    const groups = byPlace(pieces).values();
    let unyieldedBytes = 0;
    const lane = async (): Promise<void> => {
      for (const group of groups) {
        signal.throwIfAborted();
        const byteLength = group.reduce((sum, { entry }) => sum + entry.byteLength, 0);
        using _grant = await this.#budget.acquire(byteLength, signal);
        await this.#readGroup(journal, group, signal);
        unyieldedBytes += byteLength;
        if (unyieldedBytes < BLOCK_BYTES) continue;
        // What is in memory is summed and copied without a wait: everybody else gets a turn now and then.
        unyieldedBytes = 0;
        await this.#parts.clock.endOfTurn();
      }
    };
    await Promise.all(Array.from({ length: COMPACTION_READS_AT_ONCE_MAX }, lane));
    signal.throwIfAborted();
  }

  /** The pieces of one place, in ascending positions. */
  async #readGroup(journal: JournalId, group: readonly EntryPiece[], signal: AbortSignal): Promise<void> {
    const missing = group.filter((piece) => piece.isWanted() && !this.#takeCached(journal, piece));
    const place = missing[0]?.entry.place;
    if (place?.kind === "object" && missing.length > 1) prefetch(this.#parts.objects, place, missing);
    await Promise.all(missing.map((piece) => this.#readPiece(journal, piece, signal)));
  }

  #takeCached(journal: JournalId, piece: EntryPiece): boolean {
    const borrowed = new Borrowed();
    try {
      const chunks = this.#parts.entries.cached(journal, wholeEntry(piece.entry), borrowed);
      if (chunks === undefined) return false;
      piece.take(chunks);
      return true;
    } catch (error) {
      piece.fail(error);
      return true;
    } finally {
      borrowed.release();
    }
  }

  async #readPiece(journal: JournalId, piece: EntryPiece, signal: AbortSignal): Promise<void> {
    const borrowed = new Borrowed();
    try {
      await this.#parts.entries.read(journal, wholeEntry(piece.entry), { use: piece.take, borrowed, signal });
    } catch (error) {
      piece.fail(error);
    } finally {
      borrowed.release();
    }
  }
}

/**
 * The pieces by the object or record that they lie in, objects in the order in which they come first. Records in their own
 * order, for a page of them has entries of many partitions.
 */
function byPlace(pieces: readonly EntryPiece[]): readonly (readonly EntryPiece[])[] {
  const groups = new Map<string, EntryPiece[]>();
  for (const piece of pieces) {
    const name = placeName(piece.entry.place);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [piece]);
    else group.push(piece);
  }
  const sorted = [...groups.values()].sort((a, b) => seqOf(a) - seqOf(b));
  return sorted.map((group) => group.sort((a, b) => a.entry.position - b.entry.position));
}

function seqOf([piece]: readonly EntryPiece[]): number {
  return piece?.entry.place.kind === "inline" ? piece.entry.place.seq : -1;
}

/** Begins one load for each run of pieces with less than a block between them. */
function prefetch(objects: RangeReader, object: WriteAheadObject, pieces: readonly EntryPiece[]): void {
  let position = 0;
  let end = -1;
  for (const { entry } of pieces) {
    if (end >= 0 && entry.position - end < BLOCK_BYTES) {
      end = Math.max(end, entry.position + entry.byteLength);
      continue;
    }
    if (end > position) objects.prefetch(object, { position, byteLength: end - position });
    position = entry.position;
    end = entry.position + entry.byteLength;
  }
  if (end > position) objects.prefetch(object, { position, byteLength: end - position });
}
