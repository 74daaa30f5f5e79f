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

/** An object whose bytes come while it is written. */
export interface PublishWork extends PublishTarget {
  /** Makes a new file with durable bytes under that path. What it throws ends this object's publishing. */
  readonly write: (path: string) => void;
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
  readonly request: PublishTarget;
  readonly temporary: string;
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
  publish(requests: readonly (PublishRequest | PublishWork)[]): readonly PublishResult[] {
    const fingerprint = this.#rootFingerprint();
    const linked = requests.map((request) =>
      request.rootFingerprint === fingerprint ? this.#attempt(() => this.#link(request)) : OTHER_ROOT,
    );
    const synced = new Map<string, PublishResult | undefined>();
    return linked.map((each) => {
      if ("kind" in each) return each;
      const folder = parentOf(each.request.key);
      // A name that was there may be that of a put whose sync still runs: whoever answers must have synced.
      if (!synced.has(folder)) synced.set(folder, this.#sync(folder));
      discard(this.#files, each.temporary);
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

  #link(request: PublishRequest | PublishWork): Linked {
    const { root, temporaryFolder, runPrefix } = this.#settings;
    if (request.isAgain) {
      this.#durable.clear();
      ensureFolder(this.#files, this.#path(temporaryFolder));
    }
    this.#ensure(parentOf(request.key));
    const temporary = `${root}/${temporaryFolder}/${runPrefix}${this.#count++}`;
    try {
      if ("write" in request) request.write(temporary);
      else writeNewFile(this.#files, temporary, request.chunks);
      return { request, temporary, isNew: this.#linkIfAbsent(temporary, `${root}/${request.key}`) };
    } catch (error) {
      discard(this.#files, temporary);
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
