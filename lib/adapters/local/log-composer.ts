import { CorruptObjectError } from "#lib/storage/object-store.ts";
import { type ComposedLog, composeLog, type LogRecipe, type StoredRun } from "#lib/storage/segments/compose-log.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { errorCodeOf } from "./file-port.ts";
import { ObjectPublisher, type PublisherSettings, type PublishResult, type PublishTarget } from "./object-publisher.ts";
import { writePageFile } from "./page-file.ts";
import { RunReader, ShortObjectError } from "./run-reader.ts";
import type { SyncFiles } from "./sync-files.ts";

export interface ComposeRequest extends PublishTarget {
  readonly recipe: LogRecipe;
}

export type ComposeResult =
  | { readonly kind: "composed"; readonly composed: ComposedLog }
  /** An object of the recipe is not there, or is not what it should be. */
  | { readonly kind: "missing"; readonly key: ObjectKey }
  | { readonly kind: "damaged"; readonly key: ObjectKey; readonly reason: string }
  | PublishResult;

/**
 * Makes logs of the objects below one root and publishes them there; every call waits for the disk. It holds one run at a
 * time, so a log may be of any size.
 */
export class LogComposer {
  readonly #files: SyncFiles;
  readonly #publisher: ObjectPublisher;
  readonly #runs: RunReader;

  constructor(files: SyncFiles, settings: PublisherSettings) {
    this.#files = files;
    this.#publisher = new ObjectPublisher(files, settings);
    this.#runs = new RunReader(files, settings.root);
  }

  compose({ recipe, ...target }: ComposeRequest): ComposeResult {
    let composed: ComposedLog | undefined;
    let problem: ComposeResult | undefined;
    this.#runs.reserve(recipe.runs);
    const read = (run: StoredRun): Buffer => {
      try {
        return this.#runs.read(run);
      } catch (error) {
        problem = problemOf(run.key, error);
        throw error;
      }
    };
    const write = (path: string): void => {
      try {
        composed = writePageFile(this.#files, path, (file) =>
          composeLog(recipe, { read, append: (bytes) => file.append(bytes) }),
        );
      } catch (error) {
        if (error instanceof CorruptObjectError) problem = { kind: "damaged", key: error.key, reason: error.message };
        throw error;
      }
    };
    const result = defined(this.#publisher.publish([{ ...target, write }])[0]);
    if (result.kind === "written" && composed !== undefined) return { kind: "composed", composed };
    return problem ?? result;
  }

  forget(folders: readonly string[]): void {
    this.#publisher.forget(folders);
  }
}

function problemOf(key: ObjectKey, error: unknown): ComposeResult | undefined {
  if (error instanceof ShortObjectError) return { kind: "damaged", key, reason: error.message };
  const code = errorCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing", key } : undefined;
}
