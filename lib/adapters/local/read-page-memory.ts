import { readFileSync } from "node:fs";
import { pageMemory } from "#lib/util/page-memory.ts";

/**
 * What directory stores read into best: memory that they can fill past the page cache. Undefined where the system bounds
 * the addresses of a process (`ulimit -v`), or does not say: each piece of such memory reserves ten gigabytes of them.
 */
export function readPageMemory(): ((byteLength: number) => Uint8Array) | undefined {
  return areAddressesUnbounded() ? pageMemory : undefined;
}

function areAddressesUnbounded(): boolean {
  try {
    return /^Max address space +unlimited/m.test(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    // Not Linux, and then there is no way past the cache.
    return false;
  }
}
