import type { ByteRange } from "#lib/storage/object-store.ts";
import { DIRECT_READ_BYTES_MIN, MEMORY_PAGE_BYTES, READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";
import { wholePages } from "#lib/util/page-memory.ts";
import { errorCodeOf, type FilePort, type OpenFile } from "./file-port.ts";
import { OpenFileCache } from "./open-file-cache.ts";
import { ReadPace } from "./read-pace.ts";

// What is large was written past the page cache, so whoever reads it first would only fill the cache on the way, which costs
// several times the reading. Whoever reads it again may be one of many, and the cache may be better than the disk:
//
//   for the first time     disk ----------------------> memory
//   again, a fast disk     disk ----------------------> memory
//   again, a slow disk     disk ---> page cache ------> memory

/** The files of a store, open for reading. */
export class ObjectFiles {
  readonly #cached: OpenFileCache;
  readonly #direct: OpenFileCache;
  /** How far each file has been read. */
  readonly #readUntil = new Map<string, number>();
  readonly #pace: ReadPace;
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
    if (filled >= target.byteLength) return target.byteLength;
    return this.#cached.use(path, (file) => readOn(file, position, { target, filled }));
  }

  /** The path may stand for another file from now on. */
  forget(path: string): void {
    this.#cached.forget(path);
    this.#direct.forget(path);
    this.#readUntil.delete(path);
  }

  clear(): void {
    this.#cached.clear();
    this.#direct.clear();
    this.#readUntil.clear();
  }

  /** Where to read to past the cache; undefined if the range is to go through it. */
  #directTarget(path: string, { position, byteLength }: ByteRange, target: Uint8Array): Uint8Array | undefined {
    if (byteLength < DIRECT_READ_BYTES_MIN || position % MEMORY_PAGE_BYTES !== 0) return undefined;
    const isFirst = this.#isFirst(path, position + byteLength);
    return this.#isDirectPossible && (isFirst || this.#pace.isFast) ? wholePages(target) : undefined;
  }

  #isFirst(path: string, end: number): boolean {
    const until = this.#readUntil.get(path) ?? 0;
    this.#readUntil.delete(path);
    this.#readUntil.set(path, Math.max(until, end));
    for (const oldest of this.#readUntil.keys()) {
      if (this.#readUntil.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#readUntil.delete(oldest);
    }
    return end > until;
  }

  /** Answers how many bytes came: what is missing can be had by way of the cache, if it is there. */
  async #readDirect(path: string, position: number, pages: Uint8Array): Promise<number> {
    let count = 0;
    this.#pace.begin(performance.now());
    try {
      count = await this.#direct.use(path, (file) => file.read(pages, position));
    } catch (error) {
      if (errorCodeOf(error) !== "EINVAL") throw error;
      this.#isDirectPossible = false;
    } finally {
      this.#pace.end(count, performance.now());
    }
    return count;
  }
}

async function readOn(
  file: OpenFile,
  position: number,
  { target, filled }: { readonly target: Uint8Array; readonly filled: number },
): Promise<number> {
  let at = filled;
  while (at < target.byteLength) {
    const count = await file.read(at === 0 ? target : target.subarray(at), position + at);
    if (count === 0) break;
    at += count;
  }
  return at;
}
