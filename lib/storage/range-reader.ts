import { abortable } from "#lib/runtime/deadline.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { assert } from "#lib/util/assert.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import {
  BLOCK_BYTES,
  BLOCK_CACHE_BYTES_MAX,
  BLOCK_RUN_BYTES_MAX,
  READ_AHEAD_BYTES,
  READ_AHEAD_PENDING_BYTES_MAX,
  WHOLE_OBJECT_BYTES_MAX,
} from "#lib/util/limits.ts";
import { BlockCache, BlockRun, blockName } from "./block-cache.ts";
import { CopyReader, type CopyReaderOptions, type ObjectRef } from "./copy-reader.ts";
import { type ByteRange, CorruptObjectError } from "./object-store.ts";
import { ReadAheadTracker } from "./read-ahead.ts";
import { ReadMemory } from "./read-memory.ts";

export interface RangeReaderOptions extends Omit<CopyReaderOptions, "memory"> {
  /** Default 64 MiB. */
  readonly cacheBytesMax?: number;
  /** How far ahead of a sequential reader blocks are loaded; 0 turns it off. Default 4 MiB. */
  readonly readAheadBytes?: number;
  /** Whole buffers for what is read; the default suits stores that are not files. */
  readonly newReadMemory?: ((byteLength: number) => Uint8Array) | undefined;
}

export interface RangeReadOptions {
  readonly signal: AbortSignal;
  /** Gets what has to be given back. */
  readonly borrowed?: Borrowed | undefined;
  /** Nobody has asked for it yet: it is not counted as a step of a sequential reader. */
  readonly isAhead?: boolean | undefined;
}

interface Load {
  readonly run: Promise<BlockRun>;
  /** Each of them holds the run as soon as it is there. */
  readerCount: number;
}

/** A reader's hold on a run that is there, or will be. */
type Hold =
  | { readonly run: BlockRun; readonly loading: undefined }
  | { readonly run: undefined; readonly loading: Promise<BlockRun> };

/**
 * Ranges of objects through a cache of blocks. Each missing block is loaded once however many ask for it, adjacent ones
 * in one read, small objects whole, and blocks ahead of a sequential reader before it asks.
 */
export class RangeReader implements Disposable {
  readonly #cache: BlockCache;
  readonly #copies: CopyReader;
  readonly #tracker: ReadAheadTracker;
  readonly #memory: ReadMemory;
  /** By block; the blocks of one run share their load. */
  readonly #loading = new Map<string, Load>();
  /** Ends loads when the reader is disposed of; no caller's signal does, for others may wait for the same block. */
  readonly #lifetime = sharedAbortController();
  #readAheadPendingBytes = 0;

  constructor(options: RangeReaderOptions) {
    this.#cache = new BlockCache(options.cacheBytesMax ?? BLOCK_CACHE_BYTES_MAX);
    this.#memory = new ReadMemory(options.newReadMemory);
    this.#copies = new CopyReader({ ...options, memory: this.#memory });
    this.#tracker = new ReadAheadTracker(options.readAheadBytes ?? READ_AHEAD_BYTES);
  }

  get cachedBytes(): number {
    return this.#cache.heldBytes;
  }

  /**
   * The bytes of `range` as views, in order, one for each run of blocks that holds a part of it. Others read the same
   * arrays: do not change them. They stay until `borrowed` is released, or for good without it. Fails as
   * `CopyReader.read` does, or with the signal's reason.
   */
  async read(
    object: ObjectRef,
    range: ByteRange,
    { signal, borrowed, isAhead = false }: RangeReadOptions,
  ): Promise<readonly Uint8Array[]> {
    checkRange(object, range);
    signal.throwIfAborted();
    const holds = this.#hold(object, range);
    try {
      const ready = holds.flatMap(({ run }) => (run === undefined ? [] : [run]));
      const runs = ready.length === holds.length ? ready : await abortable(allRuns(holds), signal);
      const views = cut(runs, range);
      // Without a collector the runs stay held for good, and are left to V8.
      borrowed?.add(() => letGo(holds));
      if (!isAhead) this.#readAhead(object, range, borrowed);
      return views;
    } catch (error) {
      letGo(holds);
      throw error;
    }
  }

