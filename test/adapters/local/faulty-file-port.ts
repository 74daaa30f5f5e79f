import type { FilePort, NewFile, OpenFile } from "#lib/adapters/local/file-port.ts";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";

export type FileOperation = keyof FilePort | "write" | "read" | "sync" | "close";

/** The host's file system with faults: an error code for an operation, or short reads and writes. */
export class FaultyFilePort implements FilePort {
  /** Asked before each operation; a code fails it. */
  fault: (operation: FileOperation, path: string) => string | undefined = () => undefined;
  /** At most so many bytes a call. */
  bytesPerCallMax = Number.POSITIVE_INFINITY;
  /** What has been asked, in order. */
  readonly calls: { readonly operation: FileOperation; readonly path: string }[] = [];
  readonly #real = new NodeFilePort();

  async create(path: string, byteLength: number): Promise<NewFile> {
    const file = await this.#do("create", path, () => this.#real.create(path, byteLength));
    return {
      write: (chunks, position) => this.#do("write", path, () => file.write(this.#shortened(chunks), position)),
      sync: () => this.#do("sync", path, () => file.sync()),
      close: () => this.#close(path, file),
    };
  }

  async open(path: string): Promise<OpenFile> {
    const file = await this.#do("open", path, () => this.#real.open(path));
    return {
      read: (target, position) =>
        this.#do("read", path, () =>
          file.read(target.subarray(0, Math.min(this.bytesPerCallMax, target.length)), position),
        ),
      byteLength: () => file.byteLength(),
      close: () => this.#close(path, file),
    };
  }

  link(from: string, to: string) {
    return this.#do("link", to, () => this.#real.link(from, to));
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

  async #do<T>(operation: FileOperation, path: string, work: () => Promise<T>): Promise<T> {
    this.calls.push({ operation, path });
    const code = this.fault(operation, path);
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected, ${operation} '${path}'`), { code });
    return work();
  }

  /** The descriptor is given back even where closing reports an error, as in Linux. */
  async #close(path: string, file: NewFile | OpenFile): Promise<void> {
    await file.close();
    await this.#do("close", path, async () => {});
  }

  #shortened(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
    if (this.bytesPerCallMax === Number.POSITIVE_INFINITY) return chunks;
    const all = Buffer.concat(chunks);
    return [all.subarray(0, this.bytesPerCallMax)];
  }
}
