import { timeLimit } from "#lib/runtime/deadline.ts";
import { HTTP_PRODUCE_STREAMS_MAX, HTTP_V3_RECORDS_MAX } from "#lib/util/limits.ts";
import { readBody } from "./body.ts";
import type { Call } from "./endpoint.ts";
import { httpErrorFrom } from "./error-table.ts";
import { errorBody, HttpError } from "./http-error.ts";
import { JSON_TYPE } from "./media-types.ts";
import { JsonObjects, slicesOf } from "./v3-json-objects.ts";
import { produceEach, type RecordReport } from "./v3-produce.ts";
import { RecordIntake, type RecordRun, recordsIn } from "./v3-record-intake.ts";

// Records that are sent one behind the other, each answered by an object of its own, in their order:
//
//   client  {"value":{...}}{"value":{...}}            {"valve":{...}}    ... as long as it likes
//   answer        {"error_code":200,...,"offset":12}\n{"error_code":200,...}\n   {"error_code":422,"message":"..."}\n
//
// A body that comes in chunks (HTTP/1.1) is answered while it is being sent: one group of records is written at a time, and
// what comes meanwhile is the next group. The next one begins when the client has taken the answers of the last, so that
// a client that does not read is not read from either. Every other body is answered as a whole.

const encoder = new TextEncoder();
const HEADERS = { "content-type": JSON_TYPE, "x-accel-buffering": "no" };

type ProduceCall = Pick<Call, "principal" | "request" | "runtime" | "signal">;

export function isSentInChunks({ headers }: Request): boolean {
  return /\bchunked\b/i.test(headers.get("transfer-encoding") ?? "");
}

/**
 * Writes all the records of a body. A body of one record is answered with the status of that record, so that who sends one
 * need look no further; more are 200, whatever becomes of each.
 */
export async function produceBody(topicName: string, call: ProduceCall): Promise<Response> {
  const { request, runtime, signal } = call;
  const { bodies, settings } = runtime;
  using received = await readBody(request, settings.bodyBytesMax, bodies, signal);
  const objects = new JsonObjects(settings.bodyBytesMax);
  const found: Uint8Array[] = [];
  for (const slice of slicesOf(received.bytes)) {
    found.push(...objects.push(slice));
    if (found.length > HTTP_V3_RECORDS_MAX) throw tooMany();
  }
  objects.end();
  const run = recordsIn(found, objects.failure);
  if (run.records.length === 0) {
    throw run.failure ?? new HttpError({ status: 422, message: "The body has no record." });
  }
  const results = await produceEach(run.records, topicName, call);
  const [only] = results;
  if (only instanceof HttpError && results.length === 1 && run.failure === undefined) throw only;
  return new Response(answerText(results, run), { headers: HEADERS });
}

/** The same for a body that is still being sent; the answer goes on until the body ends, or sends nothing for too long. */
export function produceStream(topicName: string, call: ProduceCall): Response {
  if (call.runtime.streams.producing >= HTTP_PRODUCE_STREAMS_MAX) {
    const message = `This process takes ${HTTP_PRODUCE_STREAMS_MAX} streams of records already; send bodies with a length.`;
    throw new HttpError({ status: 503, errorCode: 50303, message, headers: { "retry-after": "5" } });
  }
  if (call.request.body === null) return new Response(null, { headers: HEADERS });
  const steps = new ProduceSteps(topicName, call, new RecordIntake(call.request.body));
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await steps.next();
        if (steps.isLeft) return;
        if (text === undefined) controller.close();
        else controller.enqueue(encoder.encode(text));
      },
      cancel: () => steps.leave(),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
}

/** An open stream of records, group by group. */
class ProduceSteps {
  readonly #topicName: string;
  readonly #call: ProduceCall;
  readonly #intake: RecordIntake;
  readonly #gone = new AbortController();
  #isOpen = true;
  #hasLostKey = false;

  constructor(topicName: string, call: ProduceCall, intake: RecordIntake) {
    this.#topicName = topicName;
    this.#call = call;
    this.#intake = intake;
    call.runtime.streams.producing += 1;
    call.runtime.stopping.addEventListener("abort", this.#stop, { once: true });
    call.request.signal.addEventListener("abort", this.leave, { once: true });
  }

  /** The client has gone: nobody hears an answer. */
  get isLeft(): boolean {
    return this.#gone.signal.aborted;
  }

  readonly leave = (): void => {
    this.#gone.abort();
    this.#end();
  };

  /** The answers to the next group; undefined when the stream is over. Never rejects. */
  async next(): Promise<string | undefined> {
    const { broker, settings } = this.#call.runtime;
    const idle = broker.clock.schedule(settings.requestMsMax, this.#stop);
    const run = await this.#intake.take();
    idle.cancel();
    if (run === undefined || this.isLeft || this.#hasLostKey) {
      this.#end();
      return undefined;
    }
    return answerText(run.records.length === 0 ? [] : await this.#write(run), run);
  }

  async #write({ records }: RecordRun): Promise<readonly (RecordReport | HttpError)[]> {
    const { principal, runtime } = this.#call;
    using limit = timeLimit(runtime.broker.clock, runtime.settings.requestMsMax, this.#gone.signal);
    try {
      // The stream may outlive its key: then this is its last group.
      await principal.requireValid?.().catch((error: unknown) => {
        this.#hasLostKey = true;
        this.#stop();
        throw error;
      });
      return await produceEach(records, this.#topicName, { principal, runtime, signal: limit.signal });
    } catch (error) {
      return records.map(() => httpErrorFrom(error));
    }
  }

  readonly #stop = (): void => this.#intake.stop();

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { request, runtime } = this.#call;
    runtime.streams.producing -= 1;
    runtime.stopping.removeEventListener("abort", this.#stop);
    request.signal.removeEventListener("abort", this.leave);
    this.#intake.stop();
  }
}

function answerText(results: readonly (RecordReport | HttpError)[], { failure }: RecordRun): string {
  const lines = results.map((result) =>
    JSON.stringify(result instanceof HttpError ? errorBody("v3", result) : { error_code: 200, ...result }),
  );
  if (failure !== undefined) lines.push(JSON.stringify(errorBody("v3", failure)));
  return `${lines.join("\n")}\n`;
}

function tooMany(): HttpError {
  const message = `The body has more than ${HTTP_V3_RECORDS_MAX} records, and no more are taken: send it in chunks.`;
  return new HttpError({ status: 413, errorCode: 41301, message });
}
