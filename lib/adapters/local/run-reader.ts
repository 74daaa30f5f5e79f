import type { StoredRun } from "#lib/storage/segments/compose-log.ts";
import { pageMemory, pagesDown, pagesUp } from "#lib/util/page-memory.ts";
import { errorCodeOf } from "./file-port.ts";
import type { SyncFiles } from "./sync-files.ts";

// Runs are read past the page cache as they were written past it: each page of what is read once would be taken from
// somebody who reads again. Such reads take whole pages:
//
//     |   page   |   page   |   page   |   page   |
//             '------ run ------'
//     '----------- read ---------------'

/** Memory for the runs of a thread grows by this. */
const STEP_BYTES = 1024 * 1024;

/** An object ends before the run does. */
export class ShortObjectError extends Error {}

/** Reads runs one after the other, each into the same memory. */
export class RunReader {
  readonly #files: SyncFiles;
  readonly #root: string;
  #memory = pageMemory(STEP_BYTES);

  constructor(files: SyncFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /**
   * Makes room for the largest of them: whoever reads them may keep views of each, and memory that grows from run to run would
   * stay as often as it has grown.
   */
  reserve(runs: readonly StoredRun[]): void {
    let largest = 0;
    for (const { position, byteLength } of runs) {
      largest = Math.max(largest, pagesUp(position + byteLength) - pagesDown(position));
    }
    this.#room(largest);
  }

  /** The bytes of the run, until the next call. Fails with the system's error, or with `ShortObjectError`. */
  read({ key, position, byteLength }: StoredRun): Buffer {
    const begin = pagesDown(position);
    const end = position + byteLength;
    const target = this.#room(pagesUp(end) - begin);
    const path = `${this.#root}/${key}`;
    if (!this.#fill(path, true, { target, begin, end }) && !this.#fill(path, false, { target, begin, end })) {
      throw new ShortObjectError(`ends before byte ${end}`);
    }
    return target.subarray(position - begin, end - begin);
  }

  #room(byteLength: number): Buffer {
    if (byteLength > this.#memory.byteLength) {
      this.#memory = pageMemory(Math.ceil(byteLength / STEP_BYTES) * STEP_BYTES);
    }
    return this.#memory.subarray(0, byteLength);
  }

  /** False if the file gives less, or cannot be read like this. */
  #fill(
    path: string,
    isDirect: boolean,
    { target, begin, end }: { readonly target: Buffer; readonly begin: number; readonly end: number },
  ): boolean {
    let descriptor: number | undefined;
    try {
      descriptor = this.#files.openToRead(path, isDirect);
      for (let at = begin; at < end; ) {
        const count = this.#files.read(descriptor, target.subarray(at - begin), at);
        if (count === 0) return false;
        at += count;
      }
      return true;
    } catch (error) {
      if (isDirect && errorCodeOf(error) === "EINVAL") return false;
      throw error;
    } finally {
      if (descriptor !== undefined) this.#files.close(descriptor);
    }
  }
}
