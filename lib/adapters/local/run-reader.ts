import type { StoredRun } from "#lib/storage/segments/compose-log.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { COMPOSED_RUN_BYTES_MAX } from "#lib/util/limits.ts";
import { pageMemory, pagesDown, pagesUp } from "#lib/util/page-memory.ts";
import { errorCodeOf } from "./file-port.ts";
import type { SyncFiles } from "./sync-files.ts";

// Runs are read past the page cache as they were written past it: each page of what is read once would be taken from
// somebody who reads again. Such reads take whole pages:
//
//     |   page   |   page   |   page   |   page   |
//             '------ run ------'
//     '----------- read ---------------'
//
// Several of one object come with one read.

/** Memory for the runs of a thread grows by this. */
const STEP_BYTES = 1024 * 1024;

/** What lies between two runs and nobody wants is read with them if it has no more bytes: a further read would cost more. */
const GAP_BYTES_MAX = 64 * 1024;

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
   * Makes room for the largest read that may come of them: whoever reads them may keep views of each, and memory that grows
   * from run to run would stay as often as it has grown.
   */
  reserve(runs: readonly StoredRun[]): void {
    let largest = 0;
    const spans = new Map<ObjectKey, Span>();
    for (const run of runs) {
      const span = spanOf(run, spans.get(run.key));
      spans.set(run.key, span);
      largest = Math.max(largest, pagesOf(spanOf(run)), Math.min(pagesOf(span), COMPOSED_RUN_BYTES_MAX));
    }
    this.#room(largest);
  }

  /** Cuts runs of one object into those that one read brings, for they lie next to each other or nearly so. */
  together(runs: readonly StoredRun[]): readonly (readonly StoredRun[])[] {
    const groups: StoredRun[][] = [];
    let span: Span | undefined;
    for (const run of [...runs].sort((a, b) => a.position - b.position)) {
      const wider = spanOf(run, span);
      const isNear = span !== undefined && run.position - span.end <= GAP_BYTES_MAX;
      if (isNear && pagesOf(wider) <= COMPOSED_RUN_BYTES_MAX) {
        groups.at(-1)?.push(run);
        span = wider;
      } else {
        groups.push([run]);
        span = spanOf(run);
      }
    }
    return groups;
  }

  /** The bytes of runs that lie together, until the next call. Fails as `read` does. */
  readTogether(runs: readonly StoredRun[]): ReadonlyMap<StoredRun, Buffer> {
    const { key } = defined(runs[0]);
    const { position, end } = defined(runs.reduce<Span | undefined>((span, run) => spanOf(run, span), undefined));
    const bytes = this.read({ key, position, byteLength: end - position });
    return new Map(
      runs.map((run) => [run, bytes.subarray(run.position - position, run.position - position + run.byteLength)]),
    );
  }

  /** The bytes of the run, until the next call. Fails with the system's error, or with `ShortObjectError`. */
  read({ key, position, byteLength }: Pick<StoredRun, "key" | "position" | "byteLength">): Buffer {
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

interface Span {
  readonly position: number;
  readonly end: number;
}

/** Where a run lies, and what is given beside it. */
function spanOf({ position, byteLength }: StoredRun, other?: Span): Span {
  const end = position + byteLength;
  if (other === undefined) return { position, end };
  return { position: Math.min(position, other.position), end: Math.max(end, other.end) };
}

function pagesOf({ position, end }: Span): number {
  return pagesUp(end) - pagesDown(position);
}
