import { MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";

const WASM_PAGE_BYTES = 64 * 1024;

/** TypeScript has its type only beside those of a browser. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/**
 * Memory that begins at a page boundary, as reads and writes past the page cache need it, for one thread. Copying into
 * shared memory (`SegmentMemory`) would take longer.
 */
export function pageMemory(byteLength: number): Buffer<ArrayBuffer> {
  const pages = Math.ceil(byteLength / WASM_PAGE_BYTES);
  try {
    return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, byteLength);
  } catch {
    // It reserves gigabytes of addresses, which a process may be forbidden. Other memory goes through the cache, that is all.
    return Buffer.allocUnsafeSlow(byteLength);
  }
}

export function pagesDown(position: number): number {
  return position - (position % MEMORY_PAGE_BYTES);
}

export function pagesUp(position: number): number {
  return Math.ceil(position / MEMORY_PAGE_BYTES) * MEMORY_PAGE_BYTES;
}
