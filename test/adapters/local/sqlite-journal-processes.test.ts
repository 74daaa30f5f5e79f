import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalId } from "#lib/util/branded.ts";
import { ChildScript } from "./children.ts";

/** Journals of each process. */
const LANES = 4;
const LINES_EACH = 300;
/** Far above what a turn takes, far below SQLite's own pauses under load and a process's patience with a lock. */
const TURN_MS_MAX = 2_000;
const NEVER = new AbortController().signal;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "journal-"));
  path = join(directory, "journal.sqlite");
});
afterEach(() => rm(directory, { recursive: true }));

/** An appending process and what it was answered, as `lane seq`. */
class Appender implements AsyncDisposable {
  readonly #name: string;
  readonly answered: string[] = [];
  longestMs = 0;
  readonly #script: ChildScript;

  /** Each to journals of its own, so that all of them can always append. */
  constructor(at: number) {
    this.#name = `appender ${at}`;
    this.#script = new ChildScript("sqlite-journal-appender.ts", [path, String(at * LANES)]);
  }

  /** Takes so many more answers. */
  async take(count: number): Promise<void> {
    for (let taken = 0; taken < count; taken++) {
      const began = performance.now();
      this.answered.push((await this.#script.line()) ?? expect.fail(`${this.#name} has ended`));
      if (this.answered.length > 1) this.longestMs = Math.max(this.longestMs, performance.now() - began);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#script.kill();
    // What it still said before it died; the last line may be cut.
    for (let line = await this.#script.line(); line !== undefined; line = await this.#script.line()) {
      if (/^\d \d+$/.test(line)) this.answered.push(line);
    }
  }
}

test("three processes append in turn, and one that is killed holds up nobody and loses nothing", async () => {
  const appenders = [new Appender(0), new Appender(1), new Appender(2)] as const;
  const [first, second, third] = appenders;
  await Promise.all(appenders.map((each) => each.take(LINES_EACH)));
  await first[Symbol.asyncDispose]();
  await Promise.all([second.take(LINES_EACH), third.take(LINES_EACH)]);
  await second[Symbol.asyncDispose]();
  await third.take(LINES_EACH);
  await third[Symbol.asyncDispose]();
  expect(Math.max(...appenders.map(({ longestMs }) => longestMs))).toBeLessThan(TURN_MS_MAX);
  await using journal = await SqliteJournal.open({ path, clock: new SystemClock() });
  const found = new Set<string>();
  for (let lane = 0; lane < LANES * appenders.length; lane++) {
    const all = { from: 1, recordsMax: 1e6, bytesMax: 1e9, consistency: "strong" } as const;
    const { records } = await journal.read(journalId(`log-${lane}`), all, NEVER);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, at) => at + 1));
    for (const { seq, bytes } of records) {
      expect(Buffer.from(bytes).toString().startsWith(`${lane}:${seq}:x`)).toBe(true);
      found.add(`${lane} ${seq}`);
    }
  }
  expect(appenders.flatMap(({ answered }) => answered.filter((line) => !found.has(line)))).toEqual([]);
});

test("what the write-ahead log grew to under a long reader is given back", async () => {
  await using journal = await SqliteJournal.open({ path, clock: new SystemClock() });
  const bytes = Buffer.alloc(200_000, 1);
  let seq = 0;
  // Its view of the file needs the log from there on.
  const reader = new DatabaseSync(path);
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM records").get();
  const append = async (count: number): Promise<void> => {
    const numbers = Array.from({ length: count }, () => ++seq);
    for (const number of numbers) await journal.append(journalId("log-0"), number, bytes, NEVER);
  };
  await append(250);
  const grown = (await stat(`${path}-wal`)).size;
  expect(grown).toBeGreaterThan(2 ** 25);
  reader.exec("COMMIT");
  reader.close();
  await append(130);
  expect((await stat(`${path}-wal`)).size).toBeLessThanOrEqual(2 ** 25);
});
