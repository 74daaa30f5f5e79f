import { isObjectKey } from "#lib/storage/object-keys.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";

interface ListingRequest {
  readonly prefix: string;
  readonly startAfter: string;
}

interface FolderNames {
  readonly path: string;
  readonly fingerprint: string;
  readonly names: readonly string[];
}

/** File systems count modification times in steps; a change within the same step as our reading would not show. */
const QUIET_MS_MIN = 2_000;

/** Walks the keys of a directory store. Remembers the last quiet folder, which the next page of a listing needs again. */
export class KeyWalker {
  readonly #files: FilePort;
  readonly #root: string;
  #last: FolderNames | undefined;

  constructor(files: FilePort, root: string) {
    this.#files = files;
    this.#root = root;
  }

  /**
   * The keys that begin with `prefix` and come after `startAfter`, in the order of their bytes. Reads one folder after
   * another as the caller goes on, and none that cannot hold such a key.
   */
  walk(request: ListingRequest): AsyncGenerator<string> {
    return this.#walkFolder(request.prefix.slice(0, request.prefix.lastIndexOf("/") + 1), request);
  }

  /** `folder` is "" or ends with a slash. */
  async *#walkFolder(folder: string, request: ListingRequest): AsyncGenerator<string> {
    // The store's own folder for unfinished files bears a character that no key has.
    if (folder !== "" && !isObjectKey(folder.slice(0, -1))) return;
    for (const name of await this.#sortedNames(`${this.#root}/${folder}`)) {
      const path = folder + name;
      if (name.endsWith("/")) {
        if (mayHold(path, request)) yield* this.#walkFolder(path, request);
      } else if (path > request.startAfter && path.startsWith(request.prefix) && isObjectKey(path)) {
        yield path;
      }
    }
  }

  /** Folders end with a slash, so that names sort as the keys below them do: `a-b` before `a/b` before `a0`. */
  async #sortedNames(path: string): Promise<readonly string[]> {
    try {
      const fingerprint = await this.#files.fingerprint(path);
      if (this.#last?.path === path && this.#last.fingerprint === fingerprint) return this.#last.names;
      const { modifiedMs } = await this.#files.summary(path);
      const isQuiet = Date.now() - modifiedMs >= QUIET_MS_MIN;
      const entries = await this.#files.list(path);
      // Keys are ASCII, so the order of strings is the order of bytes.
      const names = entries.map((entry) => (entry.isFolder ? `${entry.name}/` : entry.name)).sort();
      if (isQuiet) this.#last = { path, fingerprint, names };
      return names;
    } catch (error) {
      // A folder may be deleted while it is walked, and a prefix may name one that never was.
      const code = errorCodeOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") return [];
      throw error;
    }
  }
}

/** One walk of a directory; see `KeyWalker.walk`. */
export function walkKeys(files: FilePort, root: string, request: ListingRequest): AsyncGenerator<string> {
  return new KeyWalker(files, root).walk(request);
}

function mayHold(folder: string, request: ListingRequest): boolean {
  const { prefix, startAfter } = request;
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false;
  return folder > startAfter || startAfter.startsWith(folder);
}
