import { deferred } from "#lib/runtime/deferred.ts";
import { HTTP_STREAMED_BYTES, HTTP_STREAMED_RECORD_BYTES_MAX, HTTP_STREAMED_RECORDS_MAX } from "#lib/util/limits.ts";
import { parseJsonBody } from "./body.ts";
import { describeIssues } from "./check-request.ts";
import { parseFaithfully } from "./faithful-json.ts";
import { HttpError } from "./http-error.ts";
import { JsonObjects, slicesOf } from "./v3-json-objects.ts";
import type { ReceivedRecord } from "./v3-produce.ts";
import { V3Record } from "./v3-record.ts";

// From the body of a produce request to records. As on the REST Proxy, JSON that is no record is an error in its place and
// the next record counts again; what is no JSON ends the body, for nobody knows where the next record would begin.

/** Records in their order, and what follows them that is none. */
export interface RecordRun {
  readonly records: readonly ReceivedRecord[];
  readonly failure: HttpError | undefined;
}

export function recordsIn(objects: readonly Uint8Array[], behind: HttpError | undefined): RecordRun {
  const records: ReceivedRecord[] = [];
  for (const bytes of objects) {
    try {
      records.push(recordOf(parseJsonBody(bytes, parseFaithfully)));
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return { records, failure: error };
    }
  }
  return { records, failure: behind };
}

function recordOf(value: unknown): ReceivedRecord {
  const result = V3Record.safeParse(value);
  return result.success
    ? result.data
    : new HttpError({ status: 422, message: describeIssues(result.error.issues, "record") });
}

/** Reads a body that is still being sent, a little ahead of whoever takes its records. */
export class RecordIntake {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #objects = new JsonObjects(HTTP_STREAMED_RECORD_BYTES_MAX);
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isEnded = false;
  #hasFailed = false;
  #changed = deferred<void>();

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
    // A body that breaks off ends like any other: its client has gone.
    this.#readAll()
      .catch(() => {})
      .finally(() => this.stop());
  }

  /** The next records, as many as have come, once there are any; undefined when all were taken. Never rejects. */
  async take(): Promise<RecordRun | undefined> {
    while (this.#queue.length === 0 && !this.#isEnded) await this.#changed.promise;
    if (this.#hasFailed) return undefined;
    const taken = this.#queue.splice(0, HTTP_STREAMED_RECORDS_MAX);
    for (const { byteLength } of taken) this.#queuedBytes -= byteLength;
    this.#change();
    const isLast = this.#isEnded && this.#queue.length === 0;
    const run = recordsIn(taken, isLast ? this.#objects.failure : undefined);
    this.#hasFailed = run.failure !== undefined;
    if (this.#hasFailed) this.stop();
    return this.#hasFailed || run.records.length > 0 ? run : undefined;
  }

  /** Reads no further; what has come can still be taken. */
  stop(): void {
    this.#isEnded = true;
    this.#reader.cancel().catch(() => {});
    this.#change();
  }

  async #readAll(): Promise<void> {
    while (!this.#isEnded && this.#objects.failure === undefined) {
      await this.#untilRoom();
      const { done, value } = await this.#reader.read();
      if (done) {
        // Broken off by us: what is left of a record is nobody's fault.
        if (!this.#isEnded) this.#objects.end();
        return;
      }
      for (const slice of slicesOf(value)) {
        await this.#untilRoom();
        this.#cut(slice);
      }
    }
  }

  async #untilRoom(): Promise<void> {
    while (this.#isFull() && !this.#isEnded) await this.#changed.promise;
  }

  #cut(slice: Uint8Array): void {
    for (const object of this.#objects.push(slice)) {
      this.#queue.push(object);
      this.#queuedBytes += object.byteLength;
    }
    this.#change();
  }

  #isFull(): boolean {
    return this.#queuedBytes >= HTTP_STREAMED_BYTES || this.#queue.length >= HTTP_STREAMED_RECORDS_MAX;
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = deferred();
    resolve();
  }
}
