import { close, constants, fstat, fsync, mkdir, open, read, readdir, rmdir, stat, unlink } from "node:fs";
import { direct } from "./direct-flag.ts";
import { type FilePort, type FileSummary, type FolderEntry, fingerprintOf, type OpenFile } from "./file-port.ts";

/** The host's file system. File descriptors are bare numbers: `FileHandle` costs twice as much per call. */
export class NodeFilePort implements FilePort {
  async open(path: string, isDirect = false): Promise<OpenFile> {
    return new NodeOpenFile(await openFile(path, constants.O_RDONLY | direct(isDirect)));
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
      stat(path, { bigint: true }, (error, found) => {
        if (error !== null) reject(error);
        else resolve(fingerprintOf(found));
      });
    });
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

function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, (error, descriptor) => {
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
