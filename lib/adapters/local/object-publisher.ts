import { errorCodeOf } from "./file-port.ts";
import { writeNewFile } from "./new-file.ts";
import { discard, ensureFolder, type SyncFiles } from "./sync-files.ts";

// An object is a file whose path below the root is its key. It is published in steps:
//
//   make the folder of <key> and those above it, sync each into its parent      once a folder
//   create tmp~/<owner>~<run>~<n>, write, fdatasync    the bytes are durable under a name that nobody reads (no key has a ~)
//   link to <key>                                      visible, whole; or EEXIST
//   fsync the folder of <key>                          the name is durable; objects published together share one sync
//   unlink tmp~/...                                    what a crash leaves is removed at the next start
//
// So no partial object is ever visible, not even after a power failure, and what is answered is durable.

/** A store has few live folders (one per writer and hour); forgetting one costs a `mkdir` and a sync. */
const KNOWN_FOLDERS_MAX = 4_096;

export interface PublishTarget {
  readonly key: string;
  /** Of the marker, while the right root is there. */
  readonly rootFingerprint: string;
  /** A folder was missing, though the root is there: nothing remembered of folders need be true. */
  readonly isAgain: boolean;
}

export interface PublishRequest extends PublishTarget {
  readonly chunks: readonly Uint8Array[];
}

/** Where the bytes of a target go: a path at which nothing is yet. */
export interface NewFile<T extends PublishTarget> {
  readonly target: T;
  readonly path: string;
}

export type PublishResult =
  | { readonly kind: "written" }
  | { readonly kind: "already-exists" }
  /** Another root is there, or none. */
  | { readonly kind: "other-root" }
  /** The system's error. ENOENT: a folder that was there is gone, or the whole root. */
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string };

export interface PublisherSettings {
  /** An absolute path. Never made. */
  readonly root: string;
  /** Below the root. */
  readonly marker: string;
  readonly temporaryFolder: string;
  /** Distinguishes this process's unfinished files from all others'. */
  readonly runPrefix: string;
}

const OTHER_ROOT: PublishResult = { kind: "other-root" };

interface Linked {
  readonly target: PublishTarget;
  readonly path: string;
  readonly isNew: boolean;
}

/** Publishes objects below one root; every call waits for the disk. */
export class ObjectPublisher {
  readonly #files: SyncFiles;
  readonly #settings: PublisherSettings;
  /** Folders that survive a power failure: synced into their parents, and those too, up to the root. */
  readonly #durable = new Set<string>();
  #count = 0;

  constructor(files: SyncFiles, settings: PublisherSettings) {
    this.#files = files;
    this.#settings = settings;
  }

  /** The results stand in the requests' order. */
  publish(requests: readonly PublishRequest[]): readonly PublishResult[] {
    return this.publishFiles(requests, (files) => {
      const failures = new Map<PublishRequest, unknown>();
      for (const { target, path } of files) {
        try {
          writeNewFile(this.#files, path, target.chunks);
        } catch (error) {
          failures.set(target, error);
        }
      }
      return failures;
    });
  }

  /**
   * The same for objects whose bytes `write` brings to new files, durably: all in one call. It answers what it has failed
   * at, which ends the publishing of these objects and of no others.
   */
  publishFiles<T extends PublishTarget>(
    targets: readonly T[],
    write: (files: readonly NewFile<T>[]) => ReadonlyMap<T, unknown>,
  ): readonly PublishResult[] {
    const fingerprint = this.#rootFingerprint();
    const begun = targets.map((target) =>
      target.rootFingerprint === fingerprint ? this.#attempt(() => this.#begin(target)) : OTHER_ROOT,
    );
    const failures = write(begun.filter((each) => "path" in each));
    const linked = begun.map((file) => ("kind" in file ? file : this.#attempt(() => this.#finish(file, failures))));
    const synced = new Map<string, PublishResult | undefined>();
    return linked.map((each) => {
      if ("kind" in each) return each;
      const folder = parentOf(each.target.key);
      // A name that was there may be that of a put whose sync still runs: whoever answers must have synced.
      if (!synced.has(folder)) synced.set(folder, this.#sync(folder));
      discard(this.#files, each.path);
      return synced.get(folder) ?? { kind: each.isNew ? "written" : "already-exists" };
    });
  }

  /** Those folders may be gone. */
  forget(folders: readonly string[]): void {
    for (const folder of folders) {
      for (let each = folder; each !== ""; each = parentOf(each)) this.#durable.delete(each);
    }
  }

  #rootFingerprint(): string | undefined {
    try {
      return this.#files.fingerprint(`${this.#settings.root}/${this.#settings.marker}`);
    } catch {
      return undefined;
    }
  }

  #begin<T extends PublishTarget>(target: T): NewFile<T> {
    const { root, temporaryFolder, runPrefix } = this.#settings;
    if (target.isAgain) {
      this.#durable.clear();
      ensureFolder(this.#files, this.#path(temporaryFolder));
    }
    this.#ensure(parentOf(target.key));
    return { target, path: `${root}/${temporaryFolder}/${runPrefix}${this.#count++}` };
  }

  /** Gives a file that was written its key. */
  #finish<T extends PublishTarget>({ target, path }: NewFile<T>, failures: ReadonlyMap<T, unknown>): Linked {
    try {
      if (failures.has(target)) throw failures.get(target);
      return { target, path, isNew: this.#linkIfAbsent(path, `${this.#settings.root}/${target.key}`) };
    } catch (error) {
      discard(this.#files, path);
      throw error;
    }
  }

  #linkIfAbsent(from: string, to: string): boolean {
    try {
      this.#files.link(from, to);
      return true;
    } catch (error) {
      if (errorCodeOf(error) === "EEXIST") return false;
      throw error;
    }
  }

  /** Makes a folder and those above it, durably. */
  #ensure(folder: string): void {
    if (folder === "" || this.#durable.has(folder)) return;
    const parent = parentOf(folder);
    this.#ensure(parent);
    // Somebody else may have made it and not have synced it yet.
    ensureFolder(this.#files, this.#path(folder));
    this.#files.syncFolder(this.#path(parent));
    if (this.#durable.size >= KNOWN_FOLDERS_MAX) this.#durable.clear();
    this.#durable.add(folder);
  }

  #sync(folder: string): PublishResult | undefined {
    const result = this.#attempt(() => this.#files.syncFolder(this.#path(folder)));
    return typeof result === "object" ? result : undefined;
  }

  #attempt<T>(work: () => T): T | (PublishResult & { readonly kind: "failed" }) {
    try {
      return work();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { kind: "failed", code: errorCodeOf(error), message };
    }
  }

  #path(folder: string): string {
    return folder === "" ? this.#settings.root : `${this.#settings.root}/${folder}`;
  }
}

/** The folder above; "" for the root and what lies directly in it. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
