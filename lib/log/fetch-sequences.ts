import type { Offset } from "#lib/util/branded.ts";
import { READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";

/**
 * Knows who reads partitions in sequence: a fetch that begins where one ended before. What follows one that begins
 * elsewhere nobody need ever ask for.
 */
export class FetchSequences {
  readonly #bytesMax: number;
  /** Partitions and offsets where fetches ended, the latest last; and what had been read ahead for all until then. */
  readonly #ends = new Map<string, number>();
  #aheadBytes = 0;

  /** `bytesMax`: as much read ahead for others drives out of the cache what was read ahead for one. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Whether it is worth it to read on behind the fetch from `fetchOffset` up to `nextOffset`: it is one in sequence, and
   * comes soon enough to find what was read ahead for it.
   */
  goesOn(partitionKey: string, { fetchOffset, nextOffset }: { fetchOffset: Offset; nextOffset: Offset }): boolean {
    const begin = `${partitionKey}@${fetchOffset}`;
    const until = this.#ends.get(begin);
    this.#ends.delete(begin);
    this.#ends.set(`${partitionKey}@${nextOffset}`, this.#aheadBytes);
    for (const oldest of this.#ends.keys()) {
      if (this.#ends.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#ends.delete(oldest);
    }
    return until !== undefined && this.#aheadBytes - until <= this.#bytesMax;
  }

  /** So much is read ahead now. */
  readsAhead(bytes: number): void {
    this.#aheadBytes += bytes;
  }
}
