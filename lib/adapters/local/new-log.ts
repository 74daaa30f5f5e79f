import { CorruptObjectError } from "#lib/storage/object-store.ts";
import { type ComposedLog, LogComposition, type LogRecipe, type StoredRun } from "#lib/storage/segments/compose-log.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { errorCodeOf } from "./file-port.ts";
import { PageFile } from "./page-file.ts";
import { ShortObjectError } from "./run-reader.ts";
import type { SyncFiles } from "./sync-files.ts";

export type RunProblem =
  | { readonly kind: "missing"; readonly key: ObjectKey }
  | { readonly kind: "damaged"; readonly key: ObjectKey; readonly reason: string };

/** A log that is being written, one of several: what it fails at is kept, and nothing is added to it any more. */
export class NewLog {
  readonly recipe: LogRecipe;
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
    this.#composition = new LogComposition(recipe.baseOffset);
    this.#attempt(() => {
      this.#file = new PageFile(files, path);
    });
  }

  /** The run that it needs now; undefined if it has all of them, or has failed. */
  get next(): StoredRun | undefined {
    return this.#failure === undefined ? this.recipe.runs[this.#runsAdded] : undefined;
  }

  /** Those behind `next`, and it. */
  get runsLeft(): readonly StoredRun[] {
    return this.recipe.runs.slice(this.#runsAdded);
  }

  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Adds the next run, of the bytes that `read` brings. */
  add(read: () => Buffer): void {
    const run = this.next;
    if (run === undefined) return;
    this.#attempt(() => {
      const bytes = this.#read(run, read);
      this.#composition.add(run, bytes);
      this.#file?.append(bytes);
      this.#runsAdded++;
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
    }
  }
}

function problemOf(key: ObjectKey, error: unknown): RunProblem | undefined {
  if (error instanceof ShortObjectError) return { kind: "damaged", key, reason: error.message };
  const code = errorCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing", key } : undefined;
}
