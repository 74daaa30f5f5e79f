import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";

// Lambda's Runtime API, version 2018-06-01, as the process inside an execution environment sees it:
//
//   GET  invocation/next             the next event, when there is one; its id and deadline are in the headers
//   POST invocation/<id>/response    the answer; `lambda-runtime-function-response-mode: streaming` while it is made
//   POST invocation/<id>/error       what the handler threw, as JSON
//   POST init/error                  the handler could not be loaded
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

const PREFIX = "/2018-06-01/runtime/";

export interface Work {
  readonly id: string;
  readonly event: unknown;
  readonly deadlineMs: number;
  readonly functionArn: string;
}

export interface Answer {
  readonly kind: "answered";
  readonly body: Buffer;
  readonly isStreamed: boolean;
  readonly contentType: string | undefined;
}

export interface Failure {
  readonly kind: "failed";
  readonly errorType: string;
  readonly errorMessage: string;
}

export type Outcome = Answer | Failure;

/** What happens on the other side of the API. */
export interface RuntimeEvents {
  /** The process asks for work; it waits until `give` is called. */
  onReady(): void;
  onChunk(id: string, chunk: Buffer): void;
  onOutcome(id: string, outcome: Outcome): void;
  onInitError(failure: Failure): void;
}

/** Serves one execution environment on a port of its own. */
export class RuntimeApi implements AsyncDisposable {
  readonly #events: RuntimeEvents;
  readonly #server: http.Server;
  #waiting: ServerResponse | undefined;

  private constructor(events: RuntimeEvents) {
    this.#events = events;
    this.#server = http.createServer((request, response) => {
      // A process that dies in the middle cuts its request; its exit tells more than that.
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(events: RuntimeEvents): Promise<RuntimeApi> {
    const api = new RuntimeApi(events);
    await once(api.#server.listen(0, "127.0.0.1"), "listening");
    return api;
  }

  /** For AWS_LAMBDA_RUNTIME_API. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the Runtime API is closed");
    return `127.0.0.1:${address.port}`;
  }

  get isAskedForWork(): boolean {
    return this.#waiting !== undefined;
  }

  give(work: Work): void {
    if (this.#waiting === undefined) throw new Error("nobody asks for work");
    this.#waiting.writeHead(200, {
      "content-type": "application/json",
      "lambda-runtime-aws-request-id": work.id,
      "lambda-runtime-deadline-ms": String(work.deadlineMs),
      "lambda-runtime-invoked-function-arn": work.functionArn,
      "lambda-runtime-trace-id": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
    });
    this.#waiting.end(JSON.stringify(work.event));
    this.#waiting = undefined;
  }

  /** The process is gone; its open question with it. */
  forget(): void {
    this.#waiting = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.startsWith(PREFIX) === true ? request.url.slice(PREFIX.length) : "";
    if (request.method === "GET" && path === "invocation/next") {
      this.#waiting = response;
      this.#events.onReady();
      return;
    }
    const [scope = "", id = "", what = ""] = path.split("/");
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk);
      if (what === "response") this.#events.onChunk(id, chunk);
    }
    const body = Buffer.concat(chunks);
    // The outcome counts once its bytes are here, but the process must not ask for more before it knows that they are.
    response.writeHead(202, { "content-type": "application/json" }).end('{"status":"OK"}\n');
    if (scope === "init") this.#events.onInitError(failureIn(body.toString()));
    else if (what === "error") this.#events.onOutcome(id, failureIn(body.toString()));
    else if (what === "response") this.#events.onOutcome(id, answerIn(request, body));
  }
}

function answerIn(request: IncomingMessage, body: Buffer): Outcome {
  // A handler that fails in the middle of its stream says so in the trailers.
  const errorType = request.trailers["lambda-runtime-function-error-type"];
  if (errorType !== undefined) {
    const details = request.trailers["lambda-runtime-function-error-body"] ?? "";
    return failureIn(Buffer.from(details, "base64").toString());
  }
  const isStreamed = request.headers["lambda-runtime-function-response-mode"] === "streaming";
  return { kind: "answered", body, isStreamed, contentType: request.headers["content-type"] };
}

function failureIn(json: string): Failure {
  const error: unknown = JSON.parse(json);
  const text = (name: string): string => {
    const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
    return typeof value === "string" ? value : "";
  };
  return { kind: "failed", errorType: text("errorType"), errorMessage: text("errorMessage") };
}

export interface StreamedResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  readonly body: Buffer;
}

/** Reads what `awslambda.HttpResponseStream.from` writes: status and headers as JSON, eight zero bytes, the body. */
export function splitStreamed(bytes: Buffer): StreamedResponse {
  const end = bytes.indexOf(Buffer.alloc(8));
  if (end < 0) throw new Error("no eight zero bytes, so no prelude");
  const { statusCode = 200, headers = {}, cookies = [] } = JSON.parse(bytes.subarray(0, end).toString());
  return { statusCode, headers, cookies, body: bytes.subarray(end + 8) };
}
