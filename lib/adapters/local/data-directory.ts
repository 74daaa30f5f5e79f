import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a directory and those above it so that they survive a power failure: what is made durable in a directory is
 * lost all the same if its own name is. Throws the system's errors.
 */
export function makeDataDirectory(path: string): void {
  const last = resolve(path);
  const first = mkdirSync(last, { recursive: true });
  if (first === undefined) return;
  for (let made = last; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
