import { resolve } from "node:path";
import { abortable } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { MARKER_KEY, parseObjectKey } from "#lib/storage/object-keys.ts";
import {
  type ByteRange,
  CorruptObjectError,
  type ObjectListing,
  ObjectNotFoundError,
  type ObjectStore,
  type ObjectSummary,
  type PutResult,
  StoreUnavailableError,
} from "#lib/storage/object-store.ts";
import { type ComposedLog, type LogRecipe, storedRuns } from "#lib/storage/segments/compose-log.ts";
import { encodeStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import { assert } from "#lib/util/assert.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { STORE_OPEN_FILES_MAX, STORE_READS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { ComposerThread } from "./composer-thread.ts";
import { KeyWalker } from "./directory-listing.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";
import type { ComposeResult } from "./log-composer.ts";
import { NodeFilePort } from "./node-file-port.ts";
import { ObjectFiles } from "./object-files.ts";
import { type PublisherSettings, type PublishResult, type PublishTarget, parentOf } from "./object-publisher.ts";
import { type Publisher, PublisherThread } from "./publisher-thread.ts";
import { ReadGate } from "./read-gate.ts";
import { readMarker, StoreRoot } from "./store-root.ts";
import { NodeSyncFiles, type SyncFiles } from "./sync-files.ts";
import { beginTemporaryFiles, TEMPORARY_FOLDER, type TemporaryNames, writeMarkerFile } from "./temporary-files.ts";

/** Unlinks and `stat`s that run at once for one call. */
const CALLS_AT_ONCE = 64;
/** A folder may vanish between making it and linking into it, when its last object is deleted meanwhile. */
const PUBLISH_ATTEMPTS_MAX = 4;

export interface DirectoryStoreOptions {
  readonly root: string;
  readonly random: Random;
  readonly logger: Logger;
  /**
   * Who writes here, such as `broker-1`; no two living processes may bear one name. What an earlier process of that
   * name left unfinished is removed.
   */
  readonly owner: string;
  /** Default: the host's file system. */
  readonly files?: FilePort;
  /** For the marker of a new store. Default: the host's file system. */
  readonly syncFiles?: SyncFiles;
  /** Default: a thread of its own. */
  readonly newPublisher?: (settings: PublisherSettings) => Publisher;
}

/** Objects as files below a root directory of a local or network file system that has hard links. */
export class DirectoryObjectStore implements ObjectStore, AsyncDisposable {
  readonly marker: StoreMarker;
  readonly #directory: string;
  readonly #files: FilePort;
  readonly #root: StoreRoot;
  readonly #publisher: Publisher;
  readonly #composer: ComposerThread;
  readonly #names: TemporaryNames;
  readonly #openFiles: ObjectFiles;
  readonly #walker: KeyWalker;
  readonly #reads = new ReadGate(STORE_READS_AT_ONCE_MAX);
  /** How often the right root has been found that was not there before. */
  #foundCount = 0;

  private constructor(options: DirectoryStoreOptions, marker: StoreMarker) {
    const files = options.files ?? new NodeFilePort();
    this.marker = marker;
    this.#directory = resolve(options.root);
    this.#files = files;
    this.#openFiles = new ObjectFiles(files, STORE_OPEN_FILES_MAX);
    this.#walker = new KeyWalker(files, this.#directory);
    this.#names = newNames(options);
    const newPublisher = options.newPublisher ?? ((settings) => new PublisherThread(settings));
    const { runPrefix } = this.#names;
    const settings = { root: this.#directory, marker: MARKER_KEY, temporaryFolder: TEMPORARY_FOLDER, runPrefix };
    this.#publisher = newPublisher(settings);
    this.#composer = new ComposerThread(settings);
    this.#root = new StoreRoot({
      files,
      root: this.#directory,
      expected: marker,
      onFound: () => this.#begin(),
    });
  }

  /**
   * Makes a new store: root and marker. Only a deployment's first start may call it. A root that is there must be empty
   * but for the marker that an interrupted first start left, which is then kept: the answered store bears the marker
   * that counts. Fails with `StoreUnavailableError` (`root` if other things lie there).
   */
  static async create(options: DirectoryStoreOptions, marker: StoreMarker): Promise<DirectoryObjectStore> {
    const files = options.files ?? new NodeFilePort();
    const root = resolve(options.root);
    try {
      await makeRoot(files, root);
      const written = writeMarkerFile(options.syncFiles ?? new NodeSyncFiles(), root, encodeStoreMarker(marker));
      const found = written ? marker : await readMarker(files, `${root}/${MARKER_KEY}`);
      if (found.storeId !== marker.storeId) {
        throw new StoreUnavailableError(`${root} is store ${found.storeId}, not ${marker.storeId}`, { reason: "root" });
      }
      return await DirectoryObjectStore.open(options, found);
    } catch (error) {
      throw translated(error, root);
    }
  }

  /**
   * The store that bears `expected`. Never fails: while the root is missing or another one, every call of the store
   * does, with `StoreUnavailableError` and reason `root`.
   */
  static async open(options: DirectoryStoreOptions, expected: StoreMarker): Promise<DirectoryObjectStore> {
    const store = new DirectoryObjectStore(options, expected);
    try {
      await store.#root.check();
    } catch (error) {
      options.logger.error("store is not available", { store: expected.storeId, error: describeError(error) });
    }
    return store;
  }

  get replacedCount(): number {
    return Math.max(0, this.#foundCount - 1);
  }

  /** Once the thread has begun with it, it goes on to its end, abort or not: until then the chunks are read. */
  async putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    parseObjectKey(key);
    signal.throwIfAborted();
    try {
      return await this.#publish(key, chunks, signal);
    } catch (error) {
      throw translated(error, this.#directory);
    }
  }

  /** By a thread of its own. Once that has begun with it, it goes on to its end. */
  async composeLog(key: ObjectKey, recipe: LogRecipe, signal: AbortSignal): Promise<ComposedLog> {
    for (const each of [key, ...storedRuns(recipe).map((run) => run.key)]) parseObjectKey(each);
    signal.throwIfAborted();
    try {
      const compose = (target: PublishTarget) => this.#composer.compose({ ...target, recipe }, signal);
      const result = await abortable(this.#atRoot(key, compose), signal);
      if (result.kind === "composed") return result.composed;
      if (result.kind === "missing") {
        // As with reads: it is final only where the root was the right one.
        await abortable(this.#root.check(), signal);
        throw new ObjectNotFoundError(result.key);
      }
      if (result.kind === "damaged") throw new CorruptObjectError(result.key, result.reason);
      throw failure(result);
    } catch (error) {
      throw signal.aborted && error === signal.reason ? error : translated(error, this.#directory);
    }
  }

  async get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    parseObjectKey(key);
    return this.#read(key, signal, async (path) => {
      const byteLength = await this.#openFiles.byteLength(path);
      return this.#fill(path, key, { position: 0, byteLength });
    });
  }

  async getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    parseObjectKey(key);
    assert(range.position >= 0 && range.byteLength >= 1, "empty range");
    assert(target === undefined || target.byteLength === range.byteLength, "the target is as long as the range");
    return this.#read(key, signal, (path) => this.#fill(path, key, range, target));
  }

  async list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    return this.#run(signal, async () => {
      const keys: string[] = [];
      let isTruncated = false;
      for await (const key of this.#walker.walk(options)) {
        isTruncated = keys.length === options.limit;
        if (isTruncated) break;
        keys.push(key);
      }
      signal.throwIfAborted();
      const summaries = await inSlices(keys, (key) => this.#summary(objectKey(key)));
      // A folder that cannot be found is an empty one, unless the root went away meanwhile.
      await this.#root.check();
      return { objects: summaries.filter((summary) => summary !== undefined), isTruncated };
    });
  }

  async deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    for (const key of keys) parseObjectKey(key);
    return this.#run(signal, async () => {
      const errors: unknown[] = [];
      const gone = new Set<ObjectKey>();
      await inSlices(keys, async (key) => {
        signal.throwIfAborted();
        await this.#unlink(key).then(
          () => gone.add(key),
          (error) => errors.push(error),
        );
      });
      await this.#root.check();
      if (gone.size === 0 && errors.length > 0) throw errors[0];
      await this.#tidy(new Set([...gone].map(parentOf)));
      return gone;
    });
  }

  /** Closes the files kept open and waits for the puts under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#openFiles.clear();
    await Promise.all([this.#publisher[Symbol.asyncDispose](), this.#composer[Symbol.asyncDispose]()]);
  }

  /** The right root is there, for the first time or again: nothing remembered of it need be true any more. */
  async #begin(): Promise<void> {
    this.#foundCount++;
    this.#openFiles.clear();
    await beginTemporaryFiles(this.#files, this.#directory, this.#names);
  }

  async #run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await abortable(this.#root.check().then(work), signal);
    } catch (error) {
      throw signal.aborted && error === signal.reason ? error : translated(error, this.#directory);
    }
  }

  async #read<T>(key: ObjectKey, signal: AbortSignal, work: (path: string) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      const reading = this.#reads.run(signal, () => work(`${this.#directory}/${key}`));
      // The check runs beside the read, for an open file says nothing of the root; what it finds goes first.
      const [, bytes] = await abortable(Promise.all([this.#root.check(), reading]), signal);
      return bytes;
    } catch (error) {
      if (signal.aborted && error === signal.reason) throw error;
      // "Not found" is final, so it needs a root that was the right one at that time.
      if (isMissing(error) || errorCodeOf(error) === "EISDIR") {
        await this.#root.check();
        throw new ObjectNotFoundError(key);
      }
      throw translated(error, this.#directory);
    }
  }

  async #fill(path: string, key: ObjectKey, range: ByteRange, given?: Uint8Array): Promise<Uint8Array> {
    // Not from Node's pool: a small read would keep the pool's 64 KiB alive as long as it lives itself.
    const target = given ?? Buffer.allocUnsafeSlow(range.byteLength);
    const count = await this.#openFiles.read(path, range.position, target);
    if (count === range.byteLength) return target;
    const end = range.position + range.byteLength;
    throw new CorruptObjectError(key, `ends before byte ${range.position + count + 1}, read up to ${end}`);
  }

  async #publish(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    const result = await this.#atRoot(key, (target) => this.#publisher.publish({ ...target, chunks }, signal));
    if (result.kind === "written" || result.kind === "already-exists") return result;
    throw failure(result);
  }

  async #atRoot<R extends ComposeResult>(key: ObjectKey, publish: (target: PublishTarget) => Promise<R>): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      // The thread looks whether the root is still the one that was checked last.
      if (attempt > 1 || this.#root.fingerprint === undefined) await this.#root.check();
      const rootFingerprint = this.#root.fingerprint ?? "";
      const result = await publish({ key, rootFingerprint, isAgain: attempt > 1 });
      // A folder went away: with its last object, or with the whole root, which the next check finds.
      const isMoved = result.kind === "other-root" || (result.kind === "failed" && result.code === "ENOENT");
      if (!isMoved || attempt === PUBLISH_ATTEMPTS_MAX) return result;
    }
  }

  async #summary(key: ObjectKey): Promise<ObjectSummary | undefined> {
    try {
      const { byteLength, modifiedMs } = await this.#files.summary(`${this.#directory}/${key}`);
      return { key, byteLength, lastModifiedMs: modifiedMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #unlink(key: ObjectKey): Promise<void> {
    const path = `${this.#directory}/${key}`;
    this.#openFiles.forget(path);
    try {
      await this.#files.unlink(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** Makes deletions durable and removes folders that they emptied, so that old hours leave nothing behind. */
  async #tidy(folders: ReadonlySet<string>): Promise<void> {
    await inSlices([...folders], async (folder) => {
      await this.#files.syncFolder(folder === "" ? this.#directory : `${this.#directory}/${folder}`).catch((error) => {
        if (!isMissing(error)) throw error;
      });
      this.#publisher.forget([folder]);
      this.#composer.forget([folder]);
      for (let each = folder; each !== ""; each = parentOf(each)) {
        const isRemoved = await this.#files.removeFolder(`${this.#directory}/${each}`).then(
          () => true,
          () => false,
        );
        if (!isRemoved) break;
      }
    });
  }
}

