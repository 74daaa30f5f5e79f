import { isObjectKey } from "#lib/storage/object-keys.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";

interface ListingRequest {
  readonly prefix: string;
  readonly startAfter: string;
}

/**
 * The keys below `root` that begin with `prefix` and come after `startAfter`, in the order of their bytes. Reads one
 * folder after another as the caller goes on, and none that cannot hold such a key.
 */
export function walkKeys(files: FilePort, root: string, request: ListingRequest): AsyncGenerator<string> {
  return walkFolder(files, root, request.prefix.slice(0, request.prefix.lastIndexOf("/") + 1), request);
}

/** `folder` is "" or ends with a slash. */
async function* walkFolder(
  files: FilePort,
  root: string,
  folder: string,
  request: ListingRequest,
): AsyncGenerator<string> {
  // The store's own folder for unfinished files bears a character that no key has.
  if (folder !== "" && !isObjectKey(folder.slice(0, -1))) return;
  for (const name of await sortedNames(files, `${root}/${folder}`)) {
    const path = folder + name;
    if (name.endsWith("/")) {
      if (mayHold(path, request)) yield* walkFolder(files, root, path, request);
    } else if (path > request.startAfter && path.startsWith(request.prefix) && isObjectKey(path)) {
      yield path;
    }
  }
}

/** Folders end with a slash, so that names sort as the keys below them do: `a-b` before `a/b` before `a0`. */
async function sortedNames(files: FilePort, path: string): Promise<readonly string[]> {
  try {
    const entries = await files.list(path);
    // Keys are ASCII, so the order of strings is the order of bytes.
    return entries.map((entry) => (entry.isFolder ? `${entry.name}/` : entry.name)).sort();
  } catch (error) {
    // A folder may be deleted while it is walked, and a prefix may name one that never was.
    const code = errorCodeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

function mayHold(folder: string, request: ListingRequest): boolean {
  const { prefix, startAfter } = request;
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false;
  return folder > startAfter || startAfter.startsWith(folder);
}
