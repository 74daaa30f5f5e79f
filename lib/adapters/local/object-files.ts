import type { ByteRange } from "#lib/storage/object-store.ts";
import {
  BLOCK_BYTES,
  CACHED_AGAIN_BYTES_MAX,
  DIRECT_PROBE_EVERY,
  DIRECT_READ_BYTES_MIN,
  MEMORY_PAGE_BYTES,
  READ_OBJECTS_REMEMBERED_MAX,
} from "#lib/util/limits.ts";
import { wholePages } from "#lib/util/page-memory.ts";
import { errorCodeOf, type FilePort, type OpenFile } from "./file-port.ts";
import { OpenFileCache } from "./open-file-cache.ts";
import { ReadPace } from "./read-pace.ts";

// What is large was written past the page cache, so whoever reads it first would only fill the cache on the way, which costs
// several times the reading. Whoever reads it soon after is one of several who read the same, and the next of them find it
// in the cache. Of a slow disk all do:
//
//   for the first time, or after long     disk ----------------------> memory
//   soon again, or a slow disk            disk ---> page cache ------> memory

/** Of file systems that do not pass by their cache, or not for such a file or memory. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/** What has been read of a file. */
interface Progress {
  /** A bit for each block. */
  blocks: Uint8Array;
  /** What had been read of all files when it was read last, in bytes. */
  readBytes: number;
}

/** The files of a store, open for reading. */
export class ObjectFiles {
  readonly #cached: OpenFileCache;
  readonly #direct: OpenFileCache;
  readonly #progress = new Map<string, Progress>();
  /** Of all files together. */
  #readBytes = 0;
  readonly #pace: ReadPace;
  #probesDue = 0;
  /** Not every file system has it. */
  #isDirectPossible = true;

  /** Keeps up to `filesMax` files open. */
  constructor(port: FilePort, filesMax: number, pace = new ReadPace()) {
    this.#pace = pace;
    this.#cached = new OpenFileCache((path) => port.open(path), filesMax / 2);
    this.#direct = new OpenFileCache((path) => port.open(path, true), filesMax / 2);
  }

  byteLength(path: string): Promise<number> {
    return this.#cached.use(path, (file) => file.byteLength());
  }

  /** Fills `target` from `position` on; answers how many bytes, which are fewer only if the file ends. */
  async read(path: string, position: number, target: Uint8Array): Promise<number> {
    const pages = this.#directTarget(path, { position, byteLength: target.byteLength }, target);
    const filled = pages === undefined ? 0 : await this.#readDirect(path, position, pages);
    if (filled !== "refused" && filled >= target.byteLength) return target.byteLength;
    // All of it: another file may stand there by now.
    const count = await this.#cached.use(path, (file) => readAll(file, position, target));
    if (filled === "refused") this.#isDirectPossible = false;
    return count;
  }

  /** The path may stand for another file from now on. */
  forget(path: string): void {
    this.#cached.forget(path);
    this.#direct.forget(path);
    this.#progress.delete(path);
  }

  clear(): void {
    this.#cached.clear();
    this.#direct.clear();
    this.#progress.clear();
    this.#isDirectPossible = true;
  }

  /** Where to read to past the cache; undefined if the range is to go through it. */
  #directTarget(path: string, { position, byteLength }: ByteRange, target: Uint8Array): Uint8Array | undefined {
    if (byteLength < DIRECT_READ_BYTES_MIN || position % MEMORY_PAGE_BYTES !== 0) return undefined;
    const isForCache = this.#isForCache(path, { position, byteLength });
    return this.#isDirectPossible && !isForCache ? wholePages(target) : undefined;
  }

  #isForCache(path: string, { position, byteLength }: ByteRange): boolean {
    const progress = this.#progress.get(path) ?? { blocks: new Uint8Array(0), readBytes: 0 };
    this.#progress.delete(path);
    this.#progress.set(path, progress);
    for (const oldest of this.#progress.keys()) {
      if (this.#progress.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#progress.delete(oldest);
    }
    if (this.#readBytes - progress.readBytes > CACHED_AGAIN_BYTES_MAX) progress.blocks = new Uint8Array(0);
    const isFirst = markBlocks(progress, { position, byteLength });
    this.#readBytes += byteLength;
    progress.readBytes = this.#readBytes;
    return !isFirst || (!this.#pace.isFast && this.#probesDue++ % DIRECT_PROBE_EVERY !== 0);
  }

  /** Answers how many bytes came: if not all did, what reading by way of the cache says counts. */
  async #readDirect(path: string, position: number, pages: Uint8Array): Promise<number | "refused"> {
    try {
      return await this.#direct.use(path, async (file) => {
        const beganMs = performance.now();
        const count = await file.read(pages, position);
        if (count > 0) this.#pace.add(count, performance.now() - beganMs);
        return count;
      });
    } catch (error) {
      return REFUSALS.has(errorCodeOf(error)) ? "refused" : 0;
    }
  }
}

/** Notes that the range is read; whether any of its blocks had not been before. */
function markBlocks(progress: Progress, { position, byteLength }: ByteRange): boolean {
  const last = Math.floor((position + byteLength - 1) / BLOCK_BYTES);
  if (last >= progress.blocks.byteLength * 8) {
    const { blocks } = progress;
    progress.blocks = new Uint8Array((last >>> 3) + 1);
    progress.blocks.set(blocks);
  }
  let isFirst = false;
  for (let block = Math.floor(position / BLOCK_BYTES); block <= last; block++) {
    const bits = progress.blocks[block >>> 3] ?? 0;
    const bit = 1 << (block & 7);
    if ((bits & bit) === 0) isFirst = true;
    progress.blocks[block >>> 3] = bits | bit;
  }
  return isFirst;
}

async function readAll(file: OpenFile, position: number, target: Uint8Array): Promise<number> {
  let at = 0;
  while (at < target.byteLength) {
    const count = await file.read(at === 0 ? target : target.subarray(at), position + at);
    if (count === 0) break;
    at += count;
  }
  return at;
}
