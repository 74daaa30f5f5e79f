import { FETCHED_RECORDS } from "#lib/runtime/metrics.ts";
import type { Offset } from "#lib/util/branded.ts";
import { HTTP_HEARTBEAT_MS, HTTP_STREAM_BYTES, HTTP_STREAMS_MAX } from "#lib/util/limits.ts";
import type { HttpPrincipal } from "./access.ts";
import { httpErrorFrom } from "./error-table.ts";
import { offsetBehind, type PartitionRead, readPartition, recordsFrom } from "./fetch-records.ts";
import { errorBody, HttpError } from "./http-error.ts";
import type { HttpRuntime } from "./http-services.ts";
import { EVENT_STREAM_TYPE } from "./media-types.ts";
import { recordJson } from "./record-json.ts";

// Server-sent events (WHATWG HTML, section 9.2). One event a record:
//
//   id: 12                       the record's offset; a client that comes back sends it as Last-Event-ID
//   data: {"offset":12,...}
//
//   : waiting                    a comment, when there was nothing for a while
//
//   event: failure               the last one, if the stream cannot go on
//   data: {"error_code":40401,"message":"..."}
//
// Records are read when the connection has room, one step at a time: a client that does not read holds one step's text, and
// nothing waits for it.

const encoder = new TextEncoder();

/** What a stream reads on from step to step, and for whom: it may outlive a key. */
export interface StreamedRead extends Omit<PartitionRead, "bytesMax" | "waitMs"> {
  readonly principal: HttpPrincipal;
}

const HEADERS: Readonly<Record<string, string>> = {
  "content-type": EVENT_STREAM_TYPE,
  "cache-control": "no-cache, no-transform",
  // nginx would hold events back.
  "x-accel-buffering": "no",
};

export function eventStreamResponse(read: StreamedRead, runtime: HttpRuntime, request: Request): Response {
  const { streams } = runtime;
  // Its body would be dropped without a word, and the stream would stay open.
  if (request.method === "HEAD") return new Response(null, { headers: HEADERS });
  if (streams.count >= HTTP_STREAMS_MAX) {
    const message = `This process has ${HTTP_STREAMS_MAX} event streams open; try again later or fetch by long poll.`;
    throw new HttpError({ status: 503, errorCode: 50303, message, headers: { "retry-after": "5" } });
  }
  const steps = new EventSteps(read, runtime);
  let isOpen = true;
  let isCancelled = false;
  streams.count += 1;
  const end = (): void => {
    if (isOpen) streams.count -= 1;
    isOpen = false;
    steps.stop();
  };
  // Nothing is read before somebody asks for it.
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await steps.next();
        if (text !== undefined) {
          controller.enqueue(encoder.encode(text));
          return;
        }
        end();
        if (!isCancelled) controller.close();
      },
      cancel() {
        isCancelled = true;
        end();
      },
    },
    { highWaterMark: 0 },
  );
  // A front that drops the body without cancelling it still says that the client has gone.
  request.signal.addEventListener("abort", end, { once: true });
  if (request.signal.aborted) end();
  return new Response(body, { headers: HEADERS });
}

/** The text of a stream, step by step. */
class EventSteps {
  readonly #runtime: HttpRuntime;
  readonly #gone = new AbortController();
  readonly #endsAtMs: number;
  #read: StreamedRead;
  #hasBegun = false;
  #hasFailed = false;

  constructor(read: StreamedRead, runtime: HttpRuntime) {
    this.#read = read;
    this.#runtime = runtime;
    const { streamMsMax = Number.POSITIVE_INFINITY } = runtime.settings;
    this.#endsAtMs = runtime.broker.clock.monotonicMs() + streamMsMax;
  }

  stop(): void {
    this.#gone.abort();
  }

  /** What to send next; undefined when the stream is over. Never rejects. */
  async next(): Promise<string | undefined> {
    // So that the headers go out at once.
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      return ": open\n\n";
    }
    const leftMs = this.#endsAtMs - this.#runtime.broker.clock.monotonicMs();
    if (this.#hasFailed || this.#gone.signal.aborted || this.#runtime.stopping.aborted || leftMs <= 0) return undefined;
    try {
      return await this.#step(Math.min(HTTP_HEARTBEAT_MS, leftMs));
    } catch (error) {
      if (this.#gone.signal.aborted) return undefined;
      this.#hasFailed = true;
      return `event: failure\ndata: ${JSON.stringify(errorBody("v1", httpErrorFrom(error)))}\n\n`;
    }
  }

  async #step(waitMs: number): Promise<string> {
    const { offset, principal } = this.#read;
    const read = { ...this.#read, bytesMax: HTTP_STREAM_BYTES, waitMs };
    await principal.requireValid?.();
    const { bytes } = await readPartition(read, this.#runtime, this.#gone.signal);
    // What came after the key had gone is not for its holder.
    await principal.requireValid?.();
    const events: string[] = [];
    let next = offsetBehind(bytes, offset);
    let length = 0;
    for (const record of recordsFrom(bytes, offset)) {
      // Few compressed bytes may hold very many records: the rest is the next step's.
      if (length > this.#runtime.settings.bodyBytesMax) {
        next = record.offset;
        break;
      }
      const event = eventOf(record.offset, recordJson(record));
      length += event.length;
      events.push(event);
    }
    this.#read = { ...this.#read, offset: next };
    if (events.length > 0) this.#runtime.telemetry.count(FETCHED_RECORDS, events.length);
    return events.length === 0 ? ": waiting\n\n" : events.join("");
  }
}

function eventOf(offset: Offset, data: string): string {
  return `id: ${offset}\ndata: ${data}\n\n`;
}
