import { close, constants, fdatasync, open, writev } from "node:fs";
import { DIRECT_ALIGNMENT_BYTES } from "#lib/util/limits.ts";
import { errorCodeOf, type NewFile } from "./file-port.ts";
import type { StagingBlocks } from "./staging-blocks.ts";

/** More chunks in one call would have the system split them anyway (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1_024;

/**
 * A new file that is written past the page cache (`O_DIRECT`, open(2)), for what is written once and rarely read from
 * the disk soon: filling the cache costs several times the writing. Such writes take whole pages, from memory and to
 * positions at page boundaries; the bytes behind the last whole page go through the cache, by a second descriptor:
 *
 *     | page | page | … | page | rest |
 *     '--- O_DIRECT, through -'  '-- page cache
 *          a staging block
 *
 * Where the file system cannot do it, everything goes through the cache.
 */
export class DirectFile implements NewFile {
  readonly #path: string;
  readonly #blocks: StagingBlocks;
  readonly #direct: number;
  #isRefused = false;
  #cached: number | undefined;

  private constructor(path: string, direct: number, blocks: StagingBlocks) {
    this.#path = path;
    this.#direct = direct;
    this.#blocks = blocks;
  }

  /** Makes the file; fails with EEXIST if it is there, with EINVAL where no file can be written so. */
  static async create(path: string, blocks: StagingBlocks): Promise<DirectFile> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT;
    return new DirectFile(path, await openFile(path, flags), blocks);
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<number> {
    const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const wholePages = byteLength - (byteLength % DIRECT_ALIGNMENT_BYTES);
    if (wholePages === 0 || position % DIRECT_ALIGNMENT_BYTES !== 0 || this.#isRefused) {
      return this.#writeCached(chunks, position);
    }
    return this.#blocks.use(async (block) => {
      const count = Math.min(wholePages, block.byteLength);
      fill(block.subarray(0, count), chunks);
      try {
        return await writeAt(this.#direct, [block.subarray(0, count)], position);
      } catch (error) {
        // A device may want larger pages than the usual ones.
        if (errorCodeOf(error) !== "EINVAL") throw error;
        this.#isRefused = true;
        return this.#writeCached(chunks, position);
      }
    });
  }

  /** Makes the bytes of both descriptors durable: the sync is the file's, whoever has written. */
  sync(): Promise<void> {
    return settled((done) => fdatasync(this.#direct, done));
  }

  async close(): Promise<void> {
    const cached = this.#cached;
    await Promise.all([
      settled((done) => close(this.#direct, done)),
      cached === undefined ? undefined : settled((done) => close(cached, done)),
    ]);
  }

  async #writeCached(chunks: readonly Uint8Array[], position: number): Promise<number> {
    this.#cached ??= await openFile(this.#path, constants.O_WRONLY);
    return writeAt(this.#cached, chunks, position);
  }
}

/** Copies as much of `chunks` as fits. */
function fill(target: Uint8Array, chunks: readonly Uint8Array[]): void {
  let at = 0;
  for (const chunk of chunks) {
    const room = target.byteLength - at;
    target.set(chunk.byteLength <= room ? chunk : chunk.subarray(0, room), at);
    at += chunk.byteLength;
    if (at >= target.byteLength) return;
  }
}

export function writeAt(descriptor: number, chunks: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(descriptor, chunks.slice(0, CHUNKS_PER_WRITE_MAX), position, (error, count) => {
      if (error !== null) reject(error);
      else resolve(count);
    });
  });
}

export function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, 0o644, (error, descriptor) => {
      if (error !== null) reject(error);
      else resolve(descriptor);
    });
  });
}

export function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
