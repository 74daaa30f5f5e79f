import { isSharedPages, SegmentMemory } from "#lib/storage/segment-memory.ts";
import { assert, defined } from "#lib/util/assert.ts";
import {
  DIRECT_COPY_BYTES_MIN,
  DIRECT_PIECE_BYTES,
  DIRECT_WRITE_BYTES_MIN,
  MEMORY_PAGE_BYTES,
} from "#lib/util/limits.ts";
import { errorCodeOf } from "./file-port.ts";
import type { SyncFiles } from "./sync-files.ts";

// Large files go past the page cache: what is written once and rarely read from the disk soon is not worth its filling,
// which costs several times the writing. Such writes take whole pages, from memory and to positions at page boundaries;
// the bytes behind the last whole page go through the cache, by a second descriptor:
//
//     | page | page | … | page | rest |
//     '------- O_DIRECT -------'  '-- page cache
//
// What lies elsewhere is copied to such memory piece by piece if it is much, as a log segment is: a copy costs a tenth of
// what the cache does. Where the file system does not allow it, everything goes through the cache.

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
    const written = writeDirect(files, descriptor, inPages(chunks, wholePages));
    const rest = withoutFirst(chunks, written);
    if (rest.length > 0) {
      withDescriptor(files, files.openToWrite(path), (cached) =>
        writeAll(files, cached, { chunks: rest, position: written }),
      );
    }
    files.sync(descriptor);
  });
}

/** How many bytes are to be written past the cache. */
function directBytes(chunks: readonly Uint8Array[]): number {
  const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const bytesMin = areSharedPages(chunks) ? DIRECT_WRITE_BYTES_MIN : DIRECT_COPY_BYTES_MIN;
  return byteLength < bytesMin ? 0 : byteLength - (byteLength % MEMORY_PAGE_BYTES);
}

function areSharedPages(chunks: readonly Uint8Array[]): boolean {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 && isSharedPages(first);
}

/** Of the thread that writes: nobody else is between the filling of a piece and its writing. */
let pieces: SegmentMemory | undefined;

/** The first `byteLength` bytes at page boundaries of memory; a piece is gone when the next one is asked for. */
function* inPages(chunks: readonly Uint8Array[], byteLength: number): Generator<Uint8Array> {
  if (areSharedPages(chunks)) {
    yield firstBytes(chunks, byteLength);
    return;
  }
  pieces ??= new SegmentMemory(DIRECT_PIECE_BYTES);
  let rest: readonly Uint8Array[] = chunks;
  for (let left = byteLength; left > 0; ) {
    const count = Math.min(left, DIRECT_PIECE_BYTES);
    const held = defined(pieces.gather(onlyFirst(rest, count), count), "memory of a piece");
    try {
      yield held.bytes;
    } finally {
      held.release();
    }
    rest = withoutFirst(rest, count);
    left -= count;
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

/** Writes as much of whole pages as goes past the cache; answers how many bytes. */
function writeDirect(files: SyncFiles, descriptor: number, pages: Iterable<Uint8Array>): number {
  let written = 0;
  for (const piece of pages) {
    for (let at = 0; at < piece.byteLength; ) {
      // A device may take less than whole pages, and want larger ones than the usual.
      if (at % MEMORY_PAGE_BYTES !== 0) return written;
      const count = tryDirect(files, descriptor, { bytes: piece.subarray(at), position: written });
      if (count === 0) return written;
      at += count;
      written += count;
    }
  }
  return written;
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

/** Views of the first `count` bytes, which are there. */
function onlyFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  const first: Uint8Array[] = [];
  let left = count;
  for (const chunk of chunks) {
    if (left === 0) break;
    const taken = Math.min(left, chunk.byteLength);
    first.push(chunk.subarray(0, taken));
    left -= taken;
  }
  return first;
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