function failure(result: PublishResult): Error {
  if (result.kind === "already-exists") return new StoreUnavailableError("the key is taken", { reason: "io" });
  if (result.kind !== "failed") return new StoreUnavailableError("the store's root keeps changing", { reason: "root" });
  return Object.assign(new Error(result.message), result.code === undefined ? {} : { code: result.code });
}

function newNames({ owner, random }: DirectoryStoreOptions): TemporaryNames {
  assert(/^[A-Za-z0-9._-]+$/.test(owner), "an owner is a plain name");
  return { ownerPrefix: `${owner}~`, runPrefix: `${owner}~${Buffer.from(random.bytes(6)).toString("hex")}~` };
}

/** Makes the root if it is missing. Fails if it holds anything but what an interrupted first start leaves. */
async function makeRoot(files: FilePort, root: string): Promise<void> {
  await files.makeFolders(root);
  await files.syncFolder(resolve(root, ".."));
  for (const { name } of await files.list(root)) {
    // The root may be a new file system of its own.
    if (name === MARKER_KEY || name === TEMPORARY_FOLDER || name === "lost+found") continue;
    throw new StoreUnavailableError(`${root} is not empty (${name}): not made a store`, { reason: "root" });
  }
}

async function inSlices<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += CALLS_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + CALLS_AT_ONCE).map(work))));
  }
  return results;
}

function isMissing(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

const HINTS: ReadonlyMap<string, string> = new Map([
  ["EROFS", "the file system is read-only (EROFS)"],
  ["EMFILE", "the process has too many open files (EMFILE): raise its limit"],
  ["ENOTSUP", "the file system has no hard links (ENOTSUP)"],
  ["EPERM", "the file system has no hard links, or forbids them (EPERM)"],
  ["EACCES", "the process may not read or write there (EACCES)"],
]);

function translated(error: unknown, root: string): unknown {
  const code = errorCodeOf(error);
  if (error instanceof LogError || code === undefined) return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const message = `store ${root} is full (${code}): make room, and writing goes on by itself`;
    return new StoreUnavailableError(message, { reason: "full", cause: error });
  }
  const text = HINTS.get(code) ?? describeError(error);
  return new StoreUnavailableError(`store ${root}: ${text}`, { reason: "io", cause: error });
}
