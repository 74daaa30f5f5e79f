import type { FilePort, OpenFile } from "#lib/adapters/local/file-port.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";
import {
  ObjectPublisher,
  type PublisherSettings,
  type PublishRequest,
  type PublishResult,
} from "#lib/adapters/local/object-publisher.ts";
import type { Publisher } from "#lib/adapters/local/publisher-thread.ts";
import { NodeSyncFiles, type SyncFiles } from "#lib/adapters/local/sync-files.ts";
import { defined } from "#lib/util/assert.ts";

export type FileOperation = keyof FilePort | keyof SyncFiles | "read";

/** The host's file system with faults: an error code for an operation, or short reads and writes. */
export class FaultyFilePort implements FilePort {
  /** Asked before each operation; a code fails it. */
  fault: (operation: FileOperation, path: string) => string | undefined = () => undefined;
  /** At most so many bytes a call. */
  bytesPerCallMax = Number.POSITIVE_INFINITY;
  /** What has been asked, in order. */
  readonly calls: { readonly operation: FileOperation; readonly path: string }[] = [];
  readonly #real = new NodeFilePort();
  /** The same faults for what waits for the disk. */
  readonly sync: SyncFiles = new FaultySyncFiles(this);

  async open(path: string, isDirect: boolean): Promise<OpenFile> {
    const file = await this.#do("open", path, () => this.#real.open(path, isDirect));
    return {
      read: (target, position) =>
        this.#do("read", path, () =>
          file.read(target.subarray(0, Math.min(this.bytesPerCallMax, target.length)), position),
        ),
      byteLength: () => file.byteLength(),
      close: () => this.#close(path, file),
    };
  }

  unlink(path: string) {
    return this.#do("unlink", path, () => this.#real.unlink(path));
  }

  makeFolder(path: string) {
    return this.#do("makeFolder", path, () => this.#real.makeFolder(path));
  }

  makeFolders(path: string) {
    return this.#do("makeFolders", path, () => this.#real.makeFolders(path));
  }

  removeFolder(path: string) {
    return this.#do("removeFolder", path, () => this.#real.removeFolder(path));
  }

  syncFolder(path: string) {
    return this.#do("syncFolder", path, () => this.#real.syncFolder(path));
  }

  list(path: string) {
    return this.#do("list", path, () => this.#real.list(path));
  }

  summary(path: string) {
    return this.#do("summary", path, () => this.#real.summary(path));
  }

  fingerprint(path: string) {
    return this.#do("fingerprint", path, () => this.#real.fingerprint(path));
  }

  countOf(operation: FileOperation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  /** Notes the operation and fails it if it is its turn. */
  enter(operation: FileOperation, path: string): void {
    this.calls.push({ operation, path });
    const code = this.fault(operation, path);
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected, ${operation} '${path}'`), { code });
  }

  async #do<T>(operation: FileOperation, path: string, work: () => Promise<T>): Promise<T> {
    this.enter(operation, path);
    return work();
  }

  /** The descriptor is given back even where closing reports an error, as in Linux. */
  async #close(path: string, file: OpenFile): Promise<void> {
    await file.close();
    this.enter("close", path);
  }
}

class FaultySyncFiles implements SyncFiles {
  readonly #faults: FaultyFilePort;
  readonly #real = new NodeSyncFiles();
  readonly #paths = new Map<number, string>();

  constructor(faults: FaultyFilePort) {
    this.#faults = faults;
  }

  create(path: string, isDirect: boolean): number {
    this.#faults.enter("create", path);
    return this.#opened(this.#real.create(path, isDirect), path);
  }

  openToWrite(path: string): number {
    this.#faults.enter("openToWrite", path);
    return this.#opened(this.#real.openToWrite(path), path);
  }

  openToRead(path: string, isDirect: boolean): number {
    this.#faults.enter("openToRead", path);
    return this.#opened(this.#real.openToRead(path, isDirect), path);
  }

  read(descriptor: number, target: Uint8Array, position: number): number {
    this.#faults.enter("read", this.#pathOf(descriptor));
    const { bytesPerCallMax } = this.#faults;
    return this.#real.read(descriptor, target.subarray(0, bytesPerCallMax), position);
  }

  write(descriptor: number, chunks: readonly Uint8Array[], position: number): number {
    this.#faults.enter("write", this.#pathOf(descriptor));
    const { bytesPerCallMax } = this.#faults;
    if (bytesPerCallMax === Number.POSITIVE_INFINITY) return this.#real.write(descriptor, chunks, position);
    const [first] = chunks;
    return this.#real.write(descriptor, first === undefined ? [] : [first.subarray(0, bytesPerCallMax)], position);
  }

  sync(descriptor: number): void {
    this.#faults.enter("sync", this.#pathOf(descriptor));
    this.#real.sync(descriptor);
  }

  /** The descriptor is given back even where closing reports an error, as in Linux. */
  close(descriptor: number): void {
    const path = this.#pathOf(descriptor);
    this.#real.close(descriptor);
    this.#paths.delete(descriptor);
    this.#faults.enter("close", path);
  }

  link(from: string, to: string): void {
    this.#faults.enter("link", to);
    this.#real.link(from, to);
  }

  unlink(path: string): void {
    this.#faults.enter("unlink", path);
    this.#real.unlink(path);
  }

  makeFolder(path: string): void {
    this.#faults.enter("makeFolder", path);
    this.#real.makeFolder(path);
  }

  syncFolder(path: string): void {
    this.#faults.enter("syncFolder", path);
    this.#real.syncFolder(path);
  }

  fingerprint(path: string): string {
    this.#faults.enter("fingerprint", path);
    return this.#real.fingerprint(path);
  }

  #opened(descriptor: number, path: string): number {
    this.#paths.set(descriptor, path);
    return descriptor;
  }

  #pathOf(descriptor: number): string {
    return this.#paths.get(descriptor) ?? "";
  }
}

/** Publishes in the calling thread, where the faults are. */
export class InlinePublisher implements Publisher {
  readonly #publisher: ObjectPublisher;
  readonly #requests: PublishRequest[] = [];
  #results: Promise<readonly PublishResult[]> | undefined;

  constructor(files: SyncFiles, settings: PublisherSettings) {
    this.#publisher = new ObjectPublisher(files, settings);
  }

  publish(request: PublishRequest): Promise<PublishResult> {
    this.#requests.push(request);
    this.#results ??= Promise.resolve().then(() => {
      const requests = this.#requests.splice(0);
      this.#results = undefined;
      return this.#publisher.publish(requests);
    });
    const index = this.#requests.length - 1;
    return this.#results.then((results) => defined(results[index]));
  }

  forget(folders: readonly string[]): void {
    this.#publisher.forget(folders);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
