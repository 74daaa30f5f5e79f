import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { OpenFile } from "#lib/adapters/local/file-port.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import { ObjectFiles } from "#lib/adapters/local/object-files.ts";
import { ReadPace } from "#lib/adapters/local/read-pace.ts";
import {
  BLOCK_BYTES,
  CACHED_AGAIN_BYTES_MAX,
  DIRECT_PACE_READS,
  DIRECT_PROBE_EVERY,
  DIRECT_READ_BYTES_MIN,
  MEMORY_PAGE_BYTES,
} from "#lib/util/limits.ts";
import { pageMemory } from "#lib/util/page-memory.ts";
import { isDirectPossible } from "../../support/direct-io.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-object-files-"));
const BYTES = 5 * DIRECT_READ_BYTES_MIN + 1_234;
const content = Buffer.from(Uint8Array.from({ length: BYTES }, (_, at) => (at * 7 + (at >>> 12)) % 256));
let count = 0;

afterAll(() => rmSync(folder, { recursive: true }));

function newFile(): string {
  const path = join(folder, `file-${count++}`);
  writeFileSync(path, content);
  return path;
}

function slowDisk(): ReadPace {
  const pace = new ReadPace();
  for (let read = 0; read < DIRECT_PACE_READS; read++) pace.add(1_000_000, 100);
  return pace;
}

/** The host's files, and how each read of them went. */
class NotedFiles extends NodeFilePort {
  readonly reads: string[] = [];
  /** Fails reads past the cache. */
  failure: string | undefined;
  /** Reads past the cache give no more at once. */
  directBytesMax = Number.POSITIVE_INFINITY;

  override async open(path: string, isDirect = false): Promise<OpenFile> {
    const file = await super.open(path, isDirect);
    return {
      read: async (target, position) => {
        if (isDirect && this.failure !== undefined) throw Object.assign(new Error("failed"), { code: this.failure });
        const bytesMax = isDirect ? this.directBytesMax : target.byteLength;
        const got = await file.read(target.subarray(0, bytesMax), position);
        this.reads.push(`${isDirect ? "direct" : "cached"} ${position}+${got}`);
        return got;
      },
      byteLength: () => file.byteLength(),
      close: () => file.close(),
    };
  }
}

test("whatever range is read, into whatever memory and however often, its bytes are the file's", async () => {
  const path = newFile();
  const files = new ObjectFiles(new NodeFilePort(), 16);
  const position = fc.oneof(
    fc.nat(BYTES - 1),
    fc.nat(Math.floor(BYTES / MEMORY_PAGE_BYTES)).map((page) => page * MEMORY_PAGE_BYTES),
  );
  await fc.assert(
    fc.asyncProperty(position, fc.integer({ min: 1, max: 2 * BYTES }), fc.boolean(), async (from, length, isPages) => {
      const target = isPages ? pageMemory(length) : Buffer.alloc(length);
      const got = await files.read(path, from, target);
      expect(got).toBe(Math.min(length, BYTES - from));
      expect(target.subarray(0, got).equals(content.subarray(from, from + got))).toBe(true);
    }),
    { numRuns: 200 },
  );
  files.clear();
});

