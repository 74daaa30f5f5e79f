import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a directory and those above it so that they survive a power failure: what is made durable in a directory is
 * lost all the same if its own name is. Throws the system's errors.
 */
export function makeDataDirectory(path: string): void {
  // One by one: `mkdir` with `recursive` tries for ever where the system says that a parent is not there though it is, as
  // below /proc.
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at); at = dirname(at)) missing.push(at);
  for (const directory of missing.toReversed()) {
    makeUnlessThere(directory);
    syncFolder(dirname(directory));
  }
}

/** Also false where nobody can tell: making it says why. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return dirname(path) === path;
  }
}

/** Another process may have made it just now. */
function makeUnlessThere(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (!isDirectory(path)) throw error;
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
