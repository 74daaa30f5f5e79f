import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { BLOCK_BYTES } from "#lib/util/limits.ts";

// Objects are cut into aligned blocks of 1 MiB, the last one shorter:
//
//   object   |--- 0 ---|--- 1 ---|--- 2 ---|--- 3 ---|- 4 -|
//   runs      [ loaded in one read ]        [ another read ]
//
// A run is what one read brought: adjacent blocks in one array. It is kept and evicted as one, because a view of any
// block keeps the whole array alive; so the bytes counted here are the bytes held.

/** Views that a run remembers, some 200 bytes each. */
const VIEWS_MAX = 64;

/** Adjacent blocks of one object, loaded together. Its memory is used again when nobody holds it any more; never, if somebody does
 * not let go. */
export class BlockRun {
  readonly key: ObjectKey;
  readonly firstBlock: number;
  /** From the beginning of the first block. */
  readonly bytes: Uint8Array;
  /** Where they were read. */
  readonly storeId: StoreId;
  readonly #giveBack: (bytes: Uint8Array) => void;
  readonly #views = new Map<string, Uint8Array>();
  #holders = 1;

  /** Held once, by who makes it. */
  constructor(
    place: { readonly key: ObjectKey; readonly firstBlock: number },
    read: { readonly bytes: Uint8Array; readonly storeId: StoreId },
    giveBack: (bytes: Uint8Array) => void,
  ) {
    this.key = place.key;
    this.firstBlock = place.firstBlock;
    this.bytes = read.bytes;
    this.storeId = read.storeId;
    this.#giveBack = giveBack;
  }

  /** The same view for the same bytes, so that whoever has looked into it knows it again; unless many others came since. */
  view(from: number, to: number): Uint8Array {
    const name = `${from}:${to}`;
    const known = this.#views.get(name);
    if (known !== undefined) return known;
    if (this.#views.size >= VIEWS_MAX) this.#views.clear();
    const view = this.bytes.subarray(from, to);
    this.#views.set(name, view);
    return view;
  }

  /** Of its memory, which may be more than what was read into it. */
  get memoryBytes(): number {
    return this.bytes.buffer.byteLength;
  }

  hold(count = 1): void {
    assert(this.#holders > 0, "held after the last release");
    this.#holders += count;
  }

  release(): void {
    assert(this.#holders > 0, "released more often than held");
    this.#holders--;
    if (this.#holders === 0) this.#giveBack(this.bytes);
  }
}

export function blockCountOf(run: BlockRun): number {
  return Math.ceil(run.bytes.byteLength / BLOCK_BYTES);
}

export function blockName(key: ObjectKey, block: number): string {
  return `${key}#${block}`;
}

/** Runs by their blocks, the least recently used leave first. */
export class BlockCache {
  readonly #bytesMax: number;
  readonly #blocks = new Map<string, BlockRun>();
  /** In the order of use. */
  readonly #runs = new Set<BlockRun>();
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get(key: ObjectKey, block: number): BlockRun | undefined {
    const run = this.#blocks.get(blockName(key, block));
    if (run === undefined) return undefined;
    this.#runs.delete(run);
    this.#runs.add(run);
    return run;
  }

  has(key: ObjectKey, block: number): boolean {
    return this.#blocks.has(blockName(key, block));
  }

  /** Takes the place of runs that hold one of its blocks. Keeps nothing larger than the whole cache. */
  add(run: BlockRun): void {
    const count = blockCountOf(run);
    for (let block = run.firstBlock; block < run.firstBlock + count; block++) this.remove(run.key, block);
    if (run.memoryBytes > this.#bytesMax) return;
    for (let block = run.firstBlock; block < run.firstBlock + count; block++) {
      this.#blocks.set(blockName(run.key, block), run);
    }
    this.#runs.add(run);
    run.hold();
    this.#heldBytes += run.memoryBytes;
    for (const oldest of this.#runs) {
      if (this.#heldBytes <= this.#bytesMax) break;
      this.#evict(oldest);
    }
  }

  /** Drops the run that holds the block; answers the store that gave it. */
  remove(key: ObjectKey, block: number): StoreId | undefined {
    const run = this.#blocks.get(blockName(key, block));
    if (run !== undefined) this.#evict(run);
    return run?.storeId;
  }

  #evict(run: BlockRun): void {
    this.#runs.delete(run);
    this.#heldBytes -= run.memoryBytes;
    const count = blockCountOf(run);
    for (let block = run.firstBlock; block < run.firstBlock + count; block++) {
      this.#blocks.delete(blockName(run.key, block));
    }
    run.release();
  }
}