describe.runIf(await isDirectPossible())("where the page cache can be passed by", () => {
  /** Reads a file's first blocks, then so much of others, then the first ones again; how these went. */
  async function readAgainAfter(otherBytes: number): Promise<readonly string[]> {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    const path = newFile();
    truncateSync(path, 2 * BLOCK_BYTES);
    const readBlocks = async () => {
      for (const block of [0, 1]) await files.read(path, block * BLOCK_BYTES, pageMemory(BLOCK_BYTES));
    };
    await readBlocks();
    const other = newFile();
    const others = pageMemory(BYTES);
    for (let read = 0; read < otherBytes; read += BYTES) await files.read(other, 0, others);
    await readBlocks();
    files.clear();
    return [...port.reads.slice(0, 2), ...port.reads.slice(-2)].map((each) => each.split(" ")[0] ?? "");
  }

  test("what is read for the first time, or after long, comes past it; what others read too, by way of it", async () => {
    expect(await readAgainAfter(0)).toEqual(["direct", "direct", "cached", "cached"]);
    expect(await readAgainAfter(CACHED_AGAIN_BYTES_MAX + BYTES)).toEqual(["direct", "direct", "direct", "direct"]);
  });

  test("parts of an object that several partitions share are each read for the first time, in whatever order", async () => {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    const path = newFile();
    truncateSync(path, 3 * BLOCK_BYTES);
    for (const block of [2, 0, 1, 0]) await files.read(path, block * BLOCK_BYTES, pageMemory(BLOCK_BYTES));
    files.clear();
    expect(port.reads).toEqual(
      ["direct 2", "direct 0", "direct 1", "cached 0"].map((each) => {
        const [way, block] = each.split(" ");
        return `${way} ${Number(block) * BLOCK_BYTES}+${BLOCK_BYTES}`;
      }),
    );
  });

  test("of a slow disk all comes by way of it, but for one first read in so many", async () => {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16, slowDisk());
    const path = newFile();
    for (let at = 0; at < DIRECT_PROBE_EVERY; at++) await files.read(newFile(), 0, pageMemory(BYTES));
    await files.read(path, 0, pageMemory(BYTES));
    for (let at = 0; at < DIRECT_PROBE_EVERY; at++) await files.read(path, 0, pageMemory(BYTES));
    const ways = port.reads.map((each) => each.split(" ")[0]);
    expect(ways.filter((way) => way === "direct")).toHaveLength(2);
    expect([ways[0], ways[DIRECT_PROBE_EVERY]]).toEqual(["direct", "direct"]);
    files.clear();
  });

  test("little ranges, positions within a page and other memory go through it", async () => {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    await files.read(newFile(), 0, pageMemory(DIRECT_READ_BYTES_MIN - 1));
    await files.read(newFile(), 1, pageMemory(DIRECT_READ_BYTES_MIN));
    await files.read(newFile(), 0, Buffer.alloc(DIRECT_READ_BYTES_MIN));
    await files.read(newFile(), 0, pageMemory(2 * DIRECT_READ_BYTES_MIN).subarray(1, DIRECT_READ_BYTES_MIN + 1));
    files.clear();
    expect(port.reads.filter((read) => read.startsWith("direct"))).toEqual([]);
    expect(port.reads).toHaveLength(4);
  });

  test("the end of a file that fills no page comes with the rest", async () => {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    const target = pageMemory(BYTES);
    expect(await files.read(newFile(), 0, target)).toBe(BYTES);
    expect(target.equals(content)).toBe(true);
    expect(port.reads).toEqual([`direct 0+${BYTES}`]);
    files.clear();
  });

  test("what a read past it does not bring whole comes by way of it, from the beginning", async () => {
    const port = new NotedFiles();
    port.directBytesMax = MEMORY_PAGE_BYTES;
    const files = new ObjectFiles(port, 16);
    const target = pageMemory(BYTES);
    expect(await files.read(newFile(), 0, target)).toBe(BYTES);
    expect(target.equals(content)).toBe(true);
    expect(port.reads).toEqual([`direct 0+${MEMORY_PAGE_BYTES}`, `cached 0+${BYTES}`]);
    files.clear();
  });

  /** How the next file is read after one for which reading past the cache failed with the code. */
  async function readAfter(code: string): Promise<readonly string[]> {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    port.failure = code;
    const target = pageMemory(BYTES);
    expect(await files.read(newFile(), 0, target)).toBe(BYTES);
    expect(target.equals(content)).toBe(true);
    port.failure = undefined;
    await files.read(newFile(), 0, target);
    files.clear();
    await files.read(newFile(), 0, target);
    files.clear();
    return port.reads.map((each) => each.split(" ")[0] ?? "");
  }

  test("after a refusal it is not tried again, unless the root is another one; after a failure it is", async () => {
    expect(await readAfter("EINVAL")).toEqual(["cached", "cached", "direct"]);
    expect(await readAfter("ENOTSUP")).toEqual(["cached", "cached", "direct"]);
    expect(await readAfter("EIO")).toEqual(["cached", "direct", "direct"]);
  });

  test("a folder in a file's place is no refusal", async () => {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16);
    await expect(files.read(folder, 0, pageMemory(BYTES))).rejects.toMatchObject({ code: "EISDIR" });
    await files.read(newFile(), 0, pageMemory(BYTES));
    files.clear();
    expect(port.reads).toEqual([`direct 0+${BYTES}`]);
  });
});

describe("the pace of a disk", () => {
  test("is that of its best reads: others waited for something else", () => {
    const pace = slowDisk();
    expect(pace.isFast).toBe(false);
    for (let read = 1; read < DIRECT_PACE_READS; read++) pace.add(1_000_000, 100);
    pace.add(1_000_000, 1);
    expect(pace.isFast).toBe(true);
  });

  test("is taken for fast until some reads are done", () => {
    const pace = new ReadPace();
    for (let read = 1; read < DIRECT_PACE_READS; read++) pace.add(1_000_000, 100);
    expect(pace.isFast).toBe(true);
    pace.add(1_000_000, 100);
    expect(pace.isFast).toBe(false);
  });
});
