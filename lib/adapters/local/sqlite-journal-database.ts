import { statSync } from "node:fs";
import type { StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import { assert } from "#lib/util/assert.ts";
import { isBusy, toFailure, wrongFile } from "./sqlite-failure.ts";
import type {
  SqliteFailure,
  SqliteOperation,
  SqliteResult,
  StoredRecord,
  WorkerSettings,
} from "./sqlite-journal-protocol.ts";
import { pause, WriteTurns } from "./sqlite-write-turns.ts";

// The file: a SQLite database in WAL mode.
//
//   application_id  0x4d524a4c ("MRJL")      user_version  1
//   journals        id, name, trim_mark: the highest number that was trimmed; nothing is appended at or below it
//   records         key = journal id * 2^40 + seq, bytes
//
// One integer key keeps the records of a journal together and their bytes beside it: with records of 60 KB that commits
// a third more per second than a table WITHOUT ROWID, with small ones as many.

export const APPLICATION_ID = 0x4d524a4c;
export const SCHEMA_VERSION = 1;
export const SEQ_SPAN = 2 ** 40;
const JOURNAL_IDS_MAX = 2 ** 13;
/** Numbers deleted in one transaction, so that a long trim never makes a long one. */
const TRIM_STEP = 1_000;
/** The write-ahead log is brought into the file after so many pages, 16 MiB. */
const CHECKPOINT_PAGES = 4_096;

/** Twice what a checkpoint leaves behind while one process writes; the size is looked at after so many commits. */
const WAL_BYTES_MAX = 2 ** 25;
const WAL_LOOK_COMMITS = 64;
const WAL_RESTART_MS_MAX = 100;

const OPEN_ATTEMPTS_MAX = 5;
const OPEN_PAUSE_MS = 20;

const SCHEMA = `
  CREATE TABLE journals (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, trim_mark INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE records (key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

type Append = Extract<SqliteOperation, { readonly kind: "append" }>;
type Read = Extract<SqliteOperation, { readonly kind: "read" }>;

/** Thrown by the constructor: the file cannot be used. */
export class OpenFailure extends Error {
  override readonly name = "OpenFailure";
  readonly failure: SqliteFailure;

  constructor(failure: SqliteFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The file itself, by calls that wait for the disk: made for a thread of its own. */
export class SqliteJournalDatabase {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #turns: WriteTurns;
  readonly #ids = new Map<string, number>();
  #commits = 0;
  /** Which file was opened, as the operating system knows it. */
  readonly #inode: bigint;

  /** Opens or creates the file. Throws `OpenFailure`. */
  constructor(settings: WorkerSettings) {
    this.#path = settings.path;
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(settings.path, { timeout: settings.busyMsMax });
      prepareFileInTime(db, settings);
      if (settings.pagesMax !== undefined) db.exec(`PRAGMA max_page_count = ${settings.pagesMax}`);
      // From here on we wait ourselves.
      db.exec("PRAGMA busy_timeout = 0");
      this.#statements = prepareAll(db);
      this.#turns = new WriteTurns(db, settings.busyMsMax);
      this.#inode = inodeOf(settings.path);
      this.#db = db;
    } catch (error) {
      db?.close();
      throw error instanceof OpenFailure ? error : new OpenFailure(toFailure(error, settings.path));
    }
  }

  /** Appends in one transaction, hence with one wait for the disk; then everything else in order. */
  run(operations: readonly SqliteOperation[]): SqliteResult[] {
    const appends = operations.filter((operation) => operation.kind === "append");
    const appended = appends.length === 0 ? [] : this.#appendAll(appends);
    let appendsSeen = 0;
    return operations.map((operation) => {
      if (operation.kind === "append") return appended[appendsSeen++] ?? { kind: "done" };
      return this.#guard(() => this.#runOther(operation));
    });
  }

  close(): void {
    this.#db.close();
  }

  #appendAll(appends: readonly Append[]): readonly SqliteResult[] {
    try {
      // SQLite goes on writing to a file that has lost its name: what it answers then is gone with the process.
      if (inodeOf(this.#path) !== this.#inode) return appends.map(() => movedAway(this.#path));
      this.#turns.begin();
      const results = appends.map((append) => this.#append(append));
      this.#commit();
      return results;
    } catch (error) {
      this.#rollBack();
      const failure = toFailure(error, this.#path);
      return appends.map(() => failure);
    }
  }

  #append({ journal, seq, bytes }: Append): SqliteResult {
    assert(Number.isSafeInteger(seq) && seq >= 1 && seq < SEQ_SPAN, "a record's number is at least 1");
    const id = this.#idOf(journal) ?? this.#create(journal);
    const key = id * SEQ_SPAN + seq;
    // The trim mark is checked by the statement that inserts: no other process can come between.
    if (Number(this.#statements.append.run(key, bytes, id, seq).changes) === 1) return { kind: "appended" };
    const existing = this.#statements.get.get(key);
    return existing === undefined ? { kind: "trimmed" } : { kind: "conflict", existing: bytesOf(existing) };
  }

  #runOther(operation: Exclude<SqliteOperation, Append>): SqliteResult {
    const id = this.#idOf(operation.journal);
    if (id === undefined) {
      return operation.kind === "trim" ? { kind: "done" } : { kind: "page", records: [], isTruncated: false };
    }
    if (operation.kind === "read") return this.#turns.read(() => this.#read(id, operation));
    const last = this.#turns.read(() => this.#statements.last.get(id * SEQ_SPAN, (id + 1) * SEQ_SPAN));
    const records = last === undefined ? [] : [toRecord(last)];
    if (operation.kind === "last") return { kind: "page", records, isTruncated: false };
    this.#trim(id, Math.min(operation.upTo, (records[0]?.seq ?? 1) - 1));
    return { kind: "done" };
  }

  #read(id: number, { from, recordsMax, bytesMax }: Read): SqliteResult {
    const records: StoredRecord[] = [];
    let byteLength = 0;
    for (const row of this.#statements.read.iterate(id * SEQ_SPAN + Math.max(0, from), (id + 1) * SEQ_SPAN)) {
      const record = toRecord(row);
      byteLength += record.bytes.byteLength;
      if (records.length > 0 && (records.length >= recordsMax || byteLength > bytesMax)) {
        return { kind: "page", records, isTruncated: true };
      }
      records.push(record);
    }
    return { kind: "page", records, isTruncated: false };
  }

  #trim(id: number, upTo: number): void {
    for (;;) {
      const first = this.#statements.first.get(id * SEQ_SPAN, (id + 1) * SEQ_SPAN);
      const from = first === undefined ? upTo : seqOf(first);
      const step = Math.min(upTo, from + TRIM_STEP);
      this.#turns.begin();
      this.#statements.mark.run(step, id);
      this.#statements.remove.run(id * SEQ_SPAN, id * SEQ_SPAN + step);
      this.#commit();
      if (step >= upTo) return;
    }
  }

  #commit(): void {
    this.#db.exec("COMMIT");
    this.#turns.ended();
    if (++this.#commits % WAL_LOOK_COMMITS === 0) this.#beginWalAnew();
  }

  /**
   * Every commit of a long write-ahead log brings what it can into the file, but while other processes write all the
   * time there is no moment in which all of it is there, and the log only grows. This makes that moment.
   */
  #beginWalAnew(): void {
    const wal = statSync(`${this.#path}-wal`, { throwIfNoEntry: false });
    if (wal === undefined || wal.size <= WAL_BYTES_MAX) return;
    this.#turns.tryUntil(WAL_RESTART_MS_MAX, () => this.#statements.restart.get()?.["busy"] === 0);
  }

  #idOf(journal: string): number | undefined {
    const known = this.#ids.get(journal);
    if (known !== undefined) return known;
    const row = this.#turns.read(() => this.#statements.find.get(journal));
    if (row === undefined) return undefined;
    const id = Number(row["id"]);
    this.#ids.set(journal, id);
    return id;
  }

  #create(journal: string): number {
    const id = Number(this.#statements.create.run(journal).lastInsertRowid);
    assert(id < JOURNAL_IDS_MAX, "too many journals in one file");
    this.#ids.set(journal, id);
    return id;
  }

  #guard(work: () => SqliteResult): SqliteResult {
    try {
      return work();
    } catch (error) {
      this.#rollBack();
      return toFailure(error, this.#path);
    }
  }

  #rollBack(): void {
    // Journals created in the transaction are gone with it.
    this.#ids.clear();
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch {
      // The next transaction finds this one open, fails, and comes here again. An error would end the thread instead,
      // and with it every journal of the process.
    }
  }
}