  /**
   * Begins to load what is missing of `range`; false if the bound on all read-ahead does not allow it. Failures are left
   * to the read that needs the bytes.
   */
  prefetch(object: ObjectRef, range: ByteRange): boolean {
    const byteLength = Math.min(range.byteLength, object.byteLength - range.position);
    if (byteLength <= 0) return true;
    if (this.#readAheadPendingBytes + byteLength > READ_AHEAD_PENDING_BYTES_MAX) return false;
    const holds = this.#hold(object, { position: range.position, byteLength });
    const isLoaded = holds.every(({ run }) => run !== undefined);
    if (!isLoaded) this.#readAheadPendingBytes += byteLength;
    const done = () => {
      letGo(holds);
      if (!isLoaded) this.#readAheadPendingBytes -= byteLength;
    };
    if (isLoaded) done();
    else allRuns(holds).then(done, done);
    return true;
  }

  /**
   * The bytes read for `range` are damaged (a wrong CRC): forgets them and puts the stores that gave them last. True if
   * reading again may give other bytes.
   */
  distrust(object: ObjectRef, range: ByteRange): boolean {
    const last = lastBlockOf(range);
    const storeIds = new Set<StoreId | undefined>();
    for (let block = firstBlockOf(range); block <= last; block++) {
      storeIds.add(this.#cache.remove(object.key, block));
    }
    return [...storeIds].map((id) => this.#copies.distrust(object, id)).at(-1) ?? false;
  }

  [Symbol.dispose](): void {
    this.#lifetime.abort(new Error("the range reader is closed"));
  }

  /** Once what was read is given back, if it is: then its reader is busy with it, and other reads are in nobody's way. */
  #readAhead(object: ObjectRef, range: ByteRange, borrowed: Borrowed | undefined): void {
    const ahead = this.#tracker.next(object, range);
    if (ahead === undefined) return;
    const load = () => {
      if (!this.prefetch(object, ahead)) this.#tracker.refused(object, ahead);
    };
    if (borrowed === undefined) load();
    else borrowed.add(load);
  }

  /** The runs that cover the range, in order, each held once; starts the loads that nobody has started yet. */
  #hold(object: ObjectRef, range: ByteRange): readonly Hold[] {
    const sources: (BlockRun | Load)[] = [];
    const last = lastBlockOf(range);
    for (let block = firstBlockOf(range); block <= last; block++) {
      const source = this.#known(object.key, block) ?? this.#load(object, block, last);
      if (sources.at(-1) !== source) sources.push(source);
    }
    return sources.map((source) => {
      if (source instanceof BlockRun) {
        source.hold();
        return { run: source, loading: undefined };
      }
      source.readerCount++;
      return { run: undefined, loading: source.run };
    });
  }

  #known(key: ObjectKey, block: number): BlockRun | Load | undefined {
    return this.#cache.get(key, block) ?? this.#loading.get(blockName(key, block));
  }

  /** Loads `from` and the missing blocks right after it, up to `last` and to the size of a run. */
  #load(object: ObjectRef, from: number, last: number): Load {
    const { key, byteLength } = object;
    const isSmall = byteLength <= WHOLE_OBJECT_BYTES_MAX;
    const wanted = isSmall ? Math.ceil(byteLength / BLOCK_BYTES) - 1 : last;
    const first = isSmall ? this.#firstMissing(key, from) : from;
    let end = first + 1;
    while (end <= wanted && (end - first) * BLOCK_BYTES < BLOCK_RUN_BYTES_MAX && this.#known(key, end) === undefined)
      end++;
    const position = first * BLOCK_BYTES;
    const range = { position, byteLength: Math.min(end * BLOCK_BYTES, byteLength) - position };
    // In the same turn as the run's first holds: a reader that comes later must find it in the cache, or load anew.
    const forget = () => {
      for (let block = first; block < end; block++) this.#loading.delete(blockName(key, block));
    };
    const load: Load = {
      readerCount: 0,
      run: this.#copies.read(object, range, this.#lifetime.signal).then(
        (read) => {
          forget();
          const run = new BlockRun({ key, firstBlock: first }, read, (bytes) => this.#memory.giveBack(bytes));
          run.hold(load.readerCount);
          this.#cache.add(run);
          run.release();
          return run;
        },
        (error: unknown) => {
          forget();
          throw error;
        },
      ),
    };
    for (let block = first; block < end; block++) this.#loading.set(blockName(key, block), load);
    return load;
  }

  /** The first of the missing blocks that end with `block`. */
  #firstMissing(key: ObjectKey, block: number): number {
    let first = block;
    while (first > 0 && this.#known(key, first - 1) === undefined) first--;
    return first;
  }
}

function firstBlockOf(range: ByteRange): number {
  return Math.floor(range.position / BLOCK_BYTES);
}

function lastBlockOf(range: ByteRange): number {
  return Math.floor((range.position + range.byteLength - 1) / BLOCK_BYTES);
}

function checkRange(object: ObjectRef, range: ByteRange): void {
  assert(range.position >= 0 && range.byteLength >= 1, "empty range");
  const end = range.position + range.byteLength;
  if (end > object.byteLength) {
    throw new CorruptObjectError(object.key, `has ${object.byteLength} bytes, a reference into it ends at ${end}`);
  }
}

function allRuns(holds: readonly Hold[]): Promise<readonly BlockRun[]> {
  return Promise.all(holds.map(({ run, loading }) => run ?? loading));
}

/** Once for each hold, when its run is there. */
function letGo(holds: readonly Hold[]): void {
  for (const { run, loading } of holds) {
    run?.release();
    loading?.then(
      (loaded) => loaded.release(),
      () => {},
    );
  }
}

/** The parts of `range` in runs that cover it in order, without gaps between them. */
function cut(runs: readonly BlockRun[], range: ByteRange): readonly Uint8Array[] {
  const views: Uint8Array[] = [];
  const end = range.position + range.byteLength;
  let position = range.position;
  for (const run of runs) {
    const start = run.firstBlock * BLOCK_BYTES;
    const from = position - start;
    const view = run.view(from, Math.min(end - start, run.bytes.byteLength));
    views.push(view);
    position += view.byteLength;
  }
  assert(position === end, "the runs do not cover the range");
  return views;
}
