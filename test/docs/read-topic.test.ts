import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { type CraftedBatch, dataBatch, emptyBatch, markerBatch } from "../storage/segments/crafted-batches.ts";
import { buildSegment, writeSegmentFiles } from "../storage/segments/segment-directory.ts";

// docs/readers/read_topic.py knows the open format alone: it reads what our code writes, and shares none of it.

const READER = fileURLToPath(new URL("../../docs/readers/read_topic.py", import.meta.url));
const T = 1_700_000_000_000;
const HOUR = 497_000;

const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) console.log("skipped: docs/readers/read_topic.py: no python3 on this machine");

const hasZstd =
  hasPython &&
  (spawnSync("zstd", ["--version"]).status === 0 ||
    ["from compression import zstd", "import zstandard"].some(
      (line) => spawnSync("python3", ["-c", line]).status === 0,
    ));

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "millrace-read-topic-"));
  roots.push(root);
  return root;
}

interface Attempt {
  readonly partitionIndex?: number;
  readonly uploadEpoch?: number;
  readonly attempt?: string;
  readonly writtenAtMs?: number;
  readonly topic?: string;
}

function write(root: string, batches: readonly CraftedBatch[], options: Attempt = {}): readonly string[] {
  const { topic = "orders", partitionIndex = 0, uploadEpoch = HOUR, attempt = "a", writtenAtMs = T } = options;
  const parts = { topic, partitionIndex, uploadEpoch, attemptId: attempt.repeat(32) };
  const paths = writeSegmentFiles(root, parts, buildSegment(batches, 200));
  for (const path of paths) utimesSync(path, writtenAtMs / 1000, writtenAtMs / 1000);
  return paths;
}

function read(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync("python3", [READER, ...args, "--topic", "orders"], { encoding: "utf8" });
  const records = stdout.split("\n").filter((line) => line !== "");
  return { status, stderr, records: records.map((line) => JSON.parse(line)) };
}

/** As our own reader sees them. */
function recordsOf(batches: readonly CraftedBatch[], partition = 0) {
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString());
  return batches.flatMap(({ bytes }) =>
    [...readRecords(bytes)].map(({ offset, timestampMs, key, value, headers }) => ({
      partition,
      offset,
      timestamp: timestampMs,
      key: text(key),
      value: text(value),
      headers: headers.map((header) => [header.key, text(header.value)]),
    })),
  );
}

function run(from: number, count: number, valueBytes = 20): readonly CraftedBatch[] {
  return Array.from({ length: count }, (_, index) =>
    dataBatch(from + 2 * index, { timestamps: [T + index, T], valueBytes }),
  );
}

/** Text that compresses well and badly, near and far: every kind of reference of a codec. */
function mixedBatch(baseOffset: number, codec: CompressionCodec): CraftedBatch {
  const random = createHash("sha512").update(codec).digest("base64");
  const words = Array.from({ length: 400 }, (_, index) => random.slice(index % 60, (index % 60) + 5 + (index % 23)));
  const long = `${words.join("")}${"=".repeat(5_000)}${random}${words.join("-")}`;
  return dataBatch(baseOffset, { timestamps: [T, T, T], codec, text: `${long}${"x".repeat(70_000)}${long}` });
}

