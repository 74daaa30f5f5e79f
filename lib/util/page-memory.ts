import { MEMORY_PAGE_BYTES } from "./limits.ts";

const WASM_PAGE_BYTES = 64 * 1024;

/** TypeScript has its type only beside those of a browser. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/** It reserves gigabytes of addresses, which a process may be forbidden; V8 collects its whole heap before it gives up. */
let isRefused = false;

/** Buffers that begin at a page boundary; of no other is it known. */
const aligned = new WeakSet<ArrayBufferLike>();

/**
 * Memory that begins at a page boundary, as reads and writes past the page cache need it, for one thread. Copying into
 * shared memory (`SegmentMemory`) would take longer.
 */
export function pageMemory(byteLength: number): Buffer<ArrayBuffer> {
  // Other memory goes through the cache, that is all.
  if (isRefused) return Buffer.allocUnsafeSlow(byteLength);
  const pages = Math.ceil(byteLength / WASM_PAGE_BYTES);
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    aligned.add(buffer);
    return Buffer.from(buffer, 0, byteLength);
  } catch {
    isRefused = true;
    return Buffer.allocUnsafeSlow(byteLength);
  }
}

/** The bytes and what follows them up to the end of their last page; undefined if they do not begin at a page boundary. */
export function wholePages({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array | undefined {
  if (!aligned.has(buffer) || byteOffset % MEMORY_PAGE_BYTES !== 0) return undefined;
  const pagesLength = pagesUp(byteLength);
  return byteOffset + pagesLength > buffer.byteLength ? undefined : new Uint8Array(buffer, byteOffset, pagesLength);
}

export function pagesDown(position: number): number {
  return position - (position % MEMORY_PAGE_BYTES);
}

export function pagesUp(position: number): number {
  return Math.ceil(position / MEMORY_PAGE_BYTES) * MEMORY_PAGE_BYTES;
}
