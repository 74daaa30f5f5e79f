import { once } from "node:events";
import http from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../../support/seeded-random.ts";
import { FaultProxy } from "./proxy.ts";
import type { FaultRule } from "./rules.ts";

/** Remembers what it was asked and answers with the body that it got. */
class EchoServer implements AsyncDisposable {
  readonly received: { readonly line: string; readonly body: string; readonly headers: http.IncomingHttpHeaders }[] =
    [];
  readonly #server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("error", () => {});
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => this.#echo(request, response, Buffer.concat(chunks)));
  });

  async start(): Promise<string> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #echo({ method, url, headers }: http.IncomingMessage, response: http.ServerResponse, body: Buffer): void {
    this.received.push({ line: `${method} ${url}`, body: body.toString(), headers });
    response.writeHead(201, { "X-Echo": "yes", date: "Thu, 01 Jan 2026 00:00:00 GMT", "content-length": body.length });
    response.end(method === "HEAD" ? undefined : body);
  }
}

let server: EchoServer;
let proxy: FaultProxy;

beforeEach(async () => {
  server = new EchoServer();
  proxy = await FaultProxy.start({ target: await server.start() });
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const put = (body = "x", headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${proxy.url}/bucket/key?a=1`, { method: "PUT", body, headers });
const putItem = (): Promise<Response> =>
  fetch(proxy.url, { method: "POST", body: "{}", headers: { "x-amz-target": "DynamoDB_20120810.PutItem" } });

describe("without rules", () => {
  test("request and answer pass unchanged", async () => {
    const response = await put("hello", { "if-none-match": "*" });
    expect(response.status).toBe(201);
    expect(response.headers.get("x-echo")).toBe("yes");
    expect(response.headers.get("date")).toBe("Thu, 01 Jan 2026 00:00:00 GMT");
    expect(await response.text()).toBe("hello");
    expect(server.received).toMatchObject([
      { line: "PUT /bucket/key?a=1", body: "hello", headers: { "if-none-match": "*", host: new URL(proxy.url).host } },
    ]);
  });

  test("a body without a length arrives whole", async () => {
    const body = new ReadableStream({
      start(controller) {
        for (const part of ["one ", "two"]) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
    const response = await fetch(proxy.url, { method: "POST", body, duplex: "half" });
    expect(await response.text()).toBe("one two");
    expect(server.received[0]?.headers["content-length"]).toBe("7");
  });

  test("an answer to HEAD keeps its length and has no body", async () => {
    const response = await fetch(proxy.url, { method: "HEAD" });
    expect(response.status).toBe(201);
    expect(response.headers.get("content-length")).toBe("0");
  });

  test("a server that is not there looks like a cut connection", async () => {
    await server[Symbol.asyncDispose]();
    await expect(put()).rejects.toThrow("fetch failed");
    server = new EchoServer();
    await server.start();
  });
});

describe("faults", () => {
  test("a refusal has the form of S3's errors and nothing is passed on", async () => {
    proxy.add({ fault: "refuse", code: "SlowDown", match: "^PUT /bucket/" });
    const response = await put();
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("<Code>SlowDown</Code>");
    expect(server.received).toEqual([]);
  });

  test("a refusal of a request with a target has the form of DynamoDB's errors", async () => {
    proxy.add({ fault: "refuse", code: "ProvisionedThroughputExceededException", match: "PutItem$" });
    const response = await putItem();
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      __type: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    });
    expect(server.received).toEqual([]);
  });

  test("a rule may choose the status of its refusal", async () => {
    proxy.add({ fault: "refuse", code: "Anything", status: 507 });
    expect((await put()).status).toBe(507);
  });

  test("a lost request never reaches the server", async () => {
    proxy.add({ fault: "lose-request", times: 1 });
    await expect(put()).rejects.toThrow("fetch failed");
    await proxy.settled();
    expect(server.received).toEqual([]);
  });

  test("a lost answer belongs to a request that was carried out", async () => {
    proxy.add({ fault: "lose-answer", times: 1 });
    await expect(put("mine")).rejects.toThrow("fetch failed");
    expect(server.received.map(({ body }) => body)).toEqual(["mine"]);
  });

  test("a late write is carried out after its writer was cut off", async () => {
    proxy.add({ fault: "write-late", afterMs: 60, times: 1 });
    await expect(put("late")).rejects.toThrow("fetch failed");
    expect(server.received).toEqual([]);
    await proxy.settled();
    expect(server.received.map(({ body }) => body)).toEqual(["late"]);
  });

  test("an answer is cut after the bytes that the rule allows", async () => {
    proxy.add({ fault: "cut-answer", afterBytes: 4, times: 1 });
    const response = await put("0123456789");
    expect(response.status).toBe(201);
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("0123");
    await expect(reader?.read()).rejects.toThrow();
  });

  test("a request hangs until its client gives up", async () => {
    proxy.add({ fault: "hang", times: 1 });
    await expect(fetch(proxy.url, { signal: AbortSignal.timeout(50) })).rejects.toThrow("timeout");
    await proxy.settled();
    expect(server.received).toEqual([]);
  });

  test("a delay comes before the request is passed on", async () => {
    proxy.add({ fault: "delay", delayMs: [50, 60], times: 1 });
    const startedAtMs = performance.now();
    const response = put();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.received).toEqual([]);
    expect((await response).status).toBe(201);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(49);
  });

  test("a client that gives up during a delay does not stop its write", async () => {
    // Time enough for the request to come there, also on a busy machine.
    proxy.add({ fault: "delay", delayMs: 800, times: 1 });
    const signal = AbortSignal.timeout(400);
    await expect(fetch(proxy.url, { method: "PUT", body: "ghost", signal })).rejects.toThrow("timeout");
    await proxy.settled();
    expect(server.received.map(({ body }) => body)).toEqual(["ghost"]);
  });
});

describe("choice of a rule", () => {
  test("the first rule that matches decides, and only as often as it may", async () => {
    const refused = proxy.add({ fault: "refuse", code: "SlowDown", times: 2 });
    proxy.add({ fault: "refuse", code: "InternalError", times: 1 });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await put()).status);
    expect(statuses).toEqual([503, 503, 500, 201]);
    expect(refused.hits).toBe(2);
    expect(proxy.requests).toBe(4);
  });

  test("a seeded source gives the same faults again, about as many as the probability says", async () => {
    const target = await new EchoServer().start();
    const statuses = async (): Promise<number[]> => {
      const random = new SeededRandom(7);
      await using seeded = await FaultProxy.start({
        target,
        random: () => random.below(1_000_000) / 1_000_000,
        rules: [{ fault: "refuse", code: "SlowDown", probability: 0.3 }],
      });
      const found: number[] = [];
      for (let i = 0; i < 60; i++) found.push((await fetch(seeded.url)).status);
      return found;
    };
    const first = await statuses();
    expect(await statuses()).toEqual(first);
    const refused = first.filter((status) => status === 503).length;
    expect(refused).toBeGreaterThan(6);
    expect(refused).toBeLessThan(32);
  });

  test("a rule that makes no sense is refused where it is given", () => {
    const wrong: FaultRule = { fault: "delay", probability: 2 };
    expect(() => proxy.add(wrong)).toThrow();
    expect(() => proxy.add({ fault: "delay", match: "(" })).toThrow("is no regular expression");
  });
});

describe("control over HTTP", () => {
  const control = (method: string, body?: string): Promise<Response> =>
    fetch(`${proxy.url}/_faults`, { method, ...(body === undefined ? {} : { body }) });

  test("rules are set, added, shown with their hits, and removed", async () => {
    await control("PUT", '[{"fault": "refuse", "code": "SlowDown", "times": 1}]');
    await control("POST", '[{"fault": "delay", "match": "never"}]');
    expect((await put()).status).toBe(503);
    expect(await (await control("GET")).json()).toMatchObject([
      { fault: "refuse", code: "SlowDown", times: 1, hits: 1 },
      { fault: "delay", match: "never", hits: 0 },
    ]);
    expect(await (await control("DELETE")).json()).toEqual([]);
    expect((await put()).status).toBe(201);
  });

  test("what cannot be a rule is answered with the reason, and the old rules stay", async () => {
    proxy.add({ fault: "refuse", code: "SlowDown" });
    for (const body of ["{", "{}", '[{"fault": "explode"}]', '[{"fault": "delay", "delay": 3}]']) {
      const response = await control("PUT", body);
      expect(response.status).toBe(400);
      expect(await response.text()).not.toBe("");
    }
    expect((await put()).status).toBe(503);
  });
});
