import { isSharedPages } from "#lib/storage/segment-memory.ts";
import { assert } from "#lib/util/assert.ts";
import { DIRECT_WRITE_BYTES_MIN, MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";
import { errorCodeOf } from "./file-port.ts";
import type { SyncFiles } from "./sync-files.ts";

// Large files go past the page cache: what is written once and rarely read from the disk soon is not worth its filling,
// which costs several times the writing. Such writes take whole pages, from memory and to positions at page boundaries;
// the bytes behind the last whole page go through the cache, by a second descriptor:
//
//     | page | page | … | page | rest |
//     '------- O_DIRECT -------'  '-- page cache
//
// Where memory or file system do not allow it, everything goes through the cache.

/** Writes a new file whose bytes are durable, though its name is not. What it leaves if it fails is the caller's. */
export function writeNewFile(files: SyncFiles, path: string, chunks: readonly Uint8Array[]): void {
  const wholePages = directBytes(chunks);
  const direct = wholePages === 0 ? undefined : createDirect(files, path);
  if (direct === undefined) {
    withDescriptor(files, files.create(path, false), (descriptor) => {
      writeAll(files, descriptor, { chunks, position: 0 });
      files.sync(descriptor);
    });
    return;
  }
  withDescriptor(files, direct, (descriptor) => {
    const written = writeDirect(files, descriptor, firstBytes(chunks, wholePages));
    const rest = withoutFirst(chunks, written);
    if (rest.length > 0) {
      withDescriptor(files, files.openToWrite(path), (cached) =>
        writeAll(files, cached, { chunks: rest, position: written }),
      );
    }
    files.sync(descriptor);
  });
}

/** How many bytes can be written past the cache. */
function directBytes(chunks: readonly Uint8Array[]): number {
  const [first] = chunks;
  if (first === undefined || chunks.length > 1 || !isSharedPages(first)) return 0;
  if (first.byteLength < DIRECT_WRITE_BYTES_MIN) return 0;
  return first.byteLength - (first.byteLength % MEMORY_PAGE_BYTES);
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

/** Writes as much of whole pages as goes past the cache; answers how many bytes. */
function writeDirect(files: SyncFiles, descriptor: number, pages: Uint8Array): number {
  let written = 0;
  while (written < pages.byteLength && written % MEMORY_PAGE_BYTES === 0) {
    try {
      written += files.write(descriptor, [pages.subarray(written)], written);
    } catch (error) {
      // A device may want larger pages than the usual ones.
      if (errorCodeOf(error) !== "EINVAL") throw error;
      return written;
    }
  }
  return written;
}

function writeAll(
  files: SyncFiles,
  descriptor: number,
  { chunks, position }: { readonly chunks: readonly Uint8Array[]; readonly position: number },
): void {
  let rest = chunks.filter((chunk) => chunk.byteLength > 0);
  let at = position;
  while (rest.length > 0) {
    const count = files.write(descriptor, rest, at);
    assert(count > 0, "a write took no bytes and gave no error");
    at += count;
    rest = withoutFirst(rest, count);
  }
}

function withDescriptor(files: SyncFiles, descriptor: number, work: (descriptor: number) => void): void {
  try {
    work(descriptor);
  } finally {
    files.close(descriptor);
  }
}

function firstBytes(chunks: readonly Uint8Array[], byteLength: number): Uint8Array {
  return chunks[0]?.subarray(0, byteLength) ?? new Uint8Array(0);
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
