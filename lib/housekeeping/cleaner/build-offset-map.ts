import type { LogSegment } from "#lib/log/log-state.ts";
import { isLost } from "#lib/log/segments.ts";
import { lastOffsetOf } from "#lib/record/record-batch.ts";
import { scanRecords } from "#lib/record/record-reader.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import { type AbortedTransaction, TransactionTracker } from "#lib/storage/segments/transaction-index.ts";
import { defined } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";
import { CleanedTransactions } from "./cleaned-transactions.ts";
import type { OffsetMap } from "./offset-map.ts";
import { readSegment, type SegmentBatch } from "./segment-steps.ts";
import type { Turns } from "./turns.ts";

export interface MapSources {
  readonly objects: RangeReader;
  /** Named by the transaction indexes of all segments. */
  readonly aborted: readonly AbortedTransaction[];
  readonly turns: Turns;
  readonly signal: AbortSignal;
}

/** Which keys. */
export interface MapRange {
  /** Segments that follow one another; not empty. */
  readonly dirty: readonly LogSegment[];
  readonly until: MapEnd;
}

export interface MapEnd {
  /** The end of a batch; undefined: as far as it goes. */
  readonly endOffset: Offset | undefined;
  /** No batch is added behind so many bytes. */
  readonly bytesMax: number;
}

/**
 * Puts the keys of the dirty segments into the empty map, and answers up to which offset they are in it: a batch's end,
 * sooner than the last segment's if the map is full, enough is read, or a transaction is not ended within the segments. The map
 * knows no key of what is behind that, which may be aborted yet. Fails as `readSegment` and `readRecords` do.
 */
export async function buildOffsetMap(map: OffsetMap, { dirty, until }: MapRange, sources: MapSources): Promise<Offset> {
  const { baseOffset } = defined(dirty[0], "dirty segment");
  const span = { baseOffset, nextOffset: defined(dirty.at(-1)).nextOffset, until };
  const mapping = new Mapping(map, sources, span);
  await mapping.read(dirty);
  const { endOffset, firstOpenOffset } = mapping;
  if (firstOpenOffset >= endOffset) return endOffset;
  // Below the first transaction that is open all others are ended, some by markers behind it.
  const stable = dirty.filter(({ nextOffset }) => nextOffset <= firstOpenOffset);
  map.clear();
  const stableMapping = new Mapping(map, sources, span);
  await stableMapping.read(stable);
  return stableMapping.endOffset;
}

class Mapping {
  readonly #map: OffsetMap;
  readonly #sources: MapSources;
  readonly #transactions: CleanedTransactions;
  readonly #tracker = new TransactionTracker();
  readonly #until: MapEnd;
  #endOffset: Offset;
  #byteLength = 0;
  #isFull = false;

  constructor(
    map: OffsetMap,
    sources: MapSources,
    { baseOffset, nextOffset, until }: Pick<LogSegment, "baseOffset" | "nextOffset"> & { readonly until: MapEnd },
  ) {
    map.reserve(nextOffset - baseOffset);
    this.#map = map;
    this.#sources = sources;
    // Of those that ended before no batch is left to read: their producers' next ones would be taken for theirs.
    const aborted = sources.aborted.filter(({ lastOffset }) => lastOffset >= baseOffset);
    this.#transactions = new CleanedTransactions(aborted);
    this.#endOffset = baseOffset;
    this.#until = until;
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }

  /** Where the first transaction begins that has not ended in what was read. */
  get firstOpenOffset(): Offset {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#tracker.open.values());
  }

  async read(segments: readonly LogSegment[]): Promise<void> {
    const { turns } = this.#sources;
    for (const segment of segments) {
      if (this.#isFull && this.firstOpenOffset >= this.#endOffset) return;
      if (!isLost(segment)) {
        for await (const { batches, borrowed } of readSegment(segment, this.#sources)) {
          for (const batch of batches) {
            this.#add(batch);
            if (turns.add(batch.header.recordCount)) await turns.end();
          }
          borrowed.release();
        }
      }
      if (!this.#isFull) this.#endOffset = segment.nextOffset;
    }
  }

  #add(batch: SegmentBatch): void {
    const { header, bytes } = batch;
    this.#tracker.add(header, () => bytes);
    this.#isFull ||= this.#isBehind(header.baseOffset);
    if (this.#isFull) return;
    if (header.isControl) this.#transactions.addMarker(header, bytes);
    else if (!this.#transactions.addData(header) && !this.#putKeys(batch)) {
      this.#isFull = true;
      return;
    }
    this.#endOffset = lastOffsetOf(header) + 1;
    this.#byteLength += bytes.byteLength;
  }

  #isBehind(baseOffset: Offset): boolean {
    const { endOffset, bytesMax } = this.#until;
    return this.#byteLength >= bytesMax || (endOffset !== undefined && baseOffset >= endOffset);
  }

  /**
   * All of the batch's keys or none: a key of a batch that is left out would count as later than what is there, and the batch may
   * be of a transaction that is aborted yet. The first batch may be put in part, for then the map is of no use.
   */
  #putKeys({ header, bytes }: SegmentBatch): boolean {
    const isFirst = this.#byteLength === 0;
    if (!isFirst && this.#map.size + header.recordCount > this.#map.keysMax && !this.#hasRoomFor(bytes)) return false;
    for (const { key, offset } of scanRecords(bytes)) {
      if (key !== null && !this.#map.put(key, offset)) return false;
    }
    return true;
  }

  /** A new key that comes twice counts twice, which costs nothing but a pass that ends a little sooner. */
  #hasRoomFor(batch: Uint8Array): boolean {
    let left = this.#map.keysMax - this.#map.size;
    for (const { key } of scanRecords(batch)) {
      if (key !== null && !this.#map.has(key) && --left < 0) return false;
    }
    return true;
  }
}
