import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { defined } from "#lib/util/assert.ts";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array;
  /** Cuts the connection when so many bytes of the body are out. */
  readonly cutAfterBytes?: number;
}

/** `silence`: never answers; `cut`: ends the connection instead of an answer. */
export type Behaviour = Answer | "silence" | "cut";

export const CREDENTIALS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };

/** A real HTTP server that answers as told: each request the next behaviour, the last one for ever. */
export class FakeService implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** Connections that the client ended while a request waited for its answer. */
  abandoned = 0;
  connections = 0;
  openConnections = 0;
  /** Refuses with 503 before the request's body has come. */
  answersAtOnce = false;
  readonly #server: Server;
  readonly #url: string;
  #behaviours: readonly Behaviour[];

  static async start(...behaviours: readonly Behaviour[]): Promise<FakeService> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FakeService(server, behaviours);
  }

  private constructor(server: Server, behaviours: readonly Behaviour[]) {
    const address = server.address();
    this.#server = server;
    this.#behaviours = behaviours;
    this.#url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    server.on("connection", (socket) => {
      this.connections++;
      this.openConnections++;
      socket.on("close", () => this.openConnections--);
    });
    server.on("request", (request, response) => this.#serve(request, response));
  }

  get last(): SeenRequest {
    return defined(this.requests.at(-1), "a request");
  }

  answer(...behaviours: readonly Behaviour[]): void {
    this.#behaviours = behaviours;
  }

  s3Client() {
    return newS3Client({ endpoint: this.#url, region: "us-east-1", credentials: CREDENTIALS });
  }

  dynamoDbClient() {
    return newDynamoDbClient({ endpoint: this.#url, region: "us-east-1", credentials: CREDENTIALS });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    const { answersAtOnce } = this;
    response.on("close", () => {
      if (!response.writableEnded) this.abandoned++;
    });
    if (answersAtOnce) {
      // Nobody reads the body: more of it than the connection holds stays with the client.
      response.writeHead(503, { "content-length": 0 }).end();
      return;
    }
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      this.requests.push({ method, path, headers, body: Buffer.concat(chunks) });
      const [behaviour = "cut", ...rest] = this.#behaviours;
      if (rest.length > 0) this.#behaviours = rest;
      behave(behaviour, response);
    });
  }
}

function behave(behaviour: Behaviour, response: ServerResponse): void {
  if (behaviour === "silence") return;
  if (behaviour === "cut") {
    response.socket?.destroy();
    return;
  }
  const { status = 200, headers = {}, body = "", cutAfterBytes } = behaviour;
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-length": bytes.byteLength, ...headers });
  if (cutAfterBytes === undefined) response.end(bytes);
  else response.write(bytes.subarray(0, cutAfterBytes), () => setTimeout(() => response.socket?.destroy(), 20));
}

export function s3Error(status: number, code: string): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>told so</Message></Error>`;
  return { status, body, headers: { "content-type": "application/xml" } };
}

export function dynamoDbError(status: number, code: string, fields: object = {}): Answer {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message: "told so", ...fields });
  return { status, body, headers: JSON_HEADERS };
}

export function dynamoDbAnswer(body: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { body: JSON.stringify(body), headers: { ...JSON_HEADERS, ...headers } };
}

const JSON_HEADERS = { "content-type": "application/x-amz-json-1.0" };
