import { Worker } from "node:worker_threads";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import { isSharedPages } from "#lib/storage/segment-memory.ts";
import type { PublisherSettings, PublishRequest, PublishResult } from "./object-publisher.ts";

/** Publishes objects for a store. */
export interface Publisher extends AsyncDisposable {
  /** Reads the request's chunks until the promise settles. Never rejects but for a fault of our own. */
  publish(request: PublishRequest): Promise<PublishResult>;
  forget(folders: readonly string[]): void;
}

export type ToWorker =
  | { readonly kind: "publish"; readonly batch: number; readonly requests: readonly PublishRequest[] }
  | { readonly kind: "forget"; readonly folders: readonly string[] }
  | { readonly kind: "close" };

export interface FromWorker {
  readonly batch: number;
  readonly results: readonly PublishResult[];
}

interface Waiting {
  readonly request: PublishRequest;
  readonly result: Deferred<PublishResult>;
}

/**
 * Publishes in a thread of its own, which waits for the disk at each of a dozen steps: handing each step to the threads
 * of libuv instead took more time than the steps themselves. What one turn of the event loop brings goes together. The
 * thread begins with the first object.
 */
export class PublisherThread implements Publisher {
  readonly #settings: PublisherSettings;
  readonly #sent = new Map<number, readonly Waiting[]>();
  #queue: Waiting[] = [];
  #batches = 0;
  #worker: Worker | undefined;

  constructor(settings: PublisherSettings) {
    this.#settings = settings;
  }

  publish(request: PublishRequest): Promise<PublishResult> {
    const waiting: Waiting = { request, result: deferred() };
    this.#queue.push(waiting);
    if (this.#queue.length === 1) queueMicrotask(() => this.#send());
    return waiting.result.promise;
  }

  forget(folders: readonly string[]): void {
    this.#worker?.postMessage({ kind: "forget", folders } satisfies ToWorker);
  }

  /** Waits for what was handed over. */
  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = deferred<void>();
    worker.once("exit", () => exited.resolve());
    worker.ref();
    worker.postMessage({ kind: "close" } satisfies ToWorker);
    await exited.promise;
  }

  #send(): void {
    const waiting = this.#queue;
    this.#queue = [];
    const batch = this.#batches++;
    const requests = waiting.map(({ request }) => ({ ...request, chunks: sendable(request.chunks) }));
    const owned = requests.flatMap(({ chunks }) => chunks.flatMap(({ buffer }) => ownBuffer(buffer)));
    this.#sent.set(batch, waiting);
    this.#worker ??= this.#start();
    // Only work under way keeps the process alive.
    this.#worker.ref();
    this.#worker.postMessage({ kind: "publish", batch, requests } satisfies ToWorker, owned);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./publisher-worker.ts", import.meta.url), { workerData: this.#settings });
    worker.on("message", ({ batch, results }: FromWorker) => this.#receive(batch, results));
    worker.on("error", (error) => this.#fail(worker, `the store's thread has died: ${error.message}`));
    worker.on("exit", () => this.#fail(worker, "the store's thread has ended"));
    return worker;
  }

  #receive(batch: number, results: readonly PublishResult[]): void {
    const waiting = this.#sent.get(batch) ?? [];
    this.#sent.delete(batch);
    if (this.#sent.size === 0) this.#worker?.unref();
    for (const [index, { result }] of waiting.entries()) {
      result.resolve(
        results[index] ?? { kind: "failed", code: undefined, message: "the store's thread gave no result" },
      );
    }
  }

  /** The next object begins another thread; what this one had may have been published or not. */
  #fail(worker: Worker, message: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = [...this.#sent.values()].flat();
    this.#sent.clear();
    for (const { result } of lost) result.resolve({ kind: "failed", code: "EIO", message });
  }
}

/** Shared memory goes by reference; other chunks are joined, for the whole memory around a view would be copied with it. */
function sendable(chunks: readonly Uint8Array[]): readonly Uint8Array<ArrayBufferLike>[] {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1 && isSharedPages(first)) return chunks;
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return [joined];
}

function ownBuffer(buffer: ArrayBufferLike): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}
