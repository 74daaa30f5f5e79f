import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Embedded } from "./embedded.ts";
import { batchOf, createTopic, produce } from "./kafka-calls.ts";
import { refusal, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const JOURNAL = "journal.sqlite";
const TEXT = "a record to be found again in the file";
let original: TemporaryDirectory;

/** One data directory with a few records, of which each test takes the journal file and the store's marker. */
beforeAll(async () => {
  original = new TemporaryDirectory();
  await using broker = await Embedded.start(original.path);
  await using connection = await broker.connect();
  await createTopic(connection, "t");
  for (let count = 0; count < 5; count++) await produce(connection, { topic: "t" }, batchOf([TEXT]));
});

afterAll(() => original[Symbol.dispose]());

class Copy extends TemporaryDirectory {
  readonly journal = this.file(JOURNAL);

  constructor() {
    super();
    copyFileSync(original.file(JOURNAL), this.journal);
    mkdirSync(this.file("store-0"));
    for (const name of readdirSync(original.file("store-0"))) {
      const from = original.file("store-0", name);
      if (statSync(from).isFile()) copyFileSync(from, this.file("store-0", name));
    }
  }

  /** Names and contents of all but the lock, which is the running process's. */
  contents(): readonly string[] {
    return readdirSync(this.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith("broker-0."))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => `${path} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`);
  }

  /** The text of a refusal that has changed nothing. */
  async refused(): Promise<string> {
    const before = this.contents();
    const text = await Embedded.start(this.path).then(
      () => "it started",
      (error: Error) => error.message,
    );
    expect(text).toContain(this.journal);
    expect(this.contents()).toEqual(before);
    return text;
  }
}

test.concurrent("a journal file that cannot be used is told in one line, exit status 1", async () => {
  using copy = new Copy();
  writeFileSync(copy.journal, "no database");
  const { code, stdout, stderr } = await refusal({ dataDir: copy.path });
  expect([code, stdout]).toEqual([1, ""]);
  const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  expect(lines).toEqual([expect.stringMatching(/^millrace: cannot start: .*is not a journal file.*from a backup$/)]);
});

test.concurrent("garbage in place of the journal file is refused, and it says what to do", async () => {
  using copy = new Copy();
  writeFileSync(copy.journal, Buffer.alloc(statSync(copy.journal).size, 0xa5));
  expect(await copy.refused()).toMatch(/is not a journal file.*restore the file from a backup/);
});

test.concurrent("a journal file that ends too early is refused, and it says what to do", async () => {
  using copy = new Copy();
  writeFileSync(copy.journal, readFileSync(copy.journal).subarray(0, 6_000));
  expect(await copy.refused()).toMatch(/damaged.*restore it from a backup/);
});

test.concurrent("a flipped byte within a record is found before the broker is ready", async () => {
  using copy = new Copy();
  const bytes = readFileSync(copy.journal);
  const at = bytes.lastIndexOf(TEXT);
  expect(at).toBeGreaterThan(0);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x01, at);
  writeFileSync(copy.journal, bytes);
  const { code, stdout, stderr } = await refusal({ dataDir: copy.path });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/journal log-\d+: record \d+/);
  expect(stderr).toMatch(/millrace doctor --data-dir .* restore .* from a backup/);
});

test.concurrent("a journal file of a newer format is refused, and it says what to do", async () => {
  using copy = new Copy();
  const database = new DatabaseSync(copy.journal);
  database.exec("PRAGMA user_version = 2");
  database.close();
  expect(await copy.refused()).toMatch(/has format 2, this version reads 1: run a newer version/);
});

test.concurrent("another program's database is left alone", async () => {
  using copy = new Copy();
  const database = new DatabaseSync(copy.journal);
  database.exec("PRAGMA application_id = 7");
  database.close();
  expect(await copy.refused()).toMatch(/is another program's database: name another data directory/);
});

test.concurrent("a journal file that another process keeps locked is refused, and it says so", async () => {
  using copy = new Copy();
  const holder = `
    const { DatabaseSync } = require("node:sqlite");
    const database = new DatabaseSync(process.argv[1]);
    database.exec("BEGIN EXCLUSIVE");
    console.log("ready kafka=locked");
    setInterval(() => {}, 1000);`;
  await using locker = new ServeProcess([process.execPath, "-e", holder, copy.journal]);
  await locker.ready();
  const { code, stdout, stderr } = await refusal({ dataDir: copy.path });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`journal file ${copy.journal} is locked by another process`);
  expect(stderr).toContain("stop that process");
});
