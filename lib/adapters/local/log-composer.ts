import { type ComposedLog, type LogRecipe, type StoredRun, storedRuns } from "#lib/storage/segments/compose-log.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { NewLog } from "./new-log.ts";
import {
  type NewFile,
  ObjectPublisher,
  type PublisherSettings,
  type PublishResult,
  type PublishTarget,
} from "./object-publisher.ts";
import { RunReader } from "./run-reader.ts";
import type { SyncFiles } from "./sync-files.ts";
import { TogetherOrder } from "./together-order.ts";

// Logs of partitions that were written side by side are made side by side, for their runs lie in the same objects: a read of
// several costs little more than a read of one.
//
//   wal/1   [ p0 | p1 | p2 ]      wal/2   [ p0 | p1 | p2 ]      one read each
//               \\____________________________ \\________
//   p1.log                      [ p1                | p1        and as many files that are being written

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
 * Makes logs of the objects below one root and publishes them there; every call waits for the disk. It holds one read and a
 * piece of each log, so logs may be of any size.
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

  /** Of all requests together; the results stand in their order. Where one log cannot be made, the others are. */
  compose(requests: readonly ComposeRequest[]): readonly ComposeResult[] {
    const made = new Map<ComposeRequest, NewLog>();
    const results = this.#publisher.publishFiles(requests, (files) => this.#write(files, made));
    return requests.map((request, index) => {
      const log = made.get(request);
      const result = defined(results[index]);
      if (result.kind === "written" && log?.composed !== undefined) return { kind: "composed", composed: log.composed };
      return log?.problem ?? result;
    });
  }

  forget(folders: readonly string[]): void {
    this.#publisher.forget(folders);
  }

  #write(
    files: readonly NewFile<ComposeRequest>[],
    made: Map<ComposeRequest, NewLog>,
  ): ReadonlyMap<ComposeRequest, unknown> {
    const logs = files.map(({ target, path }) => new NewLog(this.#files, path, target.recipe));
    for (const [index, { target }] of files.entries()) made.set(target, defined(logs[index]));
    try {
      this.#runs.reserve(logs.flatMap(({ recipe }) => storedRuns(recipe)));
      const order = new TogetherOrder(logs);
      for (let group = order.next(); group.length > 0; group = order.next()) this.#addRuns(group);
      for (const log of logs) log.finish();
    } finally {
      for (const log of logs) log.close();
    }
    const failed = files.filter(({ target }) => made.get(target)?.failure !== undefined);
    return new Map(failed.map(({ target }) => [target, made.get(target)?.failure]));
  }

  /** The next run of each of the logs; they lie in one object. */
  #addRuns(logs: readonly NewLog[]): void {
    const runs = new Map<StoredRun, NewLog>();
    for (const log of logs) if (log.next !== undefined) runs.set(log.next, log);
    for (const together of this.#runs.together([...runs.keys()])) {
      const bytes = together.length === 1 ? undefined : this.#tryRead(together);
      for (const run of together) defined(runs.get(run)).add(() => bytes?.get(run) ?? this.#runs.read(run));
    }
  }

  /** Undefined if it does not work out: what is wrong with which of them is found when they are read one by one. */
  #tryRead(runs: readonly StoredRun[]): ReadonlyMap<StoredRun, Buffer> | undefined {
    try {
      return this.#runs.readTogether(runs);
    } catch {
      return undefined;
    }
  }
}
