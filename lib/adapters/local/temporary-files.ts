import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";
import { writeNewFile } from "./new-file.ts";
import { discard, ensureFolder, type SyncFiles } from "./sync-files.ts";

/** Files that are being written lie in this folder of the store's root, which no key can name. */
export const TEMPORARY_FOLDER = "tmp~";

/** The names of one process's unfinished files begin with `runPrefix`, those of all processes of its owner with `ownerPrefix`. */
export interface TemporaryNames {
  readonly ownerPrefix: string;
  readonly runPrefix: string;
}

/** Makes the folder for unfinished files if need be and removes from it what earlier processes of this owner left. */
export async function beginTemporaryFiles(files: FilePort, root: string, names: TemporaryNames): Promise<void> {
  const folder = `${root}/${TEMPORARY_FOLDER}`;
  try {
    await makeFolder(files, folder);
    for (const { name } of await files.list(folder)) {
      const isLeftOver = name.startsWith(names.ownerPrefix) && !name.startsWith(names.runPrefix);
      // What stays is removed at the next start.
      if (isLeftOver) await files.unlink(`${folder}/${name}`).catch(() => {});
    }
  } catch (error) {
    // A read-only or full store can still be read.
    if (errorCodeOf(error) !== "EROFS" && errorCodeOf(error) !== "ENOSPC") throw error;
  }
}

/**
 * Writes the first object of a new store, its marker; false if there is one. Needs no owner: two first starts at once
 * write under names of their own process, and one of them wins.
 */
export function writeMarkerFile(files: SyncFiles, root: string, bytes: Uint8Array): boolean {
  const path = `${root}/${TEMPORARY_FOLDER}/marker~${process.pid}`;
  ensureFolder(files, `${root}/${TEMPORARY_FOLDER}`);
  discard(files, path);
  try {
    writeNewFile(files, path, [bytes]);
    files.link(path, `${root}/${MARKER_KEY}`);
    return true;
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
    return false;
  } finally {
    discard(files, path);
    files.syncFolder(root);
  }
}

async function makeFolder(files: FilePort, path: string): Promise<void> {
  try {
    await files.makeFolder(path);
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
  }
}
