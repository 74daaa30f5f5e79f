import { request } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { HttpServer } from "#lib/gateway/http-server.ts";
import { OPEN_ACCESS } from "#lib/http/access.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { HTTP_PRODUCE_STREAMS_MAX } from "#lib/util/limits.ts";
import { DeletableKey } from "./deletable-key.ts";
import { figure } from "./http-world.ts";
import { V3World } from "./v3-world.ts";

// Records that a client sends over a real connection while it reads their answers.

let v3: V3World;
let telemetry: MetricRegistry;
let server: HttpServer;
let port: number;

beforeAll(async () => {
  v3 = await V3World.start();
});

afterAll(() => v3[Symbol.asyncDispose]());

beforeEach(async () => {
  telemetry = new MetricRegistry();
  const settings = { listener: { host: "127.0.0.1", port: 0 }, connectionsMax: 1_000 };
  server = new HttpServer(settings, { broker: v3.world.broker.broker.services, auth: OPEN_ACCESS, telemetry });
  port = await server.start();
});

afterEach(() => server.stop(AbortSignal.timeout(1_000)));

interface Answer {
  readonly error_code: number;
  readonly offset?: number;
  readonly message?: string;
}

/** A body in chunks that is sent bit by bit. */
class RecordStream {
  readonly answers: Answer[] = [];
  status: number | undefined;
  isOver = false;
  readonly #request;

  constructor(topic: string) {
    const path = v3.path(`/topics/${topic}/records`);
    const headers = { "content-type": "application/json" };
    this.#request = request({ host: "127.0.0.1", port, path, method: "POST", headers }, (response) => {
      this.status = response.statusCode;
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) this.answers.push(JSON.parse(line));
      });
      response.on("end", () => {
        this.isOver = true;
      });
      response.on("error", () => {});
    });
    this.#request.on("error", () => {});
    this.#request.flushHeaders();
  }

  send(text: string): boolean {
    return this.#request.write(text);
  }

  end(): void {
    this.#request.end();
  }

  leave(): void {
    this.#request.destroy();
  }

  async answered(count: number): Promise<readonly number[]> {
    await expect.poll(() => this.answers.length, { timeout: 5_000 }).toBe(count);
    return this.answers.map(({ error_code }) => error_code);
  }

  async over(): Promise<void> {
    await expect.poll(() => this.isOver, { timeout: 5_000 }).toBe(true);
  }
}

const record = (data: unknown) => JSON.stringify({ value: { type: "JSON", data } });
const streams = () => figure(telemetry, "millrace_http_streams");

test("each record is answered while the client still sends", async () => {
  await v3.world.createTopic("live");
  const stream = new RecordStream("live");
  for (let at = 0; at < 3; at++) {
    stream.send(record(at));
    await stream.answered(at + 1);
    expect(stream.answers[at]).toMatchObject({ error_code: 200, topic_name: "live", offset: at });
  }
  expect([stream.status, stream.isOver, streams()]).toEqual([200, false, 1]);
  stream.end();
  await stream.over();
  await expect.poll(streams).toBe(0);
});

test("a record in pieces is answered when it is whole", async () => {
  await v3.world.createTopic("pieces");
  const stream = new RecordStream("pieces");
  const text = record("a long one");
  stream.send(`${record(1)}${text.slice(0, 10)}`);
  expect(await stream.answered(1)).toEqual([200]);
  stream.send(text.slice(10));
  expect(await stream.answered(2)).toEqual([200, 200]);
  stream.end();
  await stream.over();
});

test("a record of another form is an error in its place, and the stream goes on", async () => {
  await v3.world.createTopic("formed");
  const stream = new RecordStream("formed");
  stream.send(`${record(1)}{"valve":1}${record(2)}`);
  expect(await stream.answered(3)).toEqual([200, 422, 200]);
  stream.send(record(3));
  expect(await stream.answered(4)).toEqual([200, 422, 200, 200]);
  expect(stream.answers.map(({ offset }) => offset)).toEqual([0, undefined, 1, 2]);
  stream.end();
  await stream.over();
});

test.each([
  ["what is no JSON", '{"value":}'],
  ["what is no object", "1"],
])("%s is answered and ends the stream; what came before is written", async (_, text) => {
  const topic = `broken-${text.length}`;
  await v3.world.createTopic(topic);
  const stream = new RecordStream(topic);
  stream.send(`${record(1)}${text}${record(2)}`);
  expect(await stream.answered(2)).toEqual([200, 400]);
  await stream.over();
  const { body } = await v3.world.json(`/topics/${topic}/partitions/0/offsets`);
  expect(body.end_offset).toBe(1);
  await expect.poll(streams).toBe(0);
});

test("a body that ends within a record says so behind the others", async () => {
  await v3.world.createTopic("torn");
  const stream = new RecordStream("torn");
  stream.send(`${record(1)}{"value"`);
  stream.end();
  expect(await stream.answered(2)).toEqual([200, 400]);
  await stream.over();
});

test("a record beyond the limit of streams is 413 and ends the stream", async () => {
  await v3.world.createTopic("large");
  const stream = new RecordStream("large");
  stream.send(`${record(1)}{"value":{"type":"STRING","data":"`);
  for (let at = 0; at < 5; at++) stream.send("x".repeat(600_000));
  expect(await stream.answered(2)).toEqual([200, 413]);
});

