import type { ByteRange } from "#lib/storage/object-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { BLOCK_BYTES } from "#lib/util/limits.ts";
import { sliceChunks } from "./entry-chunks.ts";
import type { EntryRange } from "./entry-index.ts";
import { CorruptEntryError } from "./fetch-assembler.ts";
import { type EntryPlace, type PartitionState, placeName, type WriteAheadObject } from "./log-state.ts";
import { lostBatches } from "./lost-batches.ts";
import type { TailCache } from "./tail-cache.ts";

export interface EntryReadOptions {
  readonly signal: AbortSignal;
  /** Gets what has to be given back; without it nothing has to. */
  readonly borrowed?: Borrowed | undefined;
  /** Nobody has asked for it yet, so it says nothing of who reads in sequence. */
  readonly isAhead?: boolean;
}

/** Reads write-ahead objects from whichever store has them. */
export interface WriteAheadReader {
  /**
   * Exactly the bytes of `range`, in chunks that stay until `borrowed` is released. Fails as `ObjectStore.getRange` does.
   */
  read(object: WriteAheadObject, range: ByteRange, options: EntryReadOptions): Promise<readonly Uint8Array[]>;
  /** Begins to load the range, unless too much is being loaded already. */
  prefetch(object: WriteAheadObject, range: ByteRange): void;
  /** The bytes it gave for `range` are damaged. True if reading again may give others, from another store. */
  distrust(object: WriteAheadObject, range: ByteRange): boolean;
}

/** Reads inlined batches from the journal. */
export interface InlineReader {
  /** All inlined bytes of one command. Fails with a `LogError` of kind `conflict` if the record is not there. */
  read(
    journal: JournalId,
    place: { readonly seq: JournalSeq; readonly indexInRecord: number },
    signal: AbortSignal,
  ): Promise<Uint8Array>;
}

/** The place of an entry holds nothing: it was replaced and removed since the plan was made, or it is lost. */
export class MissingEntryError extends LogError {
  override readonly name = "MissingEntryError";
  override readonly kind = "conflict";
  readonly place: EntryPlace;

  constructor(place: EntryPlace, cause: unknown) {
    super(`the bytes of an entry are missing at ${placeName(place)}`, { cause });
    this.place = place;
  }
}

/** The bytes of planned ranges: from the tail cache, else from their stores or their journal. */
export class EntryReader {
  readonly #tailCache: TailCache;
  readonly #inlinedCache: TailCache | undefined;
  readonly #objects: WriteAheadReader;
  readonly #inlined: InlineReader;

  constructor(deps: {
    readonly tailCache: TailCache;
    /** Where `inlined` leaves what it reads, if that is another cache. */
    readonly inlinedCache?: TailCache | undefined;
    readonly objects: WriteAheadReader;
    readonly inlined: InlineReader;
  }) {
    this.#tailCache = deps.tailCache;
    this.#inlinedCache = deps.inlinedCache;
    this.#objects = deps.objects;
    this.#inlined = deps.inlined;
  }

  /** The bytes of `range` if they can be had without waiting, until `borrowed` is released. */
  cached(journal: JournalId, range: EntryRange, borrowed?: Borrowed): readonly Uint8Array[] | undefined {
    const { place } = range.entry;
    if (place.kind === "object") return this.#tailCache.object(place.key, range, borrowed);
    if (place.kind === "lost") return [lostBatches(range)];
    const { seq, indexInRecord } = place;
    const { position, byteLength } = range;
    const inlined = { seq, indexInRecord, position, byteLength };
    return this.#tailCache.inline(journal, inlined) ?? this.#inlinedCache?.inline(journal, inlined);
  }

  /** Whether the range lies in an object and is not here. */
  isInStore({ entry: { place }, position, byteLength }: EntryRange): boolean {
    return place.kind === "object" && !this.#tailCache.holds(place.key, { position, byteLength });
  }

  /** Begins to load ranges of objects; of each object what is near together by one read. */
  prefetch(ranges: readonly EntryRange[]): void {
    const parts = ranges.flatMap(({ entry: { place }, position, byteLength }) =>
      place.kind === "object" ? [{ object: place, position, byteLength }] : [],
    );
    for (const ofObject of groupBy(parts, ({ object }) => object.key).values()) {
      const { object } = defined(ofObject[0]);
      for (const range of joinedRanges(ofObject)) this.#objects.prefetch(object, range);
    }
  }

  /**
   * Reads `range` and makes of it what `use` does. If that fails with `CorruptEntryError`, other stores are asked.
   * Fails with `MissingEntryError`, an error of kind `corrupt` or `unavailable`, or the signal's reason.
   */
  async read<T>(
    journal: JournalId,
    range: EntryRange,
    { use, ...options }: EntryReadOptions & { readonly use: (chunks: readonly Uint8Array[]) => T },
  ): Promise<T> {
    for (;;) {
      const chunks = this.cached(journal, range, options.borrowed) ?? (await this.#read(journal, range, options));
      try {
        return use(chunks);
      } catch (error) {
        if (!(error instanceof CorruptEntryError) || !this.#distrust(range)) throw error;
      }
    }
  }

  async #read(journal: JournalId, range: EntryRange, options: EntryReadOptions): Promise<readonly Uint8Array[]> {
    const { place } = range.entry;
    try {
      if (place.kind === "object") return await this.#objects.read(place, range, options);
      if (place.kind === "lost") return [lostBatches(range)];
      const bytes = await this.#inlined.read(journal, place, options.signal);
      return sliceChunks([bytes], range.position, range.byteLength);
    } catch (cause) {
      if (cause instanceof LogError && cause.kind === "conflict") throw new MissingEntryError(place, cause);
      throw cause;
    }
  }

  #distrust(range: EntryRange): boolean {
    const { place } = range.entry;
    return place.kind === "object" && this.#objects.distrust(place, range);
  }
}

/** In order, those with less than a block between them as one: blocks are loaded whole in any case. */
function joinedRanges(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const joined: ByteRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.position - b.position)) {
    const last = joined.at(-1);
    if (last === undefined || range.position - last.position - last.byteLength >= BLOCK_BYTES) {
      joined.push({ position: range.position, byteLength: range.byteLength });
      continue;
    }
    const end = Math.max(last.position + last.byteLength, range.position + range.byteLength);
    joined[joined.length - 1] = { position: last.position, byteLength: end - last.position };
  }
  return joined;
}

/** Whether the partition's state still says that bytes are at `place`. */
export function refersTo(partition: PartitionState, place: EntryPlace): boolean {
  const name = placeName(place);
  return partition.entries.some((entry) => placeName(entry.place) === name);
}
