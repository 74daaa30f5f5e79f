import type { SqliteFailure } from "./sqlite-journal-protocol.ts";

// SQLite's primary result codes (https://www.sqlite.org/rescode.html): the low byte of the extended ones.
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

export function toFailure(error: unknown, path: string): SqliteFailure {
  const detail = error instanceof Error ? error.message : String(error);
  switch (primaryCode(error)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return passing(`journal file ${path} is locked by another process (${detail}): stop that process`);
    case SQLITE_FULL:
      return passing(`no room for the journal file ${path}: free space on its disk (${detail})`);
    case SQLITE_IOERR:
      return passing(`journal file ${path} cannot be read or written: check its disk (${detail})`);
    case SQLITE_READONLY:
      return passing(`journal file ${path} is read-only: check its permissions and those of its directory (${detail})`);
    case SQLITE_CORRUPT:
      return wrongFile(`journal file ${path} is damaged (${detail}): restore it from a backup`);
    case SQLITE_NOTADB:
      return wrongFile(
        `${path} is not a journal file (${detail}): name another data directory, or restore the file from a backup`,
      );
    case SQLITE_CANTOPEN:
      return wrongFile(
        `journal file ${path} cannot be opened (${detail}): check that its directory exists and may be written`,
      );
    default:
      return passing(`journal file ${path}: ${detail}`);
  }
}

/** Whether another process holds a lock that it will give up soon. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

export function wrongFile(message: string): SqliteFailure {
  return { kind: "failure", reason: "file", message };
}

export function passing(message: string): SqliteFailure {
  return { kind: "failure", reason: "passing", message };
}

/** `node:sqlite` puts the extended result code into `errcode`. */
function primaryCode(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return -1;
  return error.errcode & 0xff;
}