test("thousands of records come back in their order, each once", async () => {
  await v3.world.createTopic("many");
  const stream = new RecordStream("many");
  for (let at = 0; at < 50; at++) stream.send(Array.from({ length: 100 }, (_, i) => record(at * 100 + i)).join(""));
  stream.end();
  await stream.answered(5_000);
  expect(stream.answers.map(({ offset }) => offset)).toEqual(Array.from({ length: 5_000 }, (_, at) => at));
  await stream.over();
});

test("a topic that is deleted meanwhile is an error of the records that come then", async () => {
  await using closed = await V3World.start({ brokerConfigs: { "auto.create.topics.enable": "false" } });
  await closed.world.createTopic("going");
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const sent = new TransformStream<Uint8Array, Uint8Array>();
  const writer = sent.writable.getWriter();
  const path = closed.path("/topics/going/records");
  const init = { method: "POST", headers, body: sent.readable, duplex: "half" as const };
  const response = await closed.world.request(path, init);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => JSON.parse((await reader?.read())?.value ?? "null");
  void writer.write(Buffer.from(record(1)));
  expect(await next()).toMatchObject({ error_code: 200 });
  await closed.send("DELETE", "/topics/going");
  void writer.write(Buffer.from(record(2)));
  expect(await next()).toMatchObject({ error_code: 404 });
  await writer.close();
  expect(await reader?.read()).toMatchObject({ done: true });
});

test("a topic that is not there is refused before anything is read", async () => {
  const stream = new RecordStream("a+b");
  stream.send(record(1));
  await expect.poll(() => stream.status).toBe(400);
  stream.leave();
});

test("a client that leaves ends its stream", async () => {
  await v3.world.createTopic("left");
  const stream = new RecordStream("left");
  stream.send(record(1));
  await stream.answered(1);
  expect(streams()).toBe(1);
  stream.leave();
  await expect.poll(streams).toBe(0);
});

test("a client that leaves without reading its answers ends its stream too", async () => {
  await v3.world.createTopic("left-unread");
  const leaving = new AbortController();
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const body = new ReadableStream<Uint8Array>();
  const init = { method: "POST", headers, body, duplex: "half" as const, signal: leaving.signal };
  await v3.world.request(v3.path("/topics/left-unread/records"), init);
  const open = () => figure(v3.world.telemetry, "millrace_http_streams");
  expect(open()).toBe(1);
  leaving.abort();
  await expect.poll(open).toBe(0);
});

test("a process that stops ends its streams", async () => {
  await v3.world.createTopic("stopped");
  const stream = new RecordStream("stopped");
  stream.send(record(1));
  await stream.answered(1);
  const startMs = performance.now();
  const stopping = server.stop(AbortSignal.timeout(5_000));
  await stream.over();
  stream.end();
  await stopping;
  expect(performance.now() - startMs).toBeLessThan(2_000);
});

test("a stream that nothing comes from ends after the time of a request", async () => {
  await using hasty = await V3World.start({ settings: { requestMsMax: 200 } });
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from(record(1))) });
  const init = { method: "POST", headers, body, duplex: "half" as const };
  const response = await hasty.world.request(hasty.path("/topics/idle/records"), init);
  expect(JSON.parse(await response.text())).toMatchObject({ error_code: 200 });
});

test("a client that does not read its answers is not read from", async () => {
  await v3.world.createTopic("unread");
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(Buffer.from(record("x".repeat(10_000))));
    },
  });
  let pulled = 0;
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const init = { method: "POST", headers, body, duplex: "half" as const };
  const response = await v3.world.request(v3.path("/topics/unread/records"), init);
  let last = -1;
  const hasSettled = () => {
    const before = last;
    last = pulled;
    return before === pulled;
  };
  await expect.poll(hasSettled, { interval: 50 }).toBe(true);
  // One mebibyte is read ahead.
  expect(pulled).toBeLessThan(120);
  const { body: offsets } = await v3.world.json("/topics/unread/partitions/0/offsets");
  expect(offsets.end_offset).toBe(0);
  await response.body?.cancel();
});

test("a stream ends with 401 once its key is deleted, and writes nothing more", async () => {
  const key = new DeletableKey();
  await using guarded = await V3World.start({ auth: key.auth });
  await guarded.world.createTopic("t");
  const pipe = new TransformStream<Uint8Array, Uint8Array>();
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const init = { method: "POST", headers, body: pipe.readable, duplex: "half" as const };
  const { body } = await guarded.world.request(guarded.path("/topics/t/records"), init);
  const [sender, answers] = [pipe.writable.getWriter(), body?.getReader()];
  const codes: number[] = [];
  for (const value of [1, 2, 3]) {
    sender.write(Buffer.from(record(value))).catch(() => {});
    const { value: line } = (await answers?.read()) ?? {};
    if (line !== undefined) codes.push(JSON.parse(Buffer.from(line).toString()).error_code);
    key.isDeleted = true;
  }
  expect(codes).toEqual([200, 401]);
  key.isDeleted = false;
  expect((await guarded.world.json("/v1/topics/t/partitions/0/records")).body.high_watermark).toBe(1);
});

test("so many streams at once and no more", async () => {
  await v3.world.createTopic("crowded");
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const open = () => {
    const body = new ReadableStream<Uint8Array>();
    return v3.world.request(v3.path("/topics/crowded/records"), {
      method: "POST",
      headers,
      body,
      duplex: "half",
    });
  };
  const opened = await Promise.all(Array.from({ length: HTTP_PRODUCE_STREAMS_MAX }, open));
  expect(opened.every(({ status }) => status === 200)).toBe(true);
  const refused = await open();
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  for (const { body } of opened) await body?.cancel();
  expect((await open()).status).toBe(200);
});
