import { Worker } from "node:worker_threads";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { isStored } from "#lib/storage/segments/compose-log.ts";
import { COMPOSED_TOGETHER_MAX } from "#lib/util/limits.ts";
import type { ComposeRequest, ComposeResult } from "./log-composer.ts";
import type { PublisherSettings } from "./object-publisher.ts";

export type ToComposer =
  | { readonly kind: "compose"; readonly requests: readonly ComposeRequest[] }
  | { readonly kind: "forget"; readonly folders: readonly string[] }
  | { readonly kind: "close" };

interface Waiting {
  readonly request: ComposeRequest;
  readonly result: Deferred<ComposeResult>;
}

/**
 * Makes logs in a thread of its own: they are large, and neither the event loop nor the small objects of producers wait for
 * them. Those that are asked for in one turn, or while the thread is busy, are made together (log-composer.ts). The thread
 * begins with the first log.
 */
export class ComposerThread implements AsyncDisposable {
  readonly #settings: PublisherSettings;
  readonly #queue: Waiting[] = [];
  #current: readonly Waiting[] = [];
  #isSendingSoon = false;
  #worker: Worker | undefined;
  #threads = 0;
  #isClosed = false;

  constructor(settings: PublisherSettings) {
    this.#settings = settings;
  }

  /**
   * Rejects with the signal's reason if it aborts before the work has begun; work that has begun goes on to its end, which
   * is waited for.
   */
  compose(request: ComposeRequest, signal: AbortSignal): Promise<ComposeResult> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#isClosed) return Promise.resolve(failed("the store is closed"));
    const result = deferred<ComposeResult>();
    const waiting: Waiting = { request, result };
    const giveUp = () => {
      const at = this.#queue.indexOf(waiting);
      if (at < 0) return;
      this.#queue.splice(at, 1);
      result.reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#queue.push(waiting);
    this.#sendSoon();
    return result.promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  forget(folders: readonly string[]): void {
    this.#worker?.postMessage({ kind: "forget", folders } satisfies ToComposer);
  }

  /** Waits for the logs that are being made; those that have not been begun are not made any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const { result } of this.#queue.splice(0)) result.resolve(failed("the store is closed"));
    await Promise.all(this.#current.map(({ result }) => result.promise));
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = deferred<void>();
    worker.once("exit", () => exited.resolve());
    worker.ref();
    worker.postMessage({ kind: "close" } satisfies ToComposer);
    await exited.promise;
  }

  #sendSoon(): void {
    if (this.#isSendingSoon) return;
    this.#isSendingSoon = true;
    setImmediate(() => {
      this.#isSendingSoon = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#current.length > 0) return;
    const next = this.#queue.splice(0, COMPOSED_TOGETHER_MAX);
    if (next.length === 0) {
      // Only work under way keeps the process alive.
      this.#worker?.unref();
      return;
    }
    try {
      this.#worker ??= this.#start();
      this.#worker.ref();
      const requests = next.map(({ request }) => sendable(request));
      this.#worker.postMessage({ kind: "compose", requests } satisfies ToComposer);
      this.#current = next;
    } catch (error) {
      // No further thread can be had.
      for (const { result } of next) result.resolve(failed(describeError(error)));
      this.#send();
    }
  }

  #start(): Worker {
    // Names of its own, beside those of the store's other thread and of one that died.
    const runPrefix = `${this.#settings.runPrefix}log${this.#threads++}-`;
    const workerData: PublisherSettings = { ...this.#settings, runPrefix };
    const worker = new Worker(new URL("./composer-worker.ts", import.meta.url), { workerData });
    worker.on("message", (results: readonly ComposeResult[]) => this.#settle(worker, results));
    worker.on("error", (error) => this.#fail(worker, `the store's thread has died: ${error.message}`));
    worker.on("exit", () => this.#fail(worker, "the store's thread has ended"));
    return worker;
  }

  #settle(worker: Worker, results: readonly ComposeResult[]): void {
    if (this.#worker !== worker) return;
    const done = this.#current;
    this.#current = [];
    this.#send();
    for (const [index, { result }] of done.entries()) {
      result.resolve(results[index] ?? failed("the store's thread gave no result"));
    }
  }

  #fail(worker: Worker, message: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = this.#current;
    this.#current = [];
    for (const { result } of lost) result.resolve(failed(message));
    this.#send();
  }
}

/** The whole memory around a view would be copied with it. */
function sendable({ recipe, ...target }: ComposeRequest): ComposeRequest {
  const runs = recipe.runs.map((run) => {
    const batches = new Uint8Array(run.batches);
    return isStored(run) ? { ...run, batches } : { ...run, batches, bytes: new Uint8Array(run.bytes) };
  });
  return { ...target, recipe: { ...recipe, runs } };
}

function failed(message: string): ComposeResult {
  return { kind: "failed", code: "EIO", message };
}
