import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BrokerId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { makeDataDirectory } from "./data-directory.ts";

// One process per name and data directory: `broker-<id>`, or `run-<n>` for a worker that somebody runs by hand. The lock is an exclusive transaction on a small SQLite file, which is a
// lock of the operating system on that file: it ends with the process however it dies, so a restart after kill -9 need
// not wait or guess. Beside it lies the holder's process id, for the error message only.
//
//   <data directory>/<name>.lock   the SQLite file; empty, and it stays there
//   <data directory>/<name>.pid    the holder's process id in decimal digits and a line feed

export class LockedError extends LogError {
  override readonly name = "LockedError";
  override readonly kind = "conflict";
  readonly path: string;
  /** The holder's, as far as it is known. */
  readonly pid: number | undefined;

  constructor(path: string, pid: number | undefined) {
    const holder = pid === undefined ? "another process" : `process ${pid}`;
    super(`${path} is held by ${holder}: stop it first, or use another broker id or data directory`);
    this.path = path;
    this.pid = pid;
  }
}

/** The lock's file cannot be made or used: no directory, no right to write, no room. */
export class LockFileError extends LogError {
  override readonly name = "LockFileError";
  override readonly kind = "unavailable";
}

/** Whoever asks whether a lock is free holds it for less than this. */
const LOOK_MS_MAX = 50;

/** Held until disposed of, or until the process ends. */
export class ProcessLock implements Disposable {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #pidPath: string;
  #isHeld = true;

  private constructor(path: string, pidPath: string, database: DatabaseSync) {
    this.path = path;
    this.#pidPath = pidPath;
    this.#database = database;
  }

  /**
   * Whether a broker has had its lock here and no process holds it now: then whatever had that id is dead. Any doubt is a no.
   * Never ask for an id whose lock this process holds.
   */
  static isFree(dataDirectory: string, brokerId: BrokerId): boolean {
    const path = join(dataDirectory, `broker-${brokerId}.lock`);
    if (!existsSync(path)) return false;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
      // A reader is kept out while the lock is held.
      database.exec("SELECT 1 FROM sqlite_schema");
      return true;
    } catch {
      return false;
    } finally {
      database?.close();
    }
  }

  /**
   * The lock of a broker, or of another role. Makes the data directory if need be. Fails with `LockedError` in a moment if
   * another process (or we) holds it.
   */
  static acquire(dataDirectory: string, id: BrokerId | number, role: "broker" | "run" = "broker"): ProcessLock {
    const path = join(dataDirectory, `${role}-${id}.lock`);
    const pidPath = join(dataDirectory, `${role}-${id}.pid`);
    let database: DatabaseSync | undefined;
    try {
      makeDataDirectory(dataDirectory);
      database = new DatabaseSync(path, { timeout: LOOK_MS_MAX });
      // Nothing is ever written, so no journal file need lie beside it.
      database.exec("PRAGMA journal_mode = MEMORY");
      database.exec("BEGIN EXCLUSIVE");
      writeFileSync(pidPath, `${process.pid}\n`);
      return new ProcessLock(path, pidPath, database);
    } catch (error) {
      database?.close();
      if (isBusy(error)) throw new LockedError(path, readPid(pidPath));
      throw new LockFileError(`cannot lock ${path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    // While the lock is still ours, so that a successor's number is never removed.
    rmSync(this.#pidPath, { force: true });
    this.#database.close();
  }
}

/** SQLITE_BUSY (5) and its extended codes. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  return typeof error.errcode === "number" && (error.errcode & 0xff) === 5;
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "latin1").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
