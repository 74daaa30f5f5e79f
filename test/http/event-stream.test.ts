import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { base64, figure, HttpWorld } from "./http-world.ts";

let world: HttpWorld;

beforeAll(async () => {
  world = await HttpWorld.start();
});

afterAll(() => world[Symbol.asyncDispose]());

const recordsPath = (topic: string) => `/v1/topics/${topic}/partitions/0/records`;
const EVENTS = { accept: "text/event-stream" };

function produce(topic: string, ...values: readonly string[]) {
  return world.post(recordsPath(topic), { records: values.map((value) => ({ value: base64(value) })) });
}

/** Reads a stream until `isEnough`, or to its end, and leaves it. */
async function readEvents(response: Response, isEnough: (text: string) => boolean = () => false): Promise<string> {
  const reader = response.body?.getReader();
  let text = "";
  for (;;) {
    const step = await reader?.read();
    if (step === undefined || step.done) return text;
    text += Buffer.from(step.value).toString();
    if (!isEnough(text)) continue;
    await reader?.cancel();
    return text;
  }
}

const idsIn = (text: string) => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

test("records that are there and records that come are events with their offsets as ids", async () => {
  await world.createTopic("live");
  await produce("live", "a", "b");
  const response = await world.request(recordsPath("live"), { headers: EVENTS });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const reading = readEvents(response, (text) => idsIn(text).length === 3);
  await produce("live", "c");
  const text = await reading;
  expect(idsIn(text)).toEqual([0, 1, 2]);
  const [, data = ""] = /^data: (.*)$/m.exec(text) ?? [];
  expect(JSON.parse(data)).toMatchObject({ offset: 0, key: null, value: base64("a"), headers: [] });
});

test("Last-Event-ID goes on behind it, whatever offset says", async () => {
  await world.createTopic("resumed");
  await produce("resumed", "a", "b", "c", "d");
  const headers = { ...EVENTS, "last-event-id": "1" };
  const response = await world.request(`${recordsPath("resumed")}?offset=earliest`, { headers });
  expect(idsIn(await readEvents(response, (text) => text.includes("id: 3")))).toEqual([2, 3]);
});

test("offset=latest begins with what comes", async () => {
  await world.createTopic("latest");
  await produce("latest", "old");
  const response = await world.request(`${recordsPath("latest")}?offset=latest`, { headers: EVENTS });
  const reading = readEvents(response, (text) => text.includes("id:"));
  await produce("latest", "new");
  expect(idsIn(await reading)).toEqual([1]);
});

test.each([
  ["missing", "", 404, 40401],
  ["live", "?offset=99", 416, 41601],
])("a stream of %s%s is refused like any other request", async (topic, query, status, code) => {
  const answer = await world.json(`${recordsPath(topic)}${query}`, { headers: EVENTS });
  expect([answer.status, answer.type, answer.body.error_code]).toEqual([status, "application/json", code]);
});

test("a client that does not read is sent nothing and holds nothing", async () => {
  await world.createTopic("unread");
  const response = await world.request(recordsPath("unread"), { headers: EVENTS });
  const before = figure(world.telemetry, "millrace_fetched_records_total");
  await produce("unread", ...Array.from({ length: 100 }, () => "x".repeat(5_000)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(figure(world.telemetry, "millrace_fetched_records_total")).toBe(before);
  const text = await readEvents(response, (read) => read.includes("id: 99"));
  expect(idsIn(text)).toHaveLength(100);
});

test("few bytes that hold many records come in several steps", async () => {
  await using small = await HttpWorld.start({ settings: { bodyBytesMax: 50_000 } });
  await small.createTopic("zipped");
  const record = { timestampMs: 1, key: null, value: Buffer.alloc(10_000) };
  const batch = buildBatch(
    Array.from({ length: 30 }, () => record),
    { codec: "gzip" },
  );
  const headers = { "content-type": "application/octet-stream" };
  expect((await small.post(recordsPath("zipped"), batch, headers)).status).toBe(200);
  const response = await small.request(recordsPath("zipped"), { headers: EVENTS });
  const reader = response.body?.getReader();
  let text = "";
  while (idsIn(text).length < 30) {
    const step = await reader?.read();
    expect(step?.value?.byteLength).toBeLessThan(80_000);
    text += Buffer.from(step?.value ?? []).toString();
  }
  expect(idsIn(text)).toEqual(Array.from({ length: 30 }, (_, offset) => offset));
  await reader?.cancel();
});

test("a client that leaves is forgotten", async () => {
  await world.createTopic("left");
  const response = await world.request(recordsPath("left"), { headers: EVENTS });
  expect(figure(world.telemetry, "millrace_http_streams")).toBe(1);
  await response.body?.cancel();
  expect(figure(world.telemetry, "millrace_http_streams")).toBe(0);
  const leaving = new AbortController();
  await world.request(recordsPath("left"), { headers: EVENTS, signal: leaving.signal });
  expect(figure(world.telemetry, "millrace_http_streams")).toBe(1);
  leaving.abort();
  expect(figure(world.telemetry, "millrace_http_streams")).toBe(0);
});

test("HEAD opens no stream", async () => {
  await world.createTopic("head");
  const { status, headers, body } = await world.request(recordsPath("head"), { method: "HEAD", headers: EVENTS });
  expect([status, headers.get("content-type"), body]).toEqual([200, "text/event-stream", null]);
  expect(figure(world.telemetry, "millrace_http_streams")).toBe(0);
});

test("a topic that is deleted ends its streams with a failure", async () => {
  await world.createTopic("deleted");
  await produce("deleted", "a");
  const response = await world.request(recordsPath("deleted"), { headers: EVENTS });
  const reading = readEvents(response);
  const { cluster, topicAdmin } = world.broker.broker.services;
  const topic = cluster.topicByName("deleted");
  if (topic === undefined) throw new Error("no topic");
  await topicAdmin.deleteTopic(topic.topicId, AbortSignal.timeout(5_000));
  expect(await reading).toMatch(/event: failure\ndata: \{"error_code":40401,.*\n\n$/);
});

test("streams end when the process stops, and where an answer must end by itself", async () => {
  await using short = await HttpWorld.start({ settings: { streamMsMax: 60 } });
  await short.createTopic("t");
  expect(await readEvents(await short.request(recordsPath("t"), { headers: EVENTS }))).toContain(": waiting");
  await using stopped = await HttpWorld.start();
  await stopped.createTopic("t");
  const reading = readEvents(await stopped.request(recordsPath("t"), { headers: EVENTS }));
  await new Promise((resolve) => setTimeout(resolve, 30));
  stopped.stop();
  expect(await reading).toContain(": open");
});
