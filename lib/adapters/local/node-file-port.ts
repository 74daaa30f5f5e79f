import { close, constants, fdatasync, fstat, fsync, link, mkdir, read, readdir, rmdir, stat, unlink } from "node:fs";
import { DIRECT_WRITE_BYTES_MIN, STAGING_BLOCK_BYTES, STAGING_BLOCKS_MAX } from "#lib/util/limits.ts";
import { DirectFile, openFile, settled, writeAt } from "./direct-file.ts";
import {
  errorCodeOf,
  type FilePort,
  type FileSummary,
  type FolderEntry,
  type NewFile,
  type OpenFile,
} from "./file-port.ts";
import { StagingBlocks } from "./staging-blocks.ts";

/** The host's file system. File descriptors are bare numbers: `FileHandle` costs twice as much per call. */
export class NodeFilePort implements FilePort {
  readonly #blocks = new StagingBlocks({ blockBytes: STAGING_BLOCK_BYTES, count: STAGING_BLOCKS_MAX });
  /** Not every system and file system can write past its page cache. */
  #isDirectPossible = constants.O_DIRECT !== undefined;

  async create(path: string, byteLength: number): Promise<NewFile> {
    if (this.#isDirectPossible && byteLength >= DIRECT_WRITE_BYTES_MIN) {
      try {
        return await DirectFile.create(path, this.#blocks);
      } catch (error) {
        if (errorCodeOf(error) !== "EINVAL") throw error;
        this.#isDirectPossible = false;
      }
    }
    return new CachedFile(await openFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL));
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

/** A new file that is written through the page cache. */
class CachedFile implements NewFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return writeAt(this.#descriptor, chunks, position);
  }

  // The length of a new file belongs to what fdatasync makes durable; only times are left out.
  sync(): Promise<void> {
    return settled((done) => fdatasync(this.#descriptor, done));
  }

  close(): Promise<void> {
    return settled((done) => close(this.#descriptor, done));
  }
}

class NodeOpenFile implements OpenFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
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

  close(): Promise<void> {
    return settled((done) => close(this.#descriptor, done));
  }
}