function prepareFile(db: DatabaseSync, path: string): void {
  // In one transaction, for another process may be creating the tables just now.
  db.exec("BEGIN");
  checkIdentity(db, path);
  db.exec("COMMIT");
  db.exec("PRAGMA journal_mode = WAL");
  // FULL waits for the disk at every commit: an answered append survives a loss of power.
  db.exec("PRAGMA synchronous = FULL");
  // On macOS only these reach the disk itself, as Node's own syncs of files do; elsewhere they change nothing.
  db.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  // What it grew to for once is given back when it begins anew.
  db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`);
  db.exec("BEGIN IMMEDIATE");
  // Another process may have created the tables since the check.
  if (pragma(db, "user_version") === 0) db.exec(SCHEMA);
  db.exec("COMMIT");
}

/**
 * SQLite does not wait for a lock while another process turns the file to WAL mode, so two first starts at once may
 * get in each other's way for some milliseconds.
 */
function prepareFileInTime(db: DatabaseSync, { path, busyMsMax }: WorkerSettings): void {
  const beganMs = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      prepareFile(db, path);
      return;
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      // Where SQLite has waited, the lock is another one, and the time is over.
      if (performance.now() - beganMs >= busyMsMax) throw error;
      if (attempt >= OPEN_ATTEMPTS_MAX || error instanceof OpenFailure || !isBusy(error)) throw error;
      pause(OPEN_PAUSE_MS * attempt);
    }
  }
}

function checkIdentity(db: DatabaseSync, path: string): void {
  const application = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  const tables = db.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  // A process may have died between the file's creation and that of its tables.
  if (application === 0 && version === 0 && tables?.["count"] === 0) return;
  if (application !== APPLICATION_ID) {
    throw new OpenFailure(
      wrongFile(`${path} is another program's database: name another data directory, or move that file away`),
    );
  }
  if (version !== SCHEMA_VERSION) {
    throw new OpenFailure(
      wrongFile(
        `journal file ${path} has format ${version}, this version reads ${SCHEMA_VERSION}: run a newer version`,
      ),
    );
  }
}

