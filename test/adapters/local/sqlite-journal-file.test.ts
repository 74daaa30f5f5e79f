import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { JournalFileError } from "#lib/adapters/local/sqlite-journal-protocol.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { journalId } from "#lib/util/branded.ts";

const NEVER = new AbortController().signal;
const clock = new SystemClock();
const LOG = journalId("log-0");
const ALL = { from: 1, recordsMax: 100_000, bytesMax: 1e9, consistency: "strong" } as const;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-"));
  path = join(directory, "journals.db");
});
afterEach(() => rm(directory, { recursive: true }));

describe("a journal file", () => {
  test("keeps its records when it is closed and opened again", async () => {
    const first = await SqliteJournal.open({ path, clock });
    await first.append(LOG, 1, Buffer.from("one"), NEVER);
    await first.close();
    await using second = await SqliteJournal.open({ path, clock });
    const [record] = (await second.read(LOG, ALL, NEVER)).records;
    expect(Buffer.from(record?.bytes ?? []).toString()).toBe("one");
  });

  test("is created once by many that open it at once", async () => {
    for (let round = 0; round < 3; round++) {
      const file = `${path}-${round}`;
      const all = await Promise.all([1, 2, 3, 4].map(() => SqliteJournal.open({ path: file, clock })));
      const results = await Promise.all(all.map((journal) => journal.append(LOG, 1, Buffer.from("one"), NEVER)));
      expect(results.filter((result) => result.kind === "appended")).toHaveLength(1);
      await Promise.all(all.map((journal) => journal.close()));
    }
  });

  test("that is no database is refused with what to do", async () => {
    await writeFile(path, "this is a text file, and long enough to look like something\n".repeat(100));
    const opening = SqliteJournal.open({ path, clock });
    await expect(opening).rejects.toThrow(JournalFileError);
    await expect(opening).rejects.toThrow(/is not a journal file.*restore the file from a backup/);
    expect(await readFile(path, "utf8")).toContain("this is a text file");
  });

  test("of another program is refused and left alone", async () => {
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE notes (text TEXT)");
    foreign.close();
    const before = await readFile(path);
    const opening = SqliteJournal.open({ path, clock });
    await expect(opening).rejects.toThrow(JournalFileError);
    await expect(opening).rejects.toThrow(/another program's database/);
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
  });

  test("of a newer version is refused", async () => {
    await (await SqliteJournal.open({ path, clock })).close();
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 2");
    newer.close();
    await expect(SqliteJournal.open({ path, clock })).rejects.toThrow(/has format 2.*run a newer version/);
  });

  test("in a directory that does not exist is refused", async () => {
    const opening = SqliteJournal.open({ path: join(directory, "missing", "journals.db"), clock });
    await expect(opening).rejects.toThrow(JournalFileError);
    await expect(opening).rejects.toThrow(/cannot be opened/);
  });

  test("whose pages are damaged fails its readers with what to do", async () => {
    const journal = await SqliteJournal.open({ path, clock });
    const bytes = Buffer.alloc(3_000, 1);
    await Promise.all(Array.from({ length: 200 }, (_, index) => journal.append(LOG, index + 1, bytes, NEVER)));
    await journal.close();
    const file = await open(path, "r+");
    await file.write(Buffer.alloc(100_000, 0xa5), 0, 100_000, 4_096 * 3);
    await file.close();
    const readAll = async () => {
      await using damaged = await SqliteJournal.open({ path, clock });
      return (await damaged.read(LOG, ALL, NEVER)).records.length;
    };
    await expect(readAll()).rejects.toThrow(JournalFileError);
    await expect(readAll()).rejects.toThrow(/is damaged/);
  });

  test("cut short is not taken for an empty one", async () => {
    const journal = await SqliteJournal.open({ path, clock });
    await Promise.all(Array.from({ length: 50 }, (_, i) => journal.append(LOG, i + 1, Buffer.alloc(3_000), NEVER)));
    await journal.close();
    await truncate(path, 4_096 * 4);
    const readAll = async () => {
      await using damaged = await SqliteJournal.open({ path, clock });
      return (await damaged.read(LOG, ALL, NEVER)).records.length;
    };
    await expect(readAll()).rejects.toThrow(JournalFileError);
  });

  test("locked by another process is unavailable, and usable when the lock is gone", async () => {
    await using journal = await SqliteJournal.open({ path, clock, busyMsMax: 50 });
    await journal.append(LOG, 1, Buffer.from("one"), NEVER);
    const holder = new DatabaseSync(path);
    holder.exec("BEGIN IMMEDIATE");
    const blocked = journal.append(LOG, 2, Buffer.from("two"), NEVER);
    await expect(blocked).rejects.toThrow(JournalUnavailableError);
    await expect(blocked).rejects.toThrow(/locked by another process/);
    holder.exec("ROLLBACK");
    holder.close();
    expect((await journal.append(LOG, 2, Buffer.from("two"), NEVER)).kind).toBe("appended");
  });

  test("without room refuses appends clearly, goes on reading, and recovers when there is room", async () => {
    const small = await SqliteJournal.open({ path, clock, pagesMax: 40 });
    const bytes = Buffer.alloc(20_000, 7);
    let seq = 0;
    const fill = async () => {
      while (seq < 1_000) {
        await small.append(LOG, seq + 1, bytes, NEVER);
        seq++;
      }
    };
    await expect(fill()).rejects.toThrow(/no room for the journal file/);
    await expect(small.append(LOG, seq + 1, bytes, NEVER)).rejects.toThrow(JournalUnavailableError);
    expect(seq).toBeGreaterThan(0);
    expect((await small.read(LOG, ALL, NEVER)).records).toHaveLength(seq);
    // A journal whose very first record found no room begins cleanly afterwards.
    const fresh = journalId("log-1");
    await expect(small.append(fresh, 1, bytes, NEVER)).rejects.toThrow(JournalUnavailableError);
    await small.trim(LOG, seq - 1, NEVER);
    expect((await small.append(LOG, seq + 1, bytes, NEVER)).kind).toBe("appended");
    expect((await small.append(fresh, 1, bytes, NEVER)).kind).toBe("appended");
    await small.close();
  });

  test("removed under a running process is not written on in secret", async () => {
    const journal = await SqliteJournal.open({ path, clock });
    await journal.append(LOG, 1, Buffer.from("one"), NEVER);
    await rename(path, `${path}.away`);
    const lost = journal.append(LOG, 2, Buffer.from("two"), NEVER);
    await expect(lost).rejects.toThrow(JournalFileError);
    await expect(lost).rejects.toThrow(/was removed or replaced: put it back/);
    await rename(`${path}.away`, path);
    expect((await journal.append(LOG, 2, Buffer.from("two"), NEVER)).kind).toBe("appended");
    await journal.close();
  });

  test("closed refuses further calls", async () => {
    const journal = await SqliteJournal.open({ path, clock });
    await journal.close();
    await journal.close();
    await expect(journal.last(LOG, NEVER)).rejects.toThrow(JournalUnavailableError);
  });

  test("an append given up before it was sent never happens", async () => {
    await using journal = await SqliteJournal.open({ path, clock });
    const controller = new AbortController();
    const given = journal.append(LOG, 1, Buffer.from("one"), controller.signal);
    controller.abort(new Error("gone"));
    await expect(given).rejects.toThrow("gone");
    expect((await journal.last(LOG, NEVER)).records).toEqual([]);
  });
});

describe("a process killed while it appends", () => {
  test("loses nothing that it was answered, and the file opens again at once", async () => {
    const answered = await runAndKill(path, 400);
    await using journal = await SqliteJournal.open({ path, clock });
    for (const lane of [0, 1, 2, 3]) {
      const page = await journal.read(journalId(`log-${lane}`), ALL, NEVER);
      const last = answered.get(lane) ?? 0;
      expect(last).toBeGreaterThan(0);
      expect(page.records.length).toBeGreaterThanOrEqual(last);
      for (const [index, record] of page.records.entries()) {
        expect(record.seq).toBe(index + 1);
        expect(
          Buffer.from(record.bytes)
            .toString()
            .startsWith(`${lane}:${index + 1}:x`),
        ).toBe(true);
      }
    }
  });
});

/** The last number printed a journal. The kill comes while appends are under way. */
async function runAndKill(file: string, lines: number): Promise<ReadonlyMap<number, number>> {
  const script = fileURLToPath(new URL("./sqlite-journal-appender.ts", import.meta.url));
  const child = spawn(process.execPath, [script, file], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
    if (output.split("\n").length > lines) child.kill("SIGKILL");
  });
  await once(child, "close");
  const answered = new Map<number, number>();
  // The last line may be cut.
  for (const line of output.split("\n").slice(0, -1)) {
    const [lane = 0, seq = 0] = line.split(" ").map(Number);
    answered.set(lane, seq);
  }
  return answered;
}
