import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ArmedRule, type FaultRule, parseRules, refusal } from "./rules.ts";

// Makes a server on this machine as bad as a network and a cloud: it refuses, loses requests, loses answers of requests
// that were carried out, carries them out late, delays, and cuts answers short.
//
//   client --> proxy --> target
//              | the first rule that matches, has some of its times left and draws its probability decides
//
// `/_faults` over HTTP: GET shows the rules with their hits, PUT sets them (a JSON array), POST adds to them, DELETE
// removes them all.

const CONTROL_PATH = "/_faults";

export interface FaultProxyOptions {
  /** What stands behind the proxy, such as `http://127.0.0.1:4566`. */
  readonly target: string;
  /** On 127.0.0.1; a free one if absent. */
  readonly port?: number;
  readonly rules?: readonly FaultRule[];
  /** Numbers in [0, 1) for probabilities and delays; give a seeded source to repeat a run. */
  readonly random?: () => number;
}

/** Headers that belong to one connection, or that change because bodies are collected before they are passed on. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "expect",
]);

export class FaultProxy implements AsyncDisposable {
  readonly #target: URL;
  readonly #random: () => number;
  readonly #server: http.Server;
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #rules: ArmedRule[];
  /** Requests that came in, control requests not among them. */
  requests = 0;

  private constructor(options: FaultProxyOptions) {
    this.#target = new URL(options.target);
    this.#random = options.random ?? Math.random;
    this.#rules = (options.rules ?? []).map((rule) => new ArmedRule(rule));
    this.#server = http.createServer((request, response) => this.#accept(request, response));
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await once(proxy.#server.listen(options.port ?? 0, "127.0.0.1"), "listening");
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the fault proxy is closed");
    return `http://127.0.0.1:${address.port}`;
  }

  /** Adds a rule behind those that stand. The answer counts its hits. */
  add(rule: FaultRule): { readonly hits: number } {
    const armed = new ArmedRule(rule);
    this.#rules.push(armed);
    return armed;
  }

  /** These rules in place of all others. */
  set(...rules: readonly FaultRule[]): void {
    this.#rules = rules.map((rule) => new ArmedRule(rule));
  }

  clear(): void {
    this.#rules = [];
  }

  /** Resolves when no request is under way any more, late writes included. Hanging ones never end by themselves. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.settled();
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    // A failure on either side ends this exchange as it would without a proxy: the client sees its connection cut.
    const done = this.#serve(request, response).catch(() => void request.socket.destroy());
    this.#underWay.add(done);
    void done.finally(() => this.#underWay.delete(done));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await collect(request);
    if (request.url === CONTROL_PATH) return this.#control(request, response, body.toString());
    this.requests += 1;
    const target = header(request, "x-amz-target");
    const described = `${request.method} ${request.url} ${target}`.trimEnd();
    const armed = this.#rules.find((rule) => rule.takes(described, this.#random));
    if (armed === undefined) return this.#answer(request, response, body);
    await this.#sleep(armed.delayMs(this.#random));
    const { rule } = armed;
    switch (rule.fault) {
      case "delay":
        return this.#answer(request, response, body);
      case "refuse": {
        const { status, contentType, body } = refusal(rule.code, { isJson: target !== "", status: rule.status });
        response.writeHead(status, { "content-type": contentType }).end(request.method === "HEAD" ? "" : body);
        return;
      }
      case "lose-request":
        request.socket.destroy();
        return;
      case "lose-answer":
        await collect(await this.#passOn(request, body));
        request.socket.destroy();
        return;
      case "write-late":
        request.socket.destroy();
        await this.#sleep(rule.afterMs);
        await collect(await this.#passOn(request, body));
        return;
      case "cut-answer":
        return this.#answerInPart(request, response, { body, bytes: rule.afterBytes });
      case "hang":
        await Promise.race([once(request.socket, "close"), once(this.#closing.signal, "abort")]);
        return;
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const answer = await this.#passOn(request, body);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", ownHeadersRemoved(answer.rawHeaders));
    await pipeline(answer, response);
  }

  async #answerInPart(
    request: IncomingMessage,
    response: ServerResponse,
    { body, bytes }: { body: Buffer; bytes: number },
  ): Promise<void> {
    const answer = await this.#passOn(request, body);
    const whole = await collect(answer);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", ownHeadersRemoved(answer.rawHeaders));
    // The headers must be out before the cut, or the client would see a lost answer.
    response.flushHeaders();
    const part = whole.subarray(0, bytes);
    if (part.length > 0) await new Promise<void>((resolve) => void response.write(part, () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
    request.socket.destroySoon();
  }

  /** Whoever asked may be gone meanwhile: what is passed on is carried out to its end. */
  #passOn(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const headers = ownHeadersRemoved(request.rawHeaders);
    if (header(request, "transfer-encoding") !== "") headers.push("content-length", String(body.length));
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#target;
      const { method = "GET", url = "/" } = request;
      // A connection each: a kept one that the server is about to close would be a fault that nobody asked for.
      http.request({ hostname, port, method, path: url, headers, agent: false }, resolve).on("error", reject).end(body);
    });
  }

  #control(request: IncomingMessage, response: ServerResponse, body: string): void {
    try {
      if (request.method === "PUT") this.set(...parseRules(body));
      if (request.method === "POST") for (const rule of parseRules(body)) this.add(rule);
      if (request.method === "DELETE") this.clear();
    } catch (error) {
      response
        .writeHead(400, { "content-type": "text/plain" })
        .end(`${error instanceof Error ? error.message : error}\n`);
      return;
    }
    response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify(this.#rules)}\n`);
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#closing.signal });
  }
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
}

/** Names and values in turn, as they came, so that spelling and order survive. */
function ownHeadersRemoved(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (!OWN_HEADERS.has(name.toLowerCase())) kept.push(name, rawHeaders[at + 1] ?? "");
  }
  return kept;
}
