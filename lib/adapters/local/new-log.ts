import { CorruptObjectError } from "#lib/storage/object-store.ts";
import {
  type ComposedLog,
  type GivenRun,
  isStored,
  LogComposition,
  type LogRecipe,
  type StoredRun,
} from "#lib/storage/segments/compose-log.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { errorCodeOf } from "./file-port.ts";
import { PageFile } from "./page-file.ts";
import { ShortObjectError } from "./run-reader.ts";
import { discard, type SyncFiles } from "./sync-files.ts";

export type RunProblem =
  | { readonly kind: "missing"; readonly key: ObjectKey }
  | { readonly kind: "damaged"; readonly key: ObjectKey; readonly reason: string };

/** A log that is being written, one of several: what it fails at is kept, and nothing is added to it any more. */
export class NewLog {
  readonly recipe: LogRecipe;
  readonly #files: SyncFiles;
  readonly #path: string;
  readonly #composition: LogComposition;
  #file: PageFile | undefined;
  #runsAdded = 0;
  #failure: { readonly error: unknown } | undefined;
  /** What is wrong with an object, if that is the failure. */
  problem: RunProblem | undefined;
  /** Once it is finished. */
  composed: ComposedLog | undefined;

  constructor(files: SyncFiles, path: string, recipe: LogRecipe) {
    this.recipe = recipe;
    this.#files = files;
    this.#path = path;
    this.#composition = new LogComposition(recipe.baseOffset);
    this.#attempt(() => {
      this.#file = new PageFile(files, path);
      this.#addGiven();
    });
  }

  /** The stored run that it needs now; undefined if it has all of them, or has failed. */
  get next(): StoredRun | undefined {
    const run = this.#failure === undefined ? this.recipe.runs[this.#runsAdded] : undefined;
    return run !== undefined && isStored(run) ? run : undefined;
  }

  /** Those behind `next`, and it. */
  get runsLeft(): readonly StoredRun[] {
    return this.recipe.runs.slice(this.#runsAdded).filter(isStored);
  }

  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Adds the next run, of the bytes that `read` brings. */
  add(read: () => Buffer): void {
    const run = this.next;
    if (run === undefined) return;
    this.#attempt(() => {
      this.#add(run, this.#read(run, read));
      this.#addGiven();
    });
  }

  /** Makes the file durable. */
  finish(): void {
    if (this.#failure !== undefined) return;
    this.#attempt(() => {
      this.#file?.finish();
      this.composed = this.#composition.finish();
    });
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#attempt(() => file?.close());
  }

  #addGiven(): void {
    for (;;) {
      const run = this.recipe.runs[this.#runsAdded];
      if (run === undefined || isStored(run)) return;
      this.#add(run, Buffer.from(run.bytes));
    }
  }

  #add(run: StoredRun | GivenRun, bytes: Buffer): void {
    this.#composition.add(run, bytes);
    this.#file?.append(bytes);
    this.#runsAdded++;
  }

  #read(run: StoredRun, read: () => Buffer): Buffer {
    try {
      return read();
    } catch (error) {
      this.problem = problemOf(run.key, error);
      throw error;
    }
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failure ??= { error };
      if (error instanceof CorruptObjectError) {
        this.problem = { kind: "damaged", key: error.key, reason: error.message };
      }
      this.#discard();
    }
  }

  /** At once: the others go on, and want the room on the disk. */
  #discard(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      file?.close();
    } catch {
      // It is of no use any more.
    }
    discard(this.#files, this.#path);
  }
}

function problemOf(key: ObjectKey, error: unknown): RunProblem | undefined {
  if (error instanceof ShortObjectError) return { kind: "damaged", key, reason: error.message };
  const code = errorCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing", key } : undefined;
}
