import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { walProblem } from "#lib/adapters/local/sqlite-wal-check.ts";

const HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;

/** The write-ahead log of a database with a few commits, none of them in the file itself yet. */
function writtenWal(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "millrace-wal-"));
  const db = new DatabaseSync(join(folder, "db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (b BLOB)");
  for (let n = 0; n < 4; n++) db.prepare("INSERT INTO t VALUES (?)").run(Buffer.alloc(5_000, n));
  const bytes = readFileSync(join(folder, "db-wal"));
  db.close();
  rmSync(folder, { recursive: true });
  return bytes;
}

const wal = writtenWal();

function problemOf(bytes: Buffer): Promise<string | undefined> {
  return walProblem(bytes.byteLength, async (position, byteLength) => bytes.subarray(position, position + byteLength));
}

function flipped(at: number): Buffer {
  const bytes = Buffer.from(wal);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

test("a whole log has no problem, nor one that ends within a frame", async () => {
  expect(wal.byteLength).toBeGreaterThan(HEADER_BYTES + 4 * FRAME_BYTES);
  expect(await problemOf(wal)).toBeUndefined();
  expect(await problemOf(wal.subarray(0, wal.byteLength - 100))).toBeUndefined();
  expect(await problemOf(Buffer.alloc(0))).toBeUndefined();
});

test("a flipped byte of the header is found", async () => {
  for (const at of [0, 5, 10, 17, 24, 31]) expect(await problemOf(flipped(at)), `byte ${at}`).toContain("header");
});

test("a flipped byte of a frame is found", async () => {
  for (let at = HEADER_BYTES; at < wal.byteLength; at += 397) {
    const isInSalt = (at - HEADER_BYTES) % FRAME_BYTES >= 8 && (at - HEADER_BYTES) % FRAME_BYTES < 16;
    if (!isInSalt) expect(await problemOf(flipped(at)), `byte ${at}`).toMatch(/damaged/);
  }
  // Another salt makes a frame one of an earlier run, which is told if whole ones follow.
  expect(await problemOf(flipped(HEADER_BYTES + 9))).toContain("is damaged");
});

test("frames that an earlier run has left behind are none", async () => {
  const leftovers = Buffer.from(wal);
  for (let at = HEADER_BYTES + 3 * FRAME_BYTES; at < wal.byteLength; at += FRAME_BYTES) leftovers[at + 9] = 77;
  expect(await problemOf(leftovers)).toBeUndefined();
});

test("frames of a commit that a crash has cut short are none", async () => {
  const leftovers = Buffer.from(wal);
  // The run's last frames without the mark of a commit, and the first of them overwritten since.
  for (let at = HEADER_BYTES + 3 * FRAME_BYTES; at < wal.byteLength; at += FRAME_BYTES)
    leftovers.fill(0, at + 4, at + 8);
  leftovers.fill(7, HEADER_BYTES + 3 * FRAME_BYTES + 24, HEADER_BYTES + 3 * FRAME_BYTES + 90);
  expect(await problemOf(leftovers)).toBeUndefined();
});
