import type { BigIntStats } from "node:fs";
import type { TimestampMs } from "#lib/util/branded.ts";

export interface FileSummary {
  readonly byteLength: number;
  readonly modifiedMs: TimestampMs;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** A file that is being read. */
export interface OpenFile {
  /** Fills `target` from `position` on; answers how many bytes, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  byteLength(): Promise<number>;
  close(): Promise<void>;
}

/**
 * What the directory store asks of a file system beside publishing (sync-files.ts). Fails with the system's own errors (`NodeJS.ErrnoException`);
 * only lib/adapters/local sees them.
 */
export interface FilePort {
  /** Opens a file for reading, past the page cache if `isDirect`: EINVAL if that is not possible there. */
  open(path: string, isDirect?: boolean): Promise<OpenFile>;
  unlink(path: string): Promise<void>;
  /** EEXIST if it is there, ENOENT if its parent is not. */
  makeFolder(path: string): Promise<void>;
  /** Makes the folder and those above it; it may be there. */
  makeFolders(path: string): Promise<void>;
  /** ENOTEMPTY unless it is empty. */
  removeFolder(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** In no order. */
  list(path: string): Promise<readonly FolderEntry[]>;
  summary(path: string): Promise<FileSummary>;
  /** Text that changes if another file stands at `path`, or if the file was written to. */
  fingerprint(path: string): Promise<string>;
}

/** The time of birth is in it because file systems give the number of a deleted file to the next one. */
export function fingerprintOf({ dev, ino, birthtimeNs, mtimeNs, size }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}:${mtimeNs}:${size}`;
}

/** The system's name of an error, such as ENOENT; undefined for other errors. */
export function errorCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
