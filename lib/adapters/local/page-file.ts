import { assert } from "#lib/util/assert.ts";
import { DIRECT_PIECE_BYTES, MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";
import { pageMemory, pagesDown } from "#lib/util/page-memory.ts";
import { errorCodeOf } from "./file-port.ts";
import type { SyncFiles } from "./sync-files.ts";

// A large file goes past the page cache: what is written once and rarely read from the disk soon is not worth its filling,
// which costs several times the writing. Such writes take whole pages, from memory and to positions at page boundaries;
// the bytes behind the last whole page go through the cache, by a second descriptor:
//
//     | page | page | … | page | rest |
//     '------- O_DIRECT -------'  '-- page cache
//
// What lies elsewhere is copied to such memory piece by piece: a copy costs a tenth of what the cache does. Where the file
// system does not allow it, or not any more, everything goes through the cache.

/** Of the thread that writes: those that no file is being written from. As many as were written from at once. */
const freePieces: Buffer[] = [];

/**
 * Writes a new file from the beginning to the end, as `fill` has it, and makes its bytes durable, though not its name. What
 * it leaves if it fails is the caller's.
 */
export function writePageFile<T>(files: SyncFiles, path: string, fill: (file: PageFile) => T): T {
  const file = new PageFile(files, path);
  try {
    const filled = fill(file);
    file.finish();
    return filled;
  } finally {
    file.close();
  }
}

/** A new file that is being written. Close it, whatever becomes of it. */
export class PageFile {
  readonly #files: SyncFiles;
  readonly #path: string;
  /** Through the cache; undefined until it is needed. */
  #cached: number | undefined;
  /** Past it. */
  #direct: number | undefined;
  #isDirect: boolean;
  #written = 0;
  /** Undefined until something is copied. */
  #piece: Buffer | undefined;
  /** Of the piece. */
  #filled = 0;

  constructor(files: SyncFiles, path: string) {
    this.#files = files;
    this.#path = path;
    this.#direct = createDirect(files, path);
    this.#isDirect = this.#direct !== undefined;
    if (!this.#isDirect) this.#cached = files.create(path, false);
  }

  /** Copies the bytes. */
  append(bytes: Uint8Array): void {
    this.#piece ??= freePieces.pop() ?? pageMemory(DIRECT_PIECE_BYTES);
    const piece = this.#piece;
    for (let from = 0; from < bytes.byteLength; ) {
      const count = Math.min(bytes.byteLength - from, piece.byteLength - this.#filled);
      piece.set(bytes.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === piece.byteLength) this.#flush();
    }
  }

  /** Writes bytes that begin at a page boundary of memory, as a file's only ones. */
  appendPages(bytes: Uint8Array): void {
    assert(this.#written + this.#filled === 0, "pages are written to the beginning");
    this.#write(bytes);
  }

  /** Makes the bytes durable. */
  finish(): void {
    this.#flush();
    this.#files.sync(this.#direct ?? this.#toCache());
  }

  close(): void {
    if (this.#piece !== undefined) freePieces.push(this.#piece);
    this.#piece = undefined;
    const [cached, direct] = [this.#cached, this.#direct];
    this.#cached = undefined;
    this.#direct = undefined;
    try {
      if (cached !== undefined) this.#files.close(cached);
    } finally {
      if (direct !== undefined) this.#files.close(direct);
    }
  }

  #flush(): void {
    const bytes = this.#piece?.subarray(0, this.#filled);
    this.#filled = 0;
    if (bytes !== undefined) this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    const count = this.#writeDirect(bytes.subarray(0, pagesDown(bytes.byteLength)));
    for (let at = count; at < bytes.byteLength; ) {
      const written = this.#files.write(this.#toCache(), [bytes.subarray(at)], this.#written);
      assert(written > 0, "a write took no bytes and gave no error");
      at += written;
      this.#written += written;
    }
  }

  /** As much of whole pages as goes past the cache; answers how many bytes. */
  #writeDirect(pages: Uint8Array): number {
    let at = 0;
    while (at < pages.byteLength && this.#isDirect && this.#direct !== undefined) {
      const count = tryDirect(this.#files, this.#direct, { bytes: pages.subarray(at), position: this.#written });
      at += count;
      this.#written += count;
      // A device may take less than whole pages, and want larger ones than the usual.
      this.#isDirect = count > 0 && count % MEMORY_PAGE_BYTES === 0;
    }
    return at;
  }

  #toCache(): number {
    this.#cached ??= this.#files.openToWrite(this.#path);
    return this.#cached;
  }
}

function createDirect(files: SyncFiles, path: string): number | undefined {
  try {
    return files.create(path, true);
  } catch (error) {
    if (errorCodeOf(error) !== "EINVAL") throw error;
    removeIfThere(files, path);
    return undefined;
  }
}

/** Linux makes the file before it finds that the file system cannot do without its cache. */
function removeIfThere(files: SyncFiles, path: string): void {
  try {
    files.unlink(path);
  } catch (error) {
    if (errorCodeOf(error) !== "ENOENT") throw error;
  }
}

function tryDirect(
  files: SyncFiles,
  descriptor: number,
  { bytes, position }: { readonly bytes: Uint8Array; readonly position: number },
): number {
  try {
    return files.write(descriptor, [bytes], position);
  } catch (error) {
    if (errorCodeOf(error) !== "EINVAL") throw error;
    return 0;
  }
}
