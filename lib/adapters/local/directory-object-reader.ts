import { resolve } from "node:path";
import { parseObjectKey } from "#lib/storage/object-keys.ts";
import {
  CorruptObjectError,
  type ObjectListing,
  ObjectNotFoundError,
  type ObjectStore,
  StoreUnavailableError,
} from "#lib/storage/object-store.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { walkKeys } from "./directory-listing.ts";
import { errorCodeOf, type FilePort, type OpenFile } from "./file-port.ts";
import { NodeFilePort } from "./node-file-port.ts";

/** A store's directory as it lies there: whoever's it is, and without writing to it. For inspection only. */
export class DirectoryObjectReader implements Pick<ObjectStore, "get" | "list"> {
  readonly #root: string;
  readonly #files: FilePort;

  constructor(root: string, files: FilePort = new NodeFilePort()) {
    this.#root = resolve(root);
    this.#files = files;
  }

  async get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    parseObjectKey(key);
    signal.throwIfAborted();
    let file: OpenFile | undefined;
    try {
      file = await this.#files.open(`${this.#root}/${key}`);
      const bytes = Buffer.allocUnsafeSlow(await file.byteLength());
      for (let filled = 0; filled < bytes.byteLength; ) {
        const count = await file.read(bytes.subarray(filled), filled);
        if (count === 0) throw new CorruptObjectError(key, `ends after ${filled} of ${bytes.byteLength} bytes`);
        filled += count;
      }
      return bytes;
    } catch (error) {
      const code = errorCodeOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") throw new ObjectNotFoundError(key);
      throw this.#translated(error);
    } finally {
      await file?.close();
    }
  }

  async list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    const objects = [];
    try {
      for await (const key of walkKeys(this.#files, this.#root, options)) {
        signal.throwIfAborted();
        if (objects.length === options.limit) return { objects, isTruncated: true };
        const summary = await this.#summary(key);
        if (summary !== undefined) objects.push({ key: objectKey(key), ...summary });
      }
    } catch (error) {
      throw this.#translated(error);
    }
    return { objects, isTruncated: false };
  }

  async #summary(key: string) {
    try {
      const { byteLength, modifiedMs } = await this.#files.summary(`${this.#root}/${key}`);
      return { byteLength, lastModifiedMs: modifiedMs };
    } catch (error) {
      if (errorCodeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #translated(error: unknown): unknown {
    const code = errorCodeOf(error);
    if (code === undefined) return error;
    return new StoreUnavailableError(`store ${this.#root}: ${code}`, { reason: "io", cause: error });
  }
}
