import { isSharedPages } from "#lib/storage/segment-memory.ts";
import { assert } from "#lib/util/assert.ts";
import { DIRECT_COPY_BYTES_MIN, DIRECT_WRITE_BYTES_MIN } from "#lib/util/limits.ts";
import { writePageFile } from "./page-file.ts";
import type { SyncFiles } from "./sync-files.ts";

/**
 * Writes a new file whose bytes are durable, though its name is not: past the page cache if it is large (page-file.ts).
 * What it leaves if it fails is the caller's.
 */
export function writeNewFile(files: SyncFiles, path: string, chunks: readonly Uint8Array[]): void {
  const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1 && isSharedPages(first)) {
    if (byteLength < DIRECT_WRITE_BYTES_MIN) writeCached(files, path, chunks);
    else writePageFile(files, path, (file) => file.appendPages(first));
  } else if (byteLength < DIRECT_COPY_BYTES_MIN) writeCached(files, path, chunks);
  else {
    writePageFile(files, path, (file) => {
      for (const chunk of chunks) file.append(chunk);
    });
  }
}

function writeCached(files: SyncFiles, path: string, chunks: readonly Uint8Array[]): void {
  const descriptor = files.create(path, false);
  try {
    let rest = chunks.filter((chunk) => chunk.byteLength > 0);
    for (let at = 0; rest.length > 0; ) {
      const count = files.write(descriptor, rest, at);
      assert(count > 0, "a write took no bytes and gave no error");
      at += count;
      rest = withoutFirst(rest, count);
    }
    files.sync(descriptor);
  } finally {
    files.close(descriptor);
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
