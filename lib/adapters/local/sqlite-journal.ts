import { Worker } from "node:worker_threads";
import type { AnswerTimes, AppendResult, Journal, JournalPage, ReadOptions } from "#lib/journal/journal.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import type { Deferred } from "#lib/runtime/deferred.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { describeError, type Logger, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { assert } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { JOURNAL_RECORD_BYTES_MAX, SQLITE_BUSY_MS_MAX } from "#lib/util/limits.ts";
import type {
  SqliteFailure,
  SqliteOperation,
  SqliteResult,
  WorkerMessage,
  WorkerSettings,
} from "./sqlite-journal-protocol.ts";
import { JournalFileError } from "./sqlite-journal-protocol.ts";

export interface SqliteJournalOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Hears of it when the journal's thread dies; silent by default. */
  readonly logger?: Logger;
  /** How long to wait for another process' lock on the file; 5 s by default. */
  readonly busyMsMax?: number;
  /** The file's size in pages of 4 KiB, for tests of a full disk. */
  readonly pagesMax?: number;
}

interface Waiting {
  readonly operation: SqliteOperation;
  readonly signal: AbortSignal;
  readonly result: Deferred<SqliteResult>;
}

/**
 * Journals in one SQLite file, which several processes may share. A thread of its own waits for the disk; whatever
 * queues meanwhile goes to it together, and all appends of such a batch are one transaction.
 */
export class SqliteJournal implements Journal, AsyncDisposable {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #worker: Worker;
  readonly #opened: Deferred<void> = deferred();
  readonly #exited: Deferred<void> = deferred();
  #queue: Waiting[] = [];
  #sent: readonly Waiting[] = [];
  #isScheduled = false;
  #isOpen = false;
  #closedBy: JournalUnavailableError | undefined;

  private constructor(options: SqliteJournalOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#logger = options.logger ?? SILENT_LOGGER;
    const settings: WorkerSettings = {
      path: options.path,
      busyMsMax: options.busyMsMax ?? SQLITE_BUSY_MS_MAX,
      pagesMax: options.pagesMax,
    };
    this.#worker = new Worker(new URL("./sqlite-journal-worker.ts", import.meta.url), { workerData: settings });
    this.#worker.on("message", (message: WorkerMessage) => this.#receive(message));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("its thread has ended")));
  }

  /** Opens the file, or creates it. Fails with `JournalFileError` or, if it is locked, `JournalUnavailableError`. */
  static async open(options: SqliteJournalOptions): Promise<SqliteJournal> {
    const journal = new SqliteJournal(options);
    try {
      await journal.#opened.promise;
      return journal;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  async append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    assert(bytes.byteLength <= JOURNAL_RECORD_BYTES_MAX, "the record is too large");
    const signedAtMs = this.#clock.nowMs();
    const result = await this.#run({ kind: "append", journal, seq, bytes }, signal);
    assert(result.kind === "appended" || result.kind === "conflict" || result.kind === "trimmed");
    return { ...result, ...this.#times(signedAtMs) };
  }

  async read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    const { from, recordsMax, bytesMax } = options;
    return this.#page({ kind: "read", journal, from, recordsMax, bytesMax }, signal);
  }

  async last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    return this.#page({ kind: "last", journal }, signal);
  }

  async trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    await this.#run({ kind: "trim", journal, upTo }, signal);
  }

  /** Waits for what was sent, fails what was not, and lets go of the file. */
  async close(): Promise<void> {
    this.#closedBy ??= unavailable("the journal is closed");
    this.#rejectAll(this.#queue.splice(0));
    this.#worker.ref();
    this.#worker.postMessage("close");
    await this.#exited.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #page(operation: SqliteOperation, signal: AbortSignal): Promise<JournalPage> {
    const signedAtMs = this.#clock.nowMs();
    const result = await this.#run(operation, signal);
    assert(result.kind === "page");
    return { records: result.records, isTruncated: result.isTruncated, ...this.#times(signedAtMs) };
  }

  async #run(operation: SqliteOperation, signal: AbortSignal): Promise<Exclude<SqliteResult, SqliteFailure>> {
    signal.throwIfAborted();
    if (this.#closedBy !== undefined) throw this.#closedBy;
    const waiting: Waiting = { operation, signal, result: deferred() };
    this.#queue.push(waiting);
    this.#schedule();
    const result = await abortable(waiting.result.promise, signal);
    if (result.kind === "failure") throw toError(result);
    return result;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#sent.length > 0) return;
    this.#isScheduled = true;
    // All that this turn of the event loop still brings joins the transaction.
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#sent.length > 0) return;
    // What was given up before it was sent never happens.
    this.#sent = this.#queue.filter(({ signal }) => !signal.aborted);
    this.#queue = [];
    if (this.#sent.length === 0) return;
    // Only work under way keeps the process alive.
    this.#worker.ref();
    this.#worker.postMessage(this.#sent.map(({ operation }) => operation));
  }

  #receive(message: WorkerMessage): void {
    if (message.kind !== "results") {
      if (message.kind === "opened") {
        this.#isOpen = true;
        this.#opened.resolve();
      } else this.#opened.reject(toError(message));
      this.#rest();
      return;
    }
    const answered = this.#sent;
    this.#sent = [];
    for (const [index, { result }] of answered.entries()) {
      const own = message.results[index];
      if (own !== undefined) result.resolve(own);
    }
    // At once, without another turn: what queued while the disk was busy has waited long enough.
    this.#send();
    if (this.#sent.length === 0) this.#rest();
  }

  /** A thread without work does not keep the process alive; one that is being closed does, until it has ended. */
  #rest(): void {
    if (this.#closedBy === undefined) this.#worker.unref();
  }

  #fail(cause: unknown): void {
    if (this.#closedBy === undefined && this.#isOpen) {
      // Callers are told that the journal is unavailable, which mostly passes by itself. This does not.
      const text = "the thread of the journal file has died: nothing can be committed any more, restart the broker";
      this.#logger.error(text, { path: this.#path, error: describeError(cause) });
    }
    this.#closedBy ??= unavailable("the journal's thread has died, restart the broker", cause);
    this.#opened.reject(this.#closedBy);
    this.#rejectAll([...this.#sent, ...this.#queue.splice(0)]);
    this.#sent = [];
    this.#exited.resolve();
  }

  #rejectAll(waiting: readonly Waiting[]): void {
    for (const { result } of waiting) result.reject(this.#closedBy);
  }

  #times(signedAtMs: TimestampMs): AnswerTimes {
    return { servedAtMs: this.#clock.nowMs(), signedAtMs };
  }
}

function toError(failure: SqliteFailure): Error {
  return failure.reason === "file" ? new JournalFileError(failure.message) : unavailable(failure.message);
}

function unavailable(message: string, cause?: unknown): JournalUnavailableError {
  return new JournalUnavailableError(message, { throttled: false, cause });
}
