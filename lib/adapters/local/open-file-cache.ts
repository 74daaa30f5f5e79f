import type { OpenFile } from "./file-port.ts";

interface CachedFile {
  readonly opening: Promise<OpenFile>;
  userCount: number;
  isForgotten: boolean;
}

/** Keeps files open for reading, the least recently used leave first. A file in use is closed when its last user is done. */
export class OpenFileCache {
  readonly #open: (path: string) => Promise<OpenFile>;
  readonly #filesMax: number;
  /** In the order of use. */
  readonly #files = new Map<string, CachedFile>();

  constructor(open: (path: string) => Promise<OpenFile>, filesMax: number) {
    this.#open = open;
    this.#filesMax = filesMax;
  }

  get size(): number {
    return this.#files.size;
  }

  /** Runs `work` on the file, which stays open until then. Fails as opening does; a failure is not kept. */
  async use<T>(path: string, work: (file: OpenFile) => Promise<T>): Promise<T> {
    const cached = this.#take(path);
    cached.userCount++;
    try {
      return await work(await cached.opening);
    } finally {
      cached.userCount--;
      if (cached.isForgotten && cached.userCount === 0) close(cached);
    }
  }

  /** The path may stand for another file from now on. */
  forget(path: string): void {
    const cached = this.#files.get(path);
    if (cached === undefined) return;
    this.#files.delete(path);
    cached.isForgotten = true;
    if (cached.userCount === 0) close(cached);
  }

  clear(): void {
    for (const path of [...this.#files.keys()]) this.forget(path);
  }

  #take(path: string): CachedFile {
    const cached = this.#files.get(path);
    if (cached !== undefined) {
      this.#files.delete(path);
      this.#files.set(path, cached);
      return cached;
    }
    const opened: CachedFile = { opening: this.#open(path), userCount: 0, isForgotten: false };
    this.#files.set(path, opened);
    opened.opening.catch(() => {
      if (this.#files.get(path) === opened) this.#files.delete(path);
    });
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= this.#filesMax) break;
      this.forget(oldest);
    }
    return opened;
  }
}

function close(cached: CachedFile): void {
  // It was open for reading: nothing can be lost by a failure to close it.
  cached.opening.then((file) => file.close()).catch(() => {});
}
