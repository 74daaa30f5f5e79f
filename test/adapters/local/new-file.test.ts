import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeNewFile } from "#lib/adapters/local/new-file.ts";
import { NodeSyncFiles } from "#lib/adapters/local/sync-files.ts";
import { SegmentMemory } from "#lib/storage/segment-memory.ts";
import { defined } from "#lib/util/assert.ts";
import {
  DIRECT_COPY_BYTES_MIN,
  DIRECT_PIECE_BYTES,
  DIRECT_WRITE_BYTES_MIN,
  MEMORY_PAGE_BYTES,
} from "#lib/util/limits.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-new-file-"));
const memory = new SegmentMemory(4 * 1024 * 1024);
let count = 0;

afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes at a page boundary of shared memory, as flushes have them. */
function pagesOf(byteLength: number): Uint8Array {
  const bytes = Uint8Array.from({ length: byteLength }, (_, at) => (at * 7 + (at >>> 12)) % 256);
  return defined(memory.gather([bytes], byteLength)).bytes;
}

function write(files: NodeSyncFiles, chunks: readonly Uint8Array[]): Buffer {
  const path = join(folder, `file-${count++}`);
  writeNewFile(files, path, chunks);
  return readFileSync(path);
}

/** What is done to the files, beside doing it. */
class NotedFiles extends NodeSyncFiles {
  readonly steps: string[] = [];

  override create(path: string, isDirect: boolean): number {
    this.steps.push(isDirect ? "create direct" : "create");
    return super.create(path, isDirect);
  }

  override openToWrite(path: string): number {
    this.steps.push("open");
    return super.openToWrite(path);
  }

  override write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
    const written = super.write(descriptor, chunks, position);
    this.steps.push(`write ${position}+${written}`);
    return written;
  }

  override sync(descriptor: number): void {
    this.steps.push("sync");
    super.sync(descriptor);
  }
}

const SIZES = [
  0,
  1,
  DIRECT_WRITE_BYTES_MIN - 1,
  DIRECT_WRITE_BYTES_MIN,
  DIRECT_WRITE_BYTES_MIN + 1,
  3 * DIRECT_WRITE_BYTES_MIN + MEMORY_PAGE_BYTES - 1,
];

test.each(SIZES)("a file of %i bytes holds what was given, from pages or from chunks", (byteLength) => {
  const pages = pagesOf(byteLength);
  const copy = Buffer.from(pages);
  expect(write(new NodeSyncFiles(), [pages]).equals(copy)).toBe(true);
  const third = Math.floor(byteLength / 3);
  expect(write(new NodeSyncFiles(), [copy.subarray(0, third), copy.subarray(third)]).equals(copy)).toBe(true);
});

test.each([DIRECT_COPY_BYTES_MIN - 1, DIRECT_COPY_BYTES_MIN, DIRECT_COPY_BYTES_MIN + DIRECT_PIECE_BYTES + 4_097])(
  "%i bytes that lie anywhere are written as they are, past the cache if they are many",
  (byteLength) => {
    const bytes = Buffer.from(Uint8Array.from({ length: byteLength }, (_, at) => (at * 7 + (at >>> 12)) % 256));
    const files = new NotedFiles();
    const cuts = [0, 1, 100_003, DIRECT_PIECE_BYTES, DIRECT_PIECE_BYTES, byteLength];
    const chunks = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
    expect(write(files, chunks).equals(bytes)).toBe(true);
    // Without O_DIRECT on the file system of the tests everything is written through the cache.
    if (files.steps[1] === "create") return;
    expect(files.steps[0]).toBe(byteLength < DIRECT_COPY_BYTES_MIN ? "create" : "create direct");
  },
);

/** A device that takes so many bytes past the cache, and then says that it cannot. */
class StrictFiles extends NodeSyncFiles {
  #directBytesLeft: number;
  #direct = -1;

  constructor(directBytes: number) {
    super();
    this.#directBytesLeft = directBytes;
  }

  override create(path: string, isDirect: boolean): number {
    const descriptor = super.create(path, false);
    if (isDirect) this.#direct = descriptor;
    return descriptor;
  }

