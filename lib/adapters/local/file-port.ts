import {
  close,
  constants,
  fdatasync,
  fstat,
  fsync,
  link,
  mkdir,
  open,
  read,
  readdir,
  rmdir,
  stat,
  unlink,
  writev,
} from "node:fs";
import type { TimestampMs } from "#lib/util/branded.ts";

export interface FileSummary {
  readonly byteLength: number;
  readonly modifiedMs: TimestampMs;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface OpenFile {
  /** Writes from `position` on; answers how many bytes, which may be fewer than given. */
  write(chunks: readonly Uint8Array[], position: number): Promise<number>;
  /** Fills `target` from `position` on; answers how many bytes, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  byteLength(): Promise<number>;
  /** Makes the bytes durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * All that the directory store asks of a file system. Fails with the system's own errors (`NodeJS.ErrnoException`);
 * only lib/adapters/local sees them.
 */
export interface FilePort {
  /** Opens a new file for writing; EEXIST if there is one. */
  create(path: string): Promise<OpenFile>;
  /** Opens a file for reading. */
  open(path: string): Promise<OpenFile>;
  /** Gives a file a second name; EEXIST if the name is taken. The file system does both as one step. */
  link(from: string, to: string): Promise<void>;
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

/** More chunks in one call would have the system split them anyway (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1_024;

/** The host's file system. File descriptors are bare numbers: `FileHandle` costs twice as much per call. */
export class NodeFilePort implements FilePort {
  async create(path: string): Promise<OpenFile> {
    return new NodeOpenFile(await openFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL));
  }

  async open(path: string): Promise<OpenFile> {
    return new NodeOpenFile(await openFile(path, constants.O_RDONLY));
  }

  link(from: string, to: string): Promise<void> {
    return settled((done) => link(from, to, done));
  }

  unlink(path: string): Promise<void> {
    return settled((done) => unlink(path, done));
  }

  makeFolder(path: string): Promise<void> {
    return settled((done) => mkdir(path, done));
  }

  makeFolders(path: string): Promise<void> {
    return settled((done) => mkdir(path, { recursive: true }, done));
  }

  removeFolder(path: string): Promise<void> {
    return settled((done) => rmdir(path, done));
  }

  async syncFolder(path: string): Promise<void> {
    const descriptor = await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await settled((done) => fsync(descriptor, done));
    } finally {
      await settled((done) => close(descriptor, done));
    }
  }

  list(path: string): Promise<readonly FolderEntry[]> {
    return new Promise((resolve, reject) => {
      readdir(path, { withFileTypes: true }, (error, entries) => {
        if (error !== null) reject(error);
        else resolve(entries.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() })));
      });
    });
  }

  summary(path: string): Promise<FileSummary> {
    return new Promise((resolve, reject) => {
      stat(path, (error, found) => {
        if (error !== null) reject(error);
        else resolve({ byteLength: found.size, modifiedMs: Math.floor(found.mtimeMs) });
      });
    });
  }

  fingerprint(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      // The time of birth is in it because file systems give the number of a deleted file to the next one.
      stat(path, { bigint: true }, (error, found) => {
        if (error !== null) reject(error);
        else resolve(`${found.dev}:${found.ino}:${found.birthtimeNs}:${found.mtimeNs}:${found.size}`);
      });
    });
  }
}

class NodeOpenFile implements OpenFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#descriptor, chunks.slice(0, CHUNKS_PER_WRITE_MAX), position, (error, count) => {
        if (error !== null) reject(error);
        else resolve(count);
      });
    });
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#descriptor, target, 0, target.byteLength, position, (error, count) => {
        if (error !== null) reject(error);
        else resolve(count);
      });
    });
  }

  byteLength(): Promise<number> {
    return new Promise((resolve, reject) => {
      fstat(this.#descriptor, (error, found) => {
        if (error !== null) reject(error);
        else resolve(found.size);
      });
    });
  }

  // The length of a new file belongs to what fdatasync makes durable; only times are left out.
  sync(): Promise<void> {
    return settled((done) => fdatasync(this.#descriptor, done));
  }

  close(): Promise<void> {
    return settled((done) => close(this.#descriptor, done));
  }
}

function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, 0o644, (error, descriptor) => {
      if (error !== null) reject(error);
      else resolve(descriptor);
    });
  });
}

function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/** The system's name of an error, such as ENOENT; undefined for other errors. */
export function errorCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
