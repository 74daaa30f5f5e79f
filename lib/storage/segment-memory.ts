import { assert } from "#lib/util/assert.ts";
import { MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";

const WASM_PAGE_BYTES = 64 * 1024;

/** Fits in a processor's second cache. */
const SCRATCH_BYTES = 128 * 1024;

/** TypeScript has its type only beside those of a browser. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => { readonly buffer: SharedArrayBuffer };
};

/** Bytes in a `SegmentMemory`. They stay as they are until everybody who held them has let go. */
export interface HeldBytes {
  readonly bytes: Uint8Array;
  /** One more who has to let go. */
  retain(): void;
  /** Lets go: once for what `gather` answered, and once for each `retain`. */
  release(): void;
  /** Before the last release: lets them stay after it, until their memory is wanted. `onEvicted` is called just before. */
  keep(onEvicted: () => void): void;
}

interface Region {
  readonly at: number;
  /** Whole pages. */
  readonly byteLength: number;
  holderCount: number;
  evict: (() => void) | undefined;
}

/**
 * A ring of memory for write-ahead segments, used again and again: what is written, and what was written lately.
 *
 *     |  …  | oldest | … | newest |   free   |  …  |        regions begin at page boundaries
 *              '- evicted first   '- head
 *
 * It is one WebAssembly memory, for three reasons. Its pages are aligned, as writes past the page cache need them; threads
 * share it, so that one of them can write without a copy; and V8's collector does not count it, which otherwise runs once
 * for every 64 MB that come and go.
 */
export class SegmentMemory {
  readonly #bytes: Uint8Array;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  /** In the order of their places, from the oldest one on. */
  readonly #regions: Region[] = [];
  #head = 0;

  /** The system provides the memory when it is first used. */
  constructor(byteLength: number) {
    this.#bytes = new Uint8Array(allocate(byteLength));
  }

  /** Copies the chunks one behind the other; undefined if there is no room because too much is held. */
  gather(chunks: readonly Uint8Array[], byteLength: number): HeldBytes | undefined {
    // Before anything is copied: beyond its region lies what others hold.
    const sum = chunks.reduce((bytes, chunk) => bytes + chunk.byteLength, 0);
    assert(sum === byteLength, "the chunks have the length that was said");
    const region = this.#reserve(Math.max(1, Math.ceil(byteLength / MEMORY_PAGE_BYTES)) * MEMORY_PAGE_BYTES);
    if (region === undefined) return undefined;
    this.#fill(region.at, chunks);
    return {
      bytes: this.#bytes.subarray(region.at, region.at + byteLength),
      retain: () => {
        assert(region.holderCount > 0, "retained after the last release");
        region.holderCount++;
      },
      release: () => {
        assert(region.holderCount > 0, "released twice");
        region.holderCount--;
      },
      keep: (onEvicted) => {
        assert(region.holderCount > 0, "kept after the last release");
        region.evict = onEvicted;
      },
    };
  }

  /**
   * Copies by way of memory that is not shared. V8 copies into shared memory word by word if both sides are aligned, as
   * here, but otherwise byte by byte, which is some ten times slower than this detour.
   */
  #fill(begin: number, chunks: readonly Uint8Array[]): void {
    const scratch = this.#scratch;
    let at = begin;
    let filled = 0;
    for (const chunk of chunks) {
      for (let from = 0; from < chunk.byteLength; ) {
        const count = Math.min(chunk.byteLength - from, scratch.byteLength - filled);
        scratch.set(from === 0 && count === chunk.byteLength ? chunk : chunk.subarray(from, from + count), filled);
        from += count;
        filled += count;
        if (filled < scratch.byteLength) continue;
        this.#bytes.set(scratch, at);
        at += filled;
        filled = 0;
      }
    }
    this.#bytes.set(scratch.subarray(0, filled), at);
  }

  #reserve(byteLength: number): Region | undefined {
    if (byteLength > this.#bytes.byteLength) return undefined;
    for (;;) {
      const at = this.#placeFor(byteLength);
      if (at !== undefined) {
        const region: Region = { at, byteLength, holderCount: 1, evict: undefined };
        this.#regions.push(region);
        this.#head = at + byteLength;
        return region;
      }
      const [oldest] = this.#regions;
      if (oldest === undefined || oldest.holderCount > 0) return undefined;
      this.#regions.shift();
      oldest.evict?.();
    }
  }

  /** Where so many bytes are free, at the head or, behind the ring's end, at its beginning. */
  #placeFor(byteLength: number): number | undefined {
    const [oldest] = this.#regions;
    if (oldest === undefined) return 0;
    if (this.#head <= oldest.at) return oldest.at - this.#head >= byteLength ? this.#head : undefined;
    if (this.#bytes.byteLength - this.#head >= byteLength) return this.#head;
    return oldest.at >= byteLength ? 0 : undefined;
  }
}

function allocate(byteLength: number): SharedArrayBuffer {
  const pages = Math.ceil(byteLength / WASM_PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
  } catch {
    // It reserves gigabytes of addresses, which a process may be forbidden. Other memory is not aligned, that is all.
    return new SharedArrayBuffer(pages * WASM_PAGE_BYTES);
  }
}

/** Whether the bytes begin at a page boundary of memory that other threads can read. */
export function isSharedPages(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer && bytes.byteOffset % MEMORY_PAGE_BYTES === 0;
}