describe.skipIf(!hasPython)("a reader that shares no code with us", () => {
  test("reads every record of every partition, from segments of all kinds", () => {
    const root = newRoot();
    const first = [
      ...run(0, 20),
      emptyBatch(40, 5, T),
      dataBatch(45, { timestamps: [T, T + 1], codec: "gzip", valueBytes: 300 }),
    ];
    const second = [
      dataBatch(47, { timestamps: [T], producerId: 7 }),
      markerBatch(48, { kind: "commit", producerId: 7, timestampMs: T }),
      dataBatch(49, { timestamps: [T, T], logAppendTimeMs: T + 9 }),
      dataBatch(60, { timestamps: [T], missing: 3 }),
    ];
    write(root, first);
    write(root, second);
    write(root, run(2 ** 40, 3), { partitionIndex: 11 });
    write(root, run(0, 3), { topic: "orders-11" });
    const { status, records } = read(root, "--verify");
    expect(status).toBe(0);
    const [marker] = second.splice(1, 1);
    expect(marker).toBeDefined();
    expect(records).toEqual([...recordsOf([...first, ...second]), ...recordsOf(run(2 ** 40, 3), 11)]);
  });

  test("decompresses gzip, snappy and lz4", () => {
    const root = newRoot();
    const batches = (["gzip", "snappy", "lz4"] as const).flatMap((codec, index) => [
      dataBatch(4 * index, { timestamps: [T], codec, valueBytes: 0 }),
      mixedBatch(4 * index + 1, codec),
    ]);
    write(root, batches);
    const { status, stderr, records } = read(root);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(records).toEqual(recordsOf(batches));
  });

  test.skipIf(!hasZstd)("decompresses zstd by what the machine has for it", () => {
    const root = newRoot();
    const batches = [dataBatch(0, { timestamps: [T], codec: "zstd", valueBytes: 0 }), mixedBatch(1, "zstd")];
    write(root, batches);
    const { status, stderr, records } = read(root);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(records).toEqual(recordsOf(batches));
  });

  test("begins at an offset, and finds it by the index", () => {
    const root = newRoot();
    const [log = ""] = write(root, run(100, 50));
    expect(read(log, "--from", "171").records).toEqual(recordsOf(run(100, 50)).slice(71));
    // What the index leads past is not read: a byte changed there does not matter.
    const bytes = readFileSync(log);
    bytes.writeUInt8(9, 16);
    writeFileSync(log, bytes);
    expect(read(log, "--from", "171")).toMatchObject({ status: 0, records: { length: 29 } });
    expect(read(log)).toMatchObject({ status: 1, stderr: expect.stringContaining("no record batch at position 0") });
  });

  test("takes each offset from the newest attempt that covers it", () => {
    const root = newRoot();
    const old = [write(root, run(0, 10)), write(root, run(20, 10))];
    write(root, run(40, 5), { attempt: "b" });
    const merged = [dataBatch(4, { timestamps: [T + 77], missing: 30 }), ...run(36, 2)];
    write(root, merged, { attempt: "c", writtenAtMs: T + 5_000 });
    const newest = recordsOf([...run(0, 2), ...merged, ...run(40, 5)]);
    expect(read(root).records).toEqual(newest);
    write(root, run(0, 2, 33), { attempt: "d", uploadEpoch: HOUR + 1, writtenAtMs: T - 9_000 });
    expect(read(root).records).toEqual([...recordsOf(run(0, 2, 33)), ...newest.slice(4)]);
    const live = join(root, "live.json");
    const key = (path = "") => path.slice(path.indexOf("segments/"));
    writeFileSync(live, JSON.stringify(old.map(([log]) => ({ key: key(log) }))));
    expect(read(root, "--live", live).records).toEqual(recordsOf([...run(0, 10), ...run(20, 10)]));
  });

  test("says which offsets no segment has", () => {
    const root = newRoot();
    write(root, run(0, 2));
    write(root, run(10, 2));
    const { records, stderr } = read(root);
    expect(records).toHaveLength(8);
    expect(stderr).toContain("partition 0: no segment has offsets 4 to 9");
  });

  test("says what it cannot read, and what is damaged", () => {
    const unknown = newRoot();
    const [strange = ""] = write(unknown, [dataBatch(3, { timestamps: [T] })]);
    const codec7 = readFileSync(strange);
    codec7.writeUInt16BE(7, 21);
    writeFileSync(strange, codec7);
    expect(read(unknown)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("offset 3 is compressed with codec 7, which does not exist"),
    });
    const cut = newRoot();
    const [log = ""] = write(cut, run(0, 20));
    writeFileSync(log, readFileSync(log).subarray(0, -1));
    expect(read(cut)).toMatchObject({ status: 1, stderr: expect.stringContaining("cut short at position") });
    const changed = newRoot();
    const [other = ""] = write(changed, run(0, 20));
    const bytes = readFileSync(other);
    bytes.writeUInt8(bytes.readUInt8(75) ^ 1, 75);
    writeFileSync(other, bytes);
    expect(read(changed, "--verify").stderr).toContain("wrong checksum of the batch at position 0");
    expect(read(newRoot())).toMatchObject({ status: 1, stderr: expect.stringContaining("no segments of orders") });
  });
});
