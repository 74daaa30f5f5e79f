import { abortable } from "#lib/runtime/deadline.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import {
  BLOCK_BYTES,
  BLOCK_CACHE_BYTES_MAX,
  BLOCK_RUN_BYTES_MAX,
  READ_AHEAD_BYTES,
  READ_AHEAD_PENDING_BYTES_MAX,
  WHOLE_OBJECT_BYTES_MAX,
} from "#lib/util/limits.ts";
import { BlockCache, type BlockRun, blockName } from "./block-cache.ts";
import { CopyReader, type CopyReaderOptions, type ObjectRef } from "./copy-reader.ts";
import { type ByteRange, CorruptObjectError } from "./object-store.ts";
import { ReadAheadTracker } from "./read-ahead.ts";

export interface RangeReaderOptions extends CopyReaderOptions {
  /** Default 64 MiB. */
  readonly cacheBytesMax?: number;
  /** How far ahead of a sequential reader blocks are loaded; 0 turns it off. Default 4 MiB. */
  readonly readAheadBytes?: number;
}

/**
 * Ranges of objects through a cache of blocks. Each missing block is loaded once however many ask for it, adjacent ones
 * in one read, small objects whole, and blocks ahead of a sequential reader before it asks.
 */
export class RangeReader implements Disposable {
  readonly #cache: BlockCache;
  readonly #copies: CopyReader;
  readonly #tracker: ReadAheadTracker;
  /** By block; the blocks of one run share their promise. */
  readonly #loading = new Map<string, Promise<BlockRun>>();
  /** Ends loads when the reader is disposed of; no caller's signal does, for others may wait for the same block. */
  readonly #lifetime = sharedAbortController();
  #readAheadPendingBytes = 0;

  constructor(options: RangeReaderOptions) {
    this.#cache = new BlockCache(options.cacheBytesMax ?? BLOCK_CACHE_BYTES_MAX);
    this.#copies = new CopyReader(options);
    this.#tracker = new ReadAheadTracker(options.readAheadBytes ?? READ_AHEAD_BYTES);
  }

  get cachedBytes(): number {
    return this.#cache.heldBytes;
  }

  /**
   * The bytes of `range` as views, in order, one for each run of blocks that holds a part of it. Others read the same
   * arrays: do not change them. Fails as `CopyReader.read` does, or with the signal's reason.
   */
  async read(object: ObjectRef, range: ByteRange, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    checkRange(object, range);
    signal.throwIfAborted();
    const runs = this.#plan(object, range);
    const ahead = this.#tracker.next(object, range);
    if (ahead !== undefined) this.prefetch(object, ahead);
    const isReady = runs.every((run) => !(run instanceof Promise));
    const ready = isReady ? runs : await abortable(Promise.all(runs), signal);
    return cut(ready, range);
  }

  /**
   * Begins to load what is missing of `range`, as far as the bound on all read-ahead allows. Failures are left to the
   * read that needs the bytes.
   */
  prefetch(object: ObjectRef, range: ByteRange): void {
    const byteLength = Math.min(range.byteLength, object.byteLength - range.position);
    if (byteLength <= 0 || this.#readAheadPendingBytes + byteLength > READ_AHEAD_PENDING_BYTES_MAX) return;
    const pending = this.#plan(object, { position: range.position, byteLength }).filter(
      (run) => run instanceof Promise,
    );
    if (pending.length === 0) return;
    this.#readAheadPendingBytes += byteLength;
    const done = () => {
      this.#readAheadPendingBytes -= byteLength;
    };
    Promise.all(pending).then(done, done);
  }

  /**
   * The bytes read for `range` are damaged (a wrong CRC): forgets them and puts the stores that gave them last. True if
   * reading again may give other bytes.
   */
  distrust(object: ObjectRef, range: ByteRange): boolean {
    const last = lastBlockOf(range);
    const storeIds = new Set<StoreId | undefined>();
    for (let block = firstBlockOf(range); block <= last; block++) {
      storeIds.add(this.#cache.remove(object.key, block)?.storeId);
    }
    return [...storeIds].map((id) => this.#copies.distrust(object, id)).at(-1) ?? false;
  }

  [Symbol.dispose](): void {
    this.#lifetime.abort(new Error("the range reader is closed"));
  }

  /** For each block of the range its run, or the promise of it; starts the loads that nobody has started yet. */
  #plan(object: ObjectRef, range: ByteRange): (BlockRun | Promise<BlockRun>)[] {
    const runs: (BlockRun | Promise<BlockRun>)[] = [];
    const last = lastBlockOf(range);
    for (let block = firstBlockOf(range); block <= last; block++) {
      runs.push(this.#known(object.key, block) ?? this.#load(object, block, last));
    }
    return distinct(runs);
  }

  #known(key: ObjectKey, block: number): BlockRun | Promise<BlockRun> | undefined {
    return this.#cache.get(key, block) ?? this.#loading.get(blockName(key, block));
  }

  /** Loads `from` and the missing blocks right after it, up to `last` and to the size of a run. */
  #load(object: ObjectRef, from: number, last: number): Promise<BlockRun> {
    const { key, byteLength } = object;
    const isSmall = byteLength <= WHOLE_OBJECT_BYTES_MAX;
    const wanted = isSmall ? Math.ceil(byteLength / BLOCK_BYTES) - 1 : last;
    const first = isSmall ? this.#firstMissing(key, from) : from;
    let end = first + 1;
    while (end <= wanted && (end - first) * BLOCK_BYTES < BLOCK_RUN_BYTES_MAX && this.#known(key, end) === undefined)
      end++;
    const position = first * BLOCK_BYTES;
    const range = { position, byteLength: Math.min(end * BLOCK_BYTES, byteLength) - position };
    const load = this.#copies
      .read(object, range, this.#lifetime.signal)
      .then(({ bytes, storeId }) => {
        const run: BlockRun = { key, firstBlock: first, bytes, storeId };
        this.#cache.add(run);
        return run;
      })
      .finally(() => {
        for (let block = first; block < end; block++) this.#loading.delete(blockName(key, block));
      });
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

function distinct<T>(items: readonly T[]): T[] {
  return items.length < 2 ? [...items] : [...new Set(items)];
}

/** The parts of `range` in runs that cover it in order, without gaps between them. */
function cut(runs: readonly (BlockRun | Promise<BlockRun>)[], range: ByteRange): readonly Uint8Array[] {
  const views: Uint8Array[] = [];
  const end = range.position + range.byteLength;
  let position = range.position;
  for (const run of runs) {
    assert(!(run instanceof Promise), "a run is still loading");
    const start = run.firstBlock * BLOCK_BYTES;
    const from = position - start;
    const view = run.bytes.subarray(from, Math.min(end - start, run.bytes.byteLength));
    views.push(view);
    position += view.byteLength;
  }
  assert(position === end, "the runs do not cover the range");
  return views;
}
