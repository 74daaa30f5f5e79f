import { flushCompileCache } from "node:module";
import { COMPILED_CODE_SAVED_MS } from "#lib/util/limits.ts";

/**
 * Saves what this thread has compiled once it has run for a while, if it keeps a compile cache. Node itself does so when a
 * thread ends; one that is killed would leave its next start as slow as its first. Not at once: what is compiled by then
 * belongs to the start alone, and the first requests would wait for the files.
 */
export function saveCompiledCode(afterMs: number = COMPILED_CODE_SAVED_MS): void {
  setTimeout(flushCompileCache, afterMs).unref();
}
