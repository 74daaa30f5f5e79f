import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { isSharedPages } from "#lib/storage/segment-memory.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { PUBLISH_PIECE_BYTES } from "#lib/util/limits.ts";
import type { PublisherSettings, PublishRequest, PublishResult } from "./object-publisher.ts";

/** Publishes objects for a store. */
export interface Publisher extends AsyncDisposable {
  /**
   * Reads the request's chunks until the promise settles. Rejects with the signal's reason if it aborts before the work
   * has begun, and otherwise only for a fault of our own.
   */
  publish(request: PublishRequest, signal: AbortSignal): Promise<PublishResult>;
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
  /** The chunks are the thread's to have: they were copied piece by piece. */
  readonly isCopied: boolean;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  readonly result: Deferred<PublishResult>;
}

/** What the thread is given at once: a disk that hangs must not gather copies of all that comes meanwhile. */
const BATCHES_UNDER_WAY_MAX = 2;

/**
 * Publishes in a thread of its own, which waits for the disk at each of a dozen steps: handing each step to the threads
 * of libuv instead took more time than the steps themselves. What comes while the thread is busy goes together. The
 * thread begins with the first object.
 */
export class PublisherThread implements Publisher {
  readonly #settings: PublisherSettings;
  readonly #sent = new Map<number, readonly Waiting[]>();
  readonly #queue = new Set<Waiting>();
  /** Large requests on their way to the queue. */
  readonly #copying = new Set<Promise<unknown>>();
  #isSendingSoon = false;
  #isClosed = false;
  #batches = 0;
  #threads = 0;
  #worker: Worker | undefined;

  constructor(settings: PublisherSettings) {
    this.#settings = settings;
  }

  publish(request: PublishRequest, signal: AbortSignal): Promise<PublishResult> {
    if (this.#isClosed) return Promise.resolve(failed("the store is closed"));
    if (!isLarge(request.chunks)) return this.#enqueue(request, false, signal);
    const copied = copiedInTurns(request.chunks, signal);
    const forget = () => void this.#copying.delete(copied);
    this.#copying.add(copied);
    copied.then(forget, forget);
    return copied.then((chunks) => this.#enqueue({ ...request, chunks }, true, signal));
  }

  #enqueue(request: PublishRequest, isCopied: boolean, signal: AbortSignal): Promise<PublishResult> {
    const result = deferred<PublishResult>();
    const waiting: Waiting = {
      request,
      isCopied,
      signal,
      result,
      onAbort: () => {
        if (this.#queue.delete(waiting)) result.reject(signal.reason);
      },
    };
    signal.addEventListener("abort", waiting.onAbort, { once: true });
    this.#queue.add(waiting);
    this.#sendSoon();
    return result.promise;
  }

  forget(folders: readonly string[]): void {
    this.#worker?.postMessage({ kind: "forget", folders } satisfies ToWorker);
  }

  /** Waits for what has come, and takes nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#copying);
    const waiting = [...[...this.#sent.values()].flat(), ...this.#queue];
    await Promise.allSettled(waiting.map(({ result }) => result.promise));
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = deferred<void>();
    worker.once("exit", () => exited.resolve());
    worker.ref();
    worker.postMessage({ kind: "close" } satisfies ToWorker);
    await exited.promise;
  }

  #sendSoon(): void {
    if (this.#isSendingSoon) return;
    this.#isSendingSoon = true;
    queueMicrotask(() => {
      this.#isSendingSoon = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#queue.size === 0 || this.#sent.size >= BATCHES_UNDER_WAY_MAX) return;
    const waiting = [...this.#queue];
    this.#queue.clear();
    for (const { signal, onAbort } of waiting) signal.removeEventListener("abort", onAbort);
    const batch = this.#batches++;
    const requests = waiting.map(({ request, isCopied }) =>
      isCopied ? request : { ...request, chunks: sendable(request.chunks) },
    );
    const owned = requests.flatMap(({ chunks }) => chunks.flatMap(({ buffer }) => ownBuffer(buffer)));
    try {
      this.#worker ??= this.#start();
      // Only work under way keeps the process alive.
      this.#worker.ref();
      this.#worker.postMessage({ kind: "publish", batch, requests } satisfies ToWorker, owned);
      this.#sent.set(batch, waiting);
    } catch (error) {
      // No further thread can be had.
      for (const { result } of waiting) result.resolve(failed(describeError(error)));
    }
  }

  #start(): Worker {
    // What a thread that died has left unfinished stays in the way of no other.
    const threads = this.#threads++;
    const runPrefix = threads === 0 ? this.#settings.runPrefix : `${this.#settings.runPrefix}${threads}-`;
    const workerData: PublisherSettings = { ...this.#settings, runPrefix };
    const worker = new Worker(new URL("./publisher-worker.ts", import.meta.url), { workerData });
    worker.on("message", ({ batch, results }: FromWorker) => this.#receive(batch, results));
    worker.on("error", (error) => this.#fail(worker, `the store's thread has died: ${error.message}`));
    worker.on("exit", () => this.#fail(worker, "the store's thread has ended"));
    return worker;
  }

  #receive(batch: number, results: readonly PublishResult[]): void {
    const waiting = this.#sent.get(batch) ?? [];
    this.#sent.delete(batch);
    this.#send();
    if (this.#sent.size === 0) this.#worker?.unref();
    for (const [index, { result }] of waiting.entries()) {
      result.resolve(results[index] ?? failed("the store's thread gave no result"));
    }
  }

  /** The next object begins another thread; what this one had may have been published or not. */
  #fail(worker: Worker, message: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = [...this.#sent.values()].flat();
    this.#sent.clear();
    for (const { result } of lost) result.resolve(failed(message));
    this.#send();
  }
}

function failed(message: string): PublishResult {
  return { kind: "failed", code: "EIO", message };
}

/** Shared memory goes by reference; other chunks are joined, for the whole memory around a view would be copied with it. */
function sendable(chunks: readonly Uint8Array[]): readonly Uint8Array<ArrayBufferLike>[] {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1 && isSharedPages(first)) return chunks;
  return [joinChunks(chunks)];
}

/** To copy a segment of 128 MiB in one turn would hold up everybody for a tenth of a second. */
function isLarge(chunks: readonly Uint8Array[]): boolean {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1 && isSharedPages(first)) return false;
  return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) > 2 * PUBLISH_PIECE_BYTES;
}

/** Copies of the bytes, a piece in each turn of the event loop. Rejects with the signal's reason. */
async function copiedInTurns(chunks: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Uint8Array[]> {
  let left = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const pieces: Uint8Array[] = [];
  let piece = new Uint8Array(Math.min(left, PUBLISH_PIECE_BYTES));
  let at = 0;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.byteLength; ) {
      const part = chunk.subarray(from, from + piece.byteLength - at);
      piece.set(part, at);
      from += part.byteLength;
      at += part.byteLength;
      if (at < piece.byteLength) continue;
      pieces.push(piece);
      left -= at;
      piece = new Uint8Array(Math.min(left, PUBLISH_PIECE_BYTES));
      at = 0;
      await setImmediate();
      signal.throwIfAborted();
    }
  }
  return pieces;
}

function ownBuffer(buffer: ArrayBufferLike): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}
