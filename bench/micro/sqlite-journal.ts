import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalId } from "#lib/util/branded.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";

const NEVER = new AbortController().signal;
const RECORD_BYTES = [300, 8_192];
const JOURNALS = [1, 12];

/** Appends to journals, beside an insert and a commit of the same bytes on this thread without any question. */
export const sqliteJournalSuite: BenchSuite = {
  name: "sqlite-journal",
  what: "journal appends by the number of journals at once, beside bare commits, one for each record",
  async run({ isSmall, repeats, wants }) {
    const measured: Measured[] = [];
    for (const byteLength of RECORD_BYTES) {
      for (const journals of JOURNALS) {
        const name = `append ${byteLength} bytes, ${journals === 1 ? "1 journal" : `${journals} journals at once`}; a bare commit`;
        if (!wants(name)) continue;
        const how = { count: isSmall ? 120 : 6_000, repeats, byteLength, journals };
        const ours = await inDirectory((directory) => timeJournal(directory, how));
        const reference = await inDirectory((directory) => timeCommits(directory, how));
        measured.push({ name, unit: "us", better: "lower", ours, reference });
      }
    }
    return measured;
  },
};

interface How {
  readonly count: number;
  readonly repeats: number;
  readonly byteLength: number;
  readonly journals: number;
}

async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "millrace-bench-journal-"));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function timeJournal(directory: string, how: How): Promise<readonly number[]> {
  await using journal = await SqliteJournal.open({ path: join(directory, "journal.db"), clock: new SystemClock() });
  const bytes = Buffer.alloc(how.byteLength, 1);
  const lastSeqs = new Array<number>(how.journals).fill(0);
  return await microsPerOperation(how, async (count) => {
    const lanes = lastSeqs.map(async (_, index) => {
      const id = journalId(`log-${index}`);
      for (let left = Math.ceil(count / how.journals); left > 0; left--) {
        const seq = (lastSeqs[index] ?? 0) + 1;
        lastSeqs[index] = seq;
        await journal.append(id, seq, bytes, NEVER);
      }
    });
    await Promise.all(lanes);
  });
}

async function timeCommits(directory: string, how: How): Promise<readonly number[]> {
  const database = new DatabaseSync(join(directory, "bare.db"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE records (bytes BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO records VALUES (?)");
  const bytes = Buffer.alloc(how.byteLength, 1);
  try {
    return await microsPerOperation(how, (count) => {
      for (let left = count; left > 0; left--) insert.run(bytes);
    });
  } finally {
    database.close();
  }
}
