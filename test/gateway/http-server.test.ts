import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HttpServer } from "#lib/gateway/http-server.ts";
import { ListenError } from "#lib/gateway/listen-error.ts";
import { OPEN_ACCESS } from "#lib/http/access.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { prometheusText } from "#lib/runtime/prometheus-text.ts";
import { figure } from "../http/http-world.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";

let broker: MemoryBroker;

beforeAll(async () => {
  broker = await startMemoryBroker();
});

afterAll(() => broker[Symbol.asyncDispose]());

function newServer(port = 0, limits: { readonly headersMsMax?: number; readonly idleMsMax?: number } = {}) {
  const telemetry = new MetricRegistry();
  const settings = { listener: { host: "127.0.0.1", port }, connectionsMax: 100, ...limits };
  const server = new HttpServer(settings, { broker: broker.broker.services, auth: OPEN_ACCESS, telemetry });
  return { server, telemetry };
}

/** Sends bytes as they are; what comes back until the server ends the connection. */
function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

test("requests over TCP are answered on connections that stay", async () => {
  const { server } = newServer();
  const port = await server.start();
  const url = `http://127.0.0.1:${port}`;
  const headers = { "content-type": "application/vnd.kafka.json.v2+json" };
  const produced = await fetch(`${url}/topics/tcp`, { method: "POST", headers, body: '{"records":[{"value":1}]}' });
  expect([produced.status, await produced.json()]).toMatchObject([200, { offsets: [{ offset: 0 }] }]);
  const read = await fetch(`${url}/v1/topics/tcp/partitions/0/records`);
  expect(await read.json()).toMatchObject({ next_offset: 1 });
  await server.stop(AbortSignal.timeout(2_000));
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
});

test.each([
  ["no HTTP", "what is this\r\n\r\n", 400],
  ["no Host", "GET /topics HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
  ["a broken Host", "GET /topics HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n", 400],
  ["headers without end", `GET /topics HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
])("%s is refused with a body", async (_, text, status) => {
  const { server } = newServer();
  const port = await server.start();
  const answer = await sendRaw(port, text);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain(`"error_code":${status}`);
  await server.stop(AbortSignal.timeout(2_000));
});

test("what follows a stream on its connection and is no HTTP is no part of the stream", async () => {
  const { server } = newServer();
  const port = await server.start();
  const request = "GET /v1/topics/tcp/partitions/0/records HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
  const socket = connect(port, "127.0.0.1", () => socket.write(request));
  // The server may have closed it before the last of these writes.
  socket.on("error", () => {});
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString();
    if (answer.includes(": open") && !answer.includes("id: 0")) return;
    socket.write("what is this\r\n\r\n");
  });
  await new Promise((resolve) => socket.on("close", resolve));
  expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200"]);
  await server.stop(AbortSignal.timeout(2_000));
});

test.each([
  [
    "headers that do not come to their end",
    { headersMsMax: 100 },
    "GET /healthz HTTP/1.1\r\nHost: a\r\nX",
    /^HTTP\/1.1 408 /,
  ],
  ["nothing at all", { headersMsMax: 100 }, "", /^HTTP\/1.1 408 /],
  [
    "a body that does not come",
    { idleMsMax: 100 },
    "POST /topics/tcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    /^$/,
  ],
])("a connection that sends %s is cut", async (_, limits, text, answer) => {
  const { server } = newServer(0, limits);
  const port = await server.start();
  expect(await sendRaw(port, text)).toMatch(answer);
  await server.stop(AbortSignal.timeout(2_000));
});

test("stopping ends waits and streams at once, and a second listener is refused", async () => {
  const { server } = newServer();
  const port = await server.start();
  await expect(newServer(port).server.start()).rejects.toThrow(ListenError);
  const url = `http://127.0.0.1:${port}/v1/topics/tcp/partitions/0/records`;
  const waiting = fetch(`${url}?offset=latest&timeout=20000`);
  const stream = await fetch(url, { headers: { accept: "text/event-stream" } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const startMs = performance.now();
  await server.stop(AbortSignal.timeout(5_000));
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect((await waiting).status).toBe(200);
  expect(await stream.text()).toContain("id: 0");
});

test("a client that does not read its stream is not read for", async () => {
  const { server, telemetry } = newServer();
  const port = await server.start();
  const path = "/v1/topics/unread/partitions/0/records";
  const headers = { "content-type": "application/octet-stream" };
  const batch = buildBatch([{ timestampMs: 1, key: null, value: Buffer.alloc(900_000) }]);
  for (let at = 0; at < 40; at++) {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers,
      body: Buffer.from(batch),
    });
    expect(status).toBe(200);
  }
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
  let recordsRead = 0;
  const hasSettled = () => {
    const last = recordsRead;
    recordsRead = figure(telemetry, "millrace_fetched_records_total");
    return recordsRead > 0 && recordsRead === last;
  };
  await expect.poll(hasSettled, { interval: 200, timeout: 5_000 }).toBe(true);
  // The sockets of this machine hold a few of them.
  expect(recordsRead).toBeLessThan(15);
  socket.destroy();
  await server.stop(AbortSignal.timeout(2_000));
});

test("a client that hangs up ends its wait", async () => {
  const { server, telemetry } = newServer();
  const port = await server.start();
  const leaving = new AbortController();
  const url = `http://127.0.0.1:${port}/v1/topics/tcp/partitions/0/records?offset=latest&timeout=20000`;
  const waiting = fetch(url, { signal: leaving.signal });
  await new Promise((resolve) => setTimeout(resolve, 100));
  leaving.abort();
  await expect(waiting).rejects.toThrow();
  await expect.poll(() => prometheusText(telemetry.samples())).toContain('method="GET",status="499"} 1');
  await server.stop(AbortSignal.timeout(2_000));
});

test("a client that hangs up ends its stream", async () => {
  const { server, telemetry } = newServer();
  const port = await server.start();
  const leaving = new AbortController();
  const url = `http://127.0.0.1:${port}/v1/topics/tcp/partitions/0/records`;
  await fetch(url, { headers: { accept: "text/event-stream" }, signal: leaving.signal });
  const streams = () => figure(telemetry, "millrace_http_streams");
  expect(streams()).toBe(1);
  leaving.abort();
  await expect.poll(streams).toBe(0);
  await server.stop(AbortSignal.timeout(2_000));
});
