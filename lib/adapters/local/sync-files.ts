import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writevSync,
} from "node:fs";
import { direct } from "./direct-flag.ts";
import { errorCodeOf, fingerprintOf } from "./file-port.ts";

/** More chunks in one call would have the system split them anyway (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1_024;

/**
 * What publishing an object asks of a file system, each call waiting for it. Fails with the system's own errors
 * (`NodeJS.ErrnoException`).
 */
export interface SyncFiles {
  /** Opens a new file for writing: EEXIST if there is one, EINVAL if `isDirect` is not possible there. */
  create(path: string, isDirect: boolean): number;
  /** Opens a file for writing through the page cache. */
  openToWrite(path: string): number;
  /** Opens a file for reading, past the page cache if `isDirect`: EINVAL if that is not possible there. */
  openToRead(path: string, isDirect: boolean): number;
  /** Answers how many bytes were read, which may be fewer than `target` has: 0 at the file's end. */
  read(descriptor: number, target: Uint8Array, position: number): number;
  /** Answers how many bytes were written, which may be fewer than given. */
  write(descriptor: number, chunks: readonly Uint8Array[], position: number): number;
  /** Makes the file's bytes and its length durable, whichever descriptor wrote them. */
  sync(descriptor: number): void;
  close(descriptor: number): void;
  /** Gives a file a second name; EEXIST if the name is taken. The file system does both as one step. */
  link(from: string, to: string): void;
  unlink(path: string): void;
  /** EEXIST if it is there, ENOENT if its parent is not. */
  makeFolder(path: string): void;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): void;
  /** As `FilePort.fingerprint`. */
  fingerprint(path: string): string;
}

/** The host's file system. */
export class NodeSyncFiles implements SyncFiles {
  create(path: string, isDirect: boolean): number {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | direct(isDirect), 0o644);
  }

  openToWrite(path: string): number {
    return openSync(path, constants.O_WRONLY);
  }

  openToRead(path: string, isDirect: boolean): number {
    return openSync(path, constants.O_RDONLY | direct(isDirect));
  }

  read(descriptor: number, target: Uint8Array, position: number): number {
    return readSync(descriptor, target, 0, target.byteLength, position);
  }

  write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
    return writevSync(descriptor, chunks.slice(0, CHUNKS_PER_WRITE_MAX), position);
  }

  sync(descriptor: number): void {
    fdatasyncSync(descriptor);
  }

  close(descriptor: number): void {
    closeSync(descriptor);
  }

  link(from: string, to: string): void {
    linkSync(from, to);
  }

  unlink(path: string): void {
    unlinkSync(path);
  }

  makeFolder(path: string): void {
    mkdirSync(path);
  }

  syncFolder(path: string): void {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  fingerprint(path: string): string {
    return fingerprintOf(statSync(path, { bigint: true }));
  }
}

/** Makes a folder that may be there, though its name need not be durable then. */
export function ensureFolder(files: SyncFiles, path: string): void {
  try {
    files.makeFolder(path);
  } catch (error) {
    if (errorCodeOf(error) !== "EEXIST") throw error;
  }
}

/** Removes an unfinished file; never fails: what stays is removed at the next start. */
export function discard(files: SyncFiles, path: string): void {
  try {
    files.unlink(path);
  } catch {
    // As said.
  }
}
