import { FreshFlight, SingleFlight } from "#lib/runtime/single-flight.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";

/** A store has few live folders (one per writer and hour); forgetting one costs a `mkdir` and a sync. */
const KNOWN_FOLDERS_MAX = 4_096;

/**
 * Folders below one root that survive a power failure. A name is durable when its folder has been synced after it was
 * made, and so on upwards; a folder known to be durable is not synced into its parent again.
 */
export class DurableFolders {
  readonly #files: FilePort;
  readonly #root: string;
  readonly #known = new Set<string>();
  readonly #making = new SingleFlight<string, void>();
  readonly #syncs = new Map<string, { readonly flight: FreshFlight<void>; userCount: number }>();

  constructor(files: FilePort, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /** Makes `folder` ("" is the root, which is never made) and those above it, durably. */
  async ensure(folder: string): Promise<void> {
    if (folder === "" || this.#known.has(folder)) return;
    await this.#making.run(folder, () => this.#make(folder));
  }

  /** Makes the names in `folder` durable. Callers that come while a sync runs share the next one. */
  async sync(folder: string): Promise<void> {
    const path = this.#path(folder);
    const sync = this.#syncs.get(path) ?? {
      flight: new FreshFlight(() => this.#files.syncFolder(path)),
      userCount: 0,
    };
    this.#syncs.set(path, sync);
    sync.userCount++;
    try {
      await sync.flight.run();
    } finally {
      sync.userCount--;
      if (sync.userCount === 0) this.#syncs.delete(path);
    }
  }

  /** The folder may be gone. */
  forget(folder: string): void {
    this.#known.delete(folder);
  }

  forgetAll(): void {
    this.#known.clear();
  }

  async #make(folder: string): Promise<void> {
    const parent = parentOf(folder);
    await this.ensure(parent);
    try {
      await this.#files.makeFolder(this.#path(folder));
    } catch (error) {
      // Somebody else may have made it and not have synced it yet.
      if (errorCodeOf(error) !== "EEXIST") throw error;
    }
    await this.sync(parent);
    if (this.#known.size >= KNOWN_FOLDERS_MAX) this.#known.clear();
    this.#known.add(folder);
  }

  #path(folder: string): string {
    return folder === "" ? this.#root : `${this.#root}/${folder}`;
  }
}

/** The folder above; "" for the root and what lies directly in it. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
