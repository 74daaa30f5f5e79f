import type { Random } from "#lib/runtime/random.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { assert } from "#lib/util/assert.ts";
import { errorCodeOf, type FilePort, type NewFile } from "./file-port.ts";

export const TEMPORARY_FOLDER = "tmp~";

/** Files that are being written, in a folder of the store's root that no key can name. */
export class TemporaryFiles {
  readonly #files: FilePort;
  readonly #checkRoot: () => Promise<void>;
  readonly #folder: string;
  readonly #ownerPrefix: string;
  readonly #runPrefix: string;
  #count = 0;

  constructor(options: {
    readonly files: FilePort;
    readonly root: string;
    readonly owner: string;
    readonly random: Random;
    /** Fails unless the right root is there. */
    readonly checkRoot: () => Promise<void>;
  }) {
    assert(/^[A-Za-z0-9._-]+$/.test(options.owner), "an owner is a plain name");
    this.#files = options.files;
    this.#checkRoot = options.checkRoot;
    this.#folder = `${options.root}/${TEMPORARY_FOLDER}`;
    this.#ownerPrefix = `${options.owner}~`;
    this.#runPrefix = `${this.#ownerPrefix}${Buffer.from(options.random.bytes(6)).toString("hex")}~`;
  }

  /** Makes the folder if need be and removes what earlier processes of this owner left. */
  async begin(): Promise<void> {
    try {
      await makeFolder(this.#files, this.#folder);
      for (const { name } of await this.#files.list(this.#folder)) {
        const isLeftOver = name.startsWith(this.#ownerPrefix) && !name.startsWith(this.#runPrefix);
        if (isLeftOver) await this.remove(`${this.#folder}/${name}`);
      }
    } catch (error) {
      // A read-only or full store can still be read.
      if (errorCodeOf(error) !== "EROFS" && errorCodeOf(error) !== "ENOSPC") throw error;
    }
  }

  /** Writes a new file whose bytes are durable, though its name is not; answers its path. Leaves nothing if it fails. */
  async write(chunks: readonly Uint8Array[]): Promise<string> {
    const path = `${this.#folder}/${this.#runPrefix}${this.#count++}`;
    try {
      await writeFile(this.#files, path, chunks);
    } catch (error) {
      if (errorCodeOf(error) !== "ENOENT") throw error;
      // Somebody removed our folder, or the whole root, which is never made again.
      await this.#checkRoot();
      await makeFolder(this.#files, this.#folder);
      await writeFile(this.#files, path, chunks);
    }
    return path;
  }

  /** Never fails: what stays is removed at the next start. */
  async remove(path: string): Promise<void> {
    await unlinkIfThere(this.#files, path);
  }
}

/**
 * Writes the first object of a new store, its marker; false if there is one. Needs no owner: two first starts at once
 * write under names of their own process, and one of them wins.
 */
export async function writeMarkerFile(files: FilePort, root: string, bytes: Uint8Array): Promise<boolean> {
  const path = `${root}/${TEMPORARY_FOLDER}/marker~${process.pid}`;
  await makeFolder(files, `${root}/${TEMPORARY_FOLDER}`);
  await unlinkIfThere(files, path);
  try {
    await writeFile(files, path, [bytes]);
    await files.link(path, `${root}/${MARKER_KEY}`);
    return true;
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
    return false;
  } finally {
    await unlinkIfThere(files, path);
    await files.syncFolder(root);
  }
}

async function writeFile(files: FilePort, path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const file = await files.create(path, byteLength);
  try {
    try {
      await writeChunks(file, chunks);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await unlinkIfThere(files, path);
    throw error;
  }
}

async function writeChunks(file: NewFile, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.byteLength > 0);
  let position = 0;
  while (rest.length > 0) {
    const count = await file.write(rest, position);
    assert(count > 0, "a write took no bytes and gave no error");
    position += count;
    rest = withoutFirst(rest, count);
  }
}

/** What is left of `chunks` after their first `count` bytes. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let index = 0;
  for (; index < chunks.length; index++) {
    const byteLength = chunks[index]?.byteLength ?? 0;
    if (byteLength > left) break;
    left -= byteLength;
  }
  const rest = chunks.slice(index);
  const [first] = rest;
  if (first !== undefined && left > 0) rest[0] = first.subarray(left);
  return rest;
}

async function makeFolder(files: FilePort, path: string): Promise<void> {
  try {
    await files.makeFolder(path);
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
  }
}

async function unlinkIfThere(files: FilePort, path: string): Promise<void> {
  await files.unlink(path).catch(() => {});
}
