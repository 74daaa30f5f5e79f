import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { JournalPage, JournalRecord, ReadOptions } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { type JournalId, journalId } from "#lib/util/branded.ts";
import { SQLITE_BUSY_MS_MAX } from "#lib/util/limits.ts";
import { toFailure } from "./sqlite-failure.ts";
import { APPLICATION_ID, SCHEMA_VERSION, SEQ_SPAN } from "./sqlite-journal-database.ts";
import { JournalFileError } from "./sqlite-journal-protocol.ts";

export interface SqliteJournalSummary {
  readonly journal: JournalId;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly records: number;
  readonly bytes: number;
  readonly trimMark: number;
}

/**
 * A journal file, read only and beside a broker that may be writing it; waits for the disk in this thread. Trusts the
 * file in nothing: every failure of SQLite is a `JournalFileError`.
 */
export class SqliteJournalReader implements Disposable {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #db: DatabaseSync;

  /** Fails with `JournalFileError` if the file is missing or not a journal file. */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#db = this.#guard(() => openReadOnly(path));
    const problem = this.#guard(() => identityProblem(this.#db));
    if (problem === undefined) return;
    this.#db.close();
    throw new JournalFileError(`${path} ${problem}`);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  async list(): Promise<readonly JournalId[]> {
    return this.#guard(() => this.#rows("SELECT name FROM journals ORDER BY id")).map((row) =>
      journalId(String(row["name"])),
    );
  }

  /** Reads every record's size: takes as long as the file is large. */
  summaries(): readonly SqliteJournalSummary[] {
    const sql = `SELECT name, trim_mark, count(key) AS records, total(length(bytes)) AS bytes,
        min(key) - id * ${SEQ_SPAN} AS first, max(key) - id * ${SEQ_SPAN} AS last
      FROM journals LEFT JOIN records ON key >= id * ${SEQ_SPAN} AND key < (id + 1) * ${SEQ_SPAN}
      GROUP BY id ORDER BY name`;
    return this.#guard(() => this.#rows(sql)).map((row) => ({
      journal: journalId(String(row["name"])),
      firstSeq: Number(row["first"] ?? 0),
      lastSeq: Number(row["last"] ?? 0),
      records: Number(row["records"]),
      bytes: Number(row["bytes"]),
      trimMark: Number(row["trim_mark"]),
    }));
  }

  async read(journal: JournalId, options: ReadOptions): Promise<JournalPage> {
    const times = { servedAtMs: this.#clock.nowMs(), signedAtMs: this.#clock.nowMs() };
    return this.#guard(() => ({ ...this.#page(journal, options), ...times }));
  }

  /** What SQLite itself and the file's own rules find wrong, a text each. */
  problems(): readonly string[] {
    const checks = [() => this.#integrity(), () => this.#strayKeys(), () => this.#trimMarks()];
    return checks.flatMap((check) => {
      try {
        return check();
      } catch (error) {
        return [toFailure(error, this.#path).message];
      }
    });
  }

  #page(journal: JournalId, { from, recordsMax, bytesMax }: ReadOptions) {
    const records: JournalRecord[] = [];
    const id = Number(this.#db.prepare("SELECT id FROM journals WHERE name = ?").get(journal)?.["id"] ?? -1);
    if (id < 0) return { records, isTruncated: false };
    const sql = "SELECT key, bytes FROM records WHERE key >= ? AND key < ? ORDER BY key";
    let byteLength = 0;
    for (const row of this.#db.prepare(sql).iterate(id * SEQ_SPAN + Math.max(0, from), (id + 1) * SEQ_SPAN)) {
      // Damage may turn a blob into another type; no bytes are no record either.
      const bytes = row["bytes"] instanceof Uint8Array ? row["bytes"] : new Uint8Array(0);
      byteLength += bytes.byteLength;
      if (records.length > 0 && (records.length >= recordsMax || byteLength > bytesMax)) {
        return { records, isTruncated: true };
      }
      records.push({ seq: Number(row["key"]) % SEQ_SPAN, bytes });
    }
    return { records, isTruncated: false };
  }

  #integrity(): readonly string[] {
    const found = this.#rows("PRAGMA integrity_check").map((row) => String(row["integrity_check"]));
    return found.length === 1 && found[0] === "ok" ? [] : found;
  }

  #strayKeys(): readonly string[] {
    const sql = `SELECT count(*) AS strays FROM records WHERE key / ${SEQ_SPAN} NOT IN (SELECT id FROM journals)`;
    const strays = Number(this.#rows(sql)[0]?.["strays"]);
    return strays === 0 ? [] : [`${strays} records belong to no journal`];
  }

  /** Trimming takes whole runs and never the newest record, so what is left begins right behind the mark. */
  #trimMarks(): readonly string[] {
    const sql = `SELECT name, trim_mark AS mark,
        (SELECT min(key) FROM records WHERE key >= id * ${SEQ_SPAN} AND key < (id + 1) * ${SEQ_SPAN}) - id * ${SEQ_SPAN} AS first
      FROM journals`;
    return this.#rows(sql).flatMap(({ name, mark, first }) => {
      const isDense = !String(name).endsWith("/snapshots");
      const fits = first === null ? mark === 0 : isDense ? mark === Number(first) - 1 : Number(mark) < Number(first);
      return fits ? [] : [`journal ${name} is trimmed up to ${mark}, and its first record is ${first ?? "missing"}`];
    });
  }

  #rows(sql: string) {
    return this.#db.prepare(sql).all();
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new JournalFileError(toFailure(cause, this.#path).message, { cause });
    }
  }
}

function openReadOnly(path: string): DatabaseSync {
  const options = { readOnly: true, timeout: SQLITE_BUSY_MS_MAX };
  const db = new DatabaseSync(path, options);
  try {
    db.prepare("PRAGMA schema_version").get();
    return db;
  } catch (error) {
    db.close();
    // In a read-only folder SQLite cannot make the file that readers and writers share; then nobody writes, either.
    const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
    if (code !== SQLITE_READONLY && code !== SQLITE_CANTOPEN) throw error;
    return new DatabaseSync(new URL("?immutable=1", pathToFileURL(path)), options);
  }
}

const SQLITE_READONLY = 8;
const SQLITE_CANTOPEN = 14;

function identityProblem(db: DatabaseSync): string | undefined {
  const application = Number(db.prepare("PRAGMA application_id").get()?.["application_id"]);
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (application !== APPLICATION_ID) return "is not a journal file: its application id is another one";
  if (version !== SCHEMA_VERSION) return `has format ${version}, this version reads ${SCHEMA_VERSION}`;
  return undefined;
}