  override write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
    if (descriptor !== this.#direct) return super.write(descriptor, chunks, position);
    const [first] = chunks;
    if (this.#directBytesLeft === 0) throw Object.assign(new Error("no"), { code: "EINVAL" });
    const written = super.write(descriptor, [defined(first).subarray(0, this.#directBytesLeft)], position);
    this.#directBytesLeft -= written;
    return written;
  }
}

test.each([0, 1, 4_096, DIRECT_PIECE_BYTES, DIRECT_PIECE_BYTES + 4_096, 2 * DIRECT_PIECE_BYTES - 1])(
  "a device that stops after %i bytes past the cache gets the rest through it",
  (directBytes) => {
    const bytes = Buffer.from(Uint8Array.from({ length: DIRECT_COPY_BYTES_MIN + 77 }, (_, at) => (at * 11) % 251));
    const chunks = [bytes.subarray(0, 3), bytes.subarray(3)];
    expect(write(new StrictFiles(directBytes), chunks).equals(bytes)).toBe(true);
  },
);

test("whole pages go past the page cache, the rest through it, and then all of it is synced", () => {
  const files = new NotedFiles();
  write(files, [pagesOf(DIRECT_WRITE_BYTES_MIN + 10)]);
  // Without O_DIRECT on the file system of the tests there is nothing to see.
  if (files.steps[1] === "create") return;
  const rest = DIRECT_WRITE_BYTES_MIN;
  expect(files.steps).toEqual(["create direct", `write 0+${rest}`, "open", `write ${rest}+10`, "sync"]);
});

test("small files and chunks of their own memory go through the page cache", () => {
  for (const chunks of [[pagesOf(100)], [new Uint8Array(DIRECT_WRITE_BYTES_MIN)], [pagesOf(100_000), pagesOf(1)]]) {
    const files = new NotedFiles();
    write(files, chunks);
    expect(files.steps[0]).toBe("create");
    expect(files.steps.at(-1)).toBe("sync");
  }
});

test("a file system that cannot bypass its cache is written through it, though it made the file before it said so", () => {
  class Undirected extends NotedFiles {
    override create(path: string, isDirect: boolean): number {
      if (!isDirect) return super.create(path, false);
      this.close(super.create(path, false));
      throw Object.assign(new Error("EINVAL: invalid argument, open"), { code: "EINVAL" });
    }
  }
  const pages = pagesOf(DIRECT_WRITE_BYTES_MIN + 5_000);
  expect(write(new Undirected(), [pages]).equals(pages)).toBe(true);
});

test("a device that wants larger pages gets the bytes through the cache", () => {
  class LargePages extends NotedFiles {
    #direct = -1;

    override create(path: string, isDirect: boolean): number {
      const descriptor = super.create(path, false);
      if (isDirect) this.#direct = descriptor;
      return descriptor;
    }

    override write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
      const [first] = chunks;
      if (descriptor !== this.#direct || first === undefined) return super.write(descriptor, chunks, position);
      // Takes one piece of 64 KiB, and nothing smaller.
      if (first.byteLength < 65_536) throw Object.assign(new Error("EINVAL"), { code: "EINVAL" });
      return super.write(descriptor, [first.subarray(0, 65_536)], position);
    }
  }
  const pages = pagesOf(2 * 65_536 + 3 * MEMORY_PAGE_BYTES + 17);
  expect(write(new LargePages(), [pages]).equals(pages)).toBe(true);
});

test.each([1, 511, MEMORY_PAGE_BYTES, 10_000])("writes that take %i bytes at most leave no gap", (bytesMax) => {
  class ShortWrites extends NotedFiles {
    override create(path: string): number {
      return super.create(path, false);
    }

    override write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
      const [first] = chunks;
      return super.write(descriptor, first === undefined ? [] : [first.subarray(0, bytesMax)], position);
    }
  }
  const pages = pagesOf(DIRECT_WRITE_BYTES_MIN + 100);
  expect(write(new ShortWrites(), [pages]).equals(pages)).toBe(true);
});

test("no error of the disk passes for a written file", () => {
  for (const step of ["create", "openToWrite", "write", "sync", "close"] as const) {
    const files = new NodeSyncFiles();
    const fails = Object.assign(Object.create(files), {
      [step]: () => {
        throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
      },
    });
    expect(() => write(fails, [pagesOf(DIRECT_WRITE_BYTES_MIN + 10)]), step).toThrow("EIO");
  }
});
