import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";

// DynamoDB and S3 as far as a function asks them, in memory and without their time: what is left of an ack is ours.

interface Item {
  readonly journal: { readonly S: string };
  readonly seq: { readonly N: string };
}

interface Answer {
  readonly status: number;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class InstantServices implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #items = new Map<string, Item[]>();
  readonly #objects = new Map<string, Buffer>();
  /** The only one that is there. */
  readonly #table: string;
  /** Requests so far. */
  requests = 0;

  private constructor(table: string) {
    this.#table = table;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start({ table }: { readonly table: string }): Promise<InstantServices> {
    const services = new InstantServices(table);
    await once(services.#server.listen(0, "127.0.0.1"), "listening");
    return services;
  }

  /** For AWS_ENDPOINT_URL. */
  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the services are closed");
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const target = request.headers["x-amz-target"];
    const answer =
      typeof target === "string" ? this.#askTable(target, JSON.parse(body.toString())) : this.#askBucket(request, body);
    const headers = typeof target === "string" ? { "content-type": "application/x-amz-json-1.0" } : {};
    response.writeHead(answer.status, { ...headers, ...answer.headers }).end(answer.body);
  }

  // biome-ignore lint/suspicious/noExplicitAny: requests of the SDK's own making
  #askTable(target: string, input: any): Answer {
    if (input.TableName !== this.#table) {
      return { status: 400, body: JSON.stringify({ __type: "ResourceNotFoundException", message: "No such table" }) };
    }
    if (target.endsWith(".PutItem")) return this.#putItem(input.Item);
    if (!target.endsWith(".Query"))
      return { status: 400, body: JSON.stringify({ __type: "UnknownOperationException" }) };
    const values = input.ExpressionAttributeValues ?? {};
    const journal = Object.values<{ S?: string }>(values).find(({ S }) => S !== undefined)?.S ?? "";
    const from = Object.values<{ N?: string }>(values).find(({ N }) => N !== undefined)?.N ?? "0";
    const items = (this.#items.get(journal) ?? []).filter(({ seq }) => Number(seq.N) >= Number(from));
    if (input.ScanIndexForward === false) items.reverse();
    return ok({ Items: items.slice(0, input.Limit ?? items.length) });
  }

  #putItem(item: Item): Answer {
    const items = this.#items.get(item.journal.S) ?? [];
    this.#items.set(item.journal.S, items);
    const existing = items.find(({ seq }) => seq.N === item.seq.N);
    if (existing === undefined) {
      items.push(item);
      return ok({});
    }
    const __type = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    return { status: 400, body: JSON.stringify({ __type, message: "The conditional request failed", Item: existing }) };
  }

  #askBucket({ method, url = "", headers }: IncomingMessage, body: Buffer): Answer {
    const [path = "", query = ""] = url.split("?");
    if (method === "PUT") {
      if (this.#objects.has(path)) return { status: 412, body: "<Error><Code>PreconditionFailed</Code></Error>" };
      this.#objects.set(path, body);
      return { status: 200, body: "", headers: { etag: '"1"' } };
    }
    if (method === "POST" && /(?:^|&)delete(?:=|&|$)/.test(query)) return this.#deleteAll(path, body.toString());
    if (query.includes("list-type=2")) return this.#list(path, new URLSearchParams(query));
    const object = this.#objects.get(path);
    if (object === undefined) return { status: 404, body: "<Error><Code>NoSuchKey</Code></Error>" };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (from === undefined) return { status: 200, body: object };
    return { status: 206, body: object.subarray(Number(from), Number(to) + 1) };
  }

  #deleteAll(path: string, xml: string): Answer {
    const bucket = path.replace(/\/$/, "");
    for (const [, key = ""] of xml.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      for (const place of this.#objects.keys()) {
        if (decodeURIComponent(place) === `${bucket}/${key}`) this.#objects.delete(place);
      }
    }
    return { status: 200, body: "<DeleteResult></DeleteResult>" };
  }

  #list(path: string, query: URLSearchParams): Answer {
    const bucket = `${path.replace(/\/$/, "")}/`;
    const from = query.get("continuation-token") ?? query.get("start-after") ?? "";
    const found = [...this.#objects]
      .filter(([place]) => place.startsWith(bucket))
      .map(([place, { byteLength }]) => ({ key: decodeURIComponent(place.slice(bucket.length)), byteLength }))
      .filter(({ key }) => key.startsWith(query.get("prefix") ?? "") && key > from)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const page = found.slice(0, Number(query.get("max-keys") ?? 1_000));
    const isTruncated = page.length < found.length;
    const next = isTruncated ? `<NextContinuationToken>${page.at(-1)?.key}</NextContinuationToken>` : "";
    const contents = page.map(({ key, byteLength }) => {
      const when = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>";
      return `<Contents><Key>${key}</Key>${when}<Size>${byteLength}</Size></Contents>`;
    });
    const parts = `<IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join("")}`;
    return { status: 200, body: `<ListBucketResult>${parts}</ListBucketResult>` };
  }
}

function ok(answer: object): Answer {
  return { status: 200, body: JSON.stringify(answer) };
}
