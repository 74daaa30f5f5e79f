import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { OpenFile } from "#lib/adapters/local/file-port.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import { ObjectFiles } from "#lib/adapters/local/object-files.ts";
import { ReadPace } from "#lib/adapters/local/read-pace.ts";
import { DIRECT_PACE_BYTES, DIRECT_READ_BYTES_MIN, MEMORY_PAGE_BYTES } from "#lib/util/limits.ts";
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
  pace.begin(0);
  pace.end(DIRECT_PACE_BYTES, 60_000);
  return pace;
}

/** The host's files, and how each read of them went. */
class NotedFiles extends NodeFilePort {
  readonly reads: string[] = [];
  /** Fails reads past the cache, as devices with larger pages do. */
  isRefusing = false;
  /** Reads past the cache give no more at once. */
  directBytesMax = Number.POSITIVE_INFINITY;

  override async open(path: string, isDirect = false): Promise<OpenFile> {
    const file = await super.open(path, isDirect);
    return {
      read: async (target, position) => {
        if (isDirect && this.isRefusing) throw Object.assign(new Error("refused"), { code: "EINVAL" });
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
  async function readTwice(pace: ReadPace, byteLength = DIRECT_READ_BYTES_MIN): Promise<readonly string[]> {
    const port = new NotedFiles();
    const files = new ObjectFiles(port, 16, pace);
    const path = newFile();
    await files.read(path, 0, pageMemory(byteLength));
    await files.read(path, 0, pageMemory(byteLength));
    files.clear();
    return port.reads;
  }

  test("what is read for the first time comes past it, and again as long as the disk is fast", async () => {
    const read = `0+${DIRECT_READ_BYTES_MIN}`;
    expect(await readTwice(new ReadPace())).toEqual([`direct ${read}`, `direct ${read}`]);
    expect(await readTwice(slowDisk())).toEqual([`direct ${read}`, `cached ${read}`]);
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

  test("what a read past it leaves missing comes through it", async () => {
    const port = new NotedFiles();
    port.directBytesMax = MEMORY_PAGE_BYTES;
    const files = new ObjectFiles(port, 16);
    const target = pageMemory(BYTES);
    expect(await files.read(newFile(), 0, target)).toBe(BYTES);
    expect(target.equals(content)).toBe(true);
    expect(port.reads).toEqual([
      `direct 0+${MEMORY_PAGE_BYTES}`,
      `cached ${MEMORY_PAGE_BYTES}+${BYTES - MEMORY_PAGE_BYTES}`,
    ]);
    files.clear();
  });

  test("after a refusal it is not tried again", async () => {
    const port = new NotedFiles();
    port.isRefusing = true;
    const files = new ObjectFiles(port, 16);
    const path = newFile();
    await files.read(path, 0, pageMemory(DIRECT_READ_BYTES_MIN));
    port.isRefusing = false;
    await files.read(path, DIRECT_READ_BYTES_MIN, pageMemory(DIRECT_READ_BYTES_MIN));
    files.clear();
    expect(port.reads.map((read) => read.split(" ")[0])).toEqual(["cached", "cached"]);
  });
});

describe("the pace of a disk", () => {
  test("counts the time in which it was asked for anything, however many reads were under way", () => {
    const pace = new ReadPace();
    // Two at once, and then a long rest.
    pace.begin(0);
    pace.begin(0);
    pace.end(DIRECT_PACE_BYTES / 2, 60);
    pace.end(DIRECT_PACE_BYTES / 4, 60);
    pace.begin(60_000);
    pace.end(DIRECT_PACE_BYTES / 4, 60_030);
    expect(pace.isFast).toBe(true);
  });

  test("is forgotten when a new one is known", () => {
    const pace = slowDisk();
    expect(pace.isFast).toBe(false);
    pace.begin(70_000);
    pace.end(DIRECT_PACE_BYTES, 70_050);
    expect(pace.isFast).toBe(true);
  });
});