/** 0 if nothing goes by that name. */
function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}

function movedAway(path: string): SqliteFailure {
  return wrongFile(`journal file ${path} was removed or replaced: put it back`);
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function prepareAll(db: DatabaseSync) {
  const all = {
    append: `INSERT INTO records (key, bytes) SELECT ?1, ?2
             WHERE ?4 > (SELECT trim_mark FROM journals WHERE id = ?3) ON CONFLICT DO NOTHING`,
    get: "SELECT key, bytes FROM records WHERE key = ?",
    read: "SELECT key, bytes FROM records WHERE key >= ? AND key < ? ORDER BY key",
    first: "SELECT key FROM records WHERE key >= ? AND key < ? ORDER BY key LIMIT 1",
    last: "SELECT key, bytes FROM records WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT 1",
    find: "SELECT id FROM journals WHERE name = ?",
    create: "INSERT INTO journals (name) VALUES (?)",
    mark: "UPDATE journals SET trim_mark = max(trim_mark, ?) WHERE id = ?",
    restart: "PRAGMA wal_checkpoint(RESTART)",
    remove: "DELETE FROM records WHERE key >= ? AND key <= ?",
  };
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    append: prepare(all.append),
    get: prepare(all.get),
    read: prepare(all.read),
    first: prepare(all.first),
    last: prepare(all.last),
    find: prepare(all.find),
    create: prepare(all.create),
    mark: prepare(all.mark),
    restart: prepare(all.restart),
    remove: prepare(all.remove),
  };
}

type Row = NonNullable<ReturnType<StatementSync["get"]>>;

function seqOf(row: Row): number {
  return Number(row["key"]) % SEQ_SPAN;
}

function bytesOf(row: Row): Uint8Array {
  const bytes = row["bytes"];
  assert(bytes instanceof Uint8Array, "a record's bytes are a blob");
  return bytes;
}

function toRecord(row: Row): StoredRecord {
  return { seq: seqOf(row), bytes: bytesOf(row) };
}
