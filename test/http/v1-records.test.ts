import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { base64, HttpWorld, text } from "./http-world.ts";

let world: HttpWorld;

beforeAll(async () => {
  world = await HttpWorld.start();
});

afterAll(() => world[Symbol.asyncDispose]());

const recordsPath = (topic: string, partition = 0) => `/v1/topics/${topic}/partitions/${partition}/records`;

interface Read {
  readonly offset: number;
  readonly value: string | null;
}

async function topicWith(name: string, values: readonly string[], configs: Record<string, string> = {}): Promise<void> {
  await world.createTopic(name, 1, configs);
  for (const value of values) {
    expect((await world.post(recordsPath(name), { records: [{ value: base64(value) }] })).status).toBe(200);
  }
}

describe("fetching as JSON", () => {
  test("gives records with all they have, and where to go on", async () => {
    await world.createTopic("whole");
    const headers = [{ key: "source", value: base64("test") }, { key: "empty" }];
    const sent = { key: base64("k"), value: base64("v"), headers, timestamp: 1_700_000_000_000 };
    await world.post(recordsPath("whole"), { records: [sent, { value: null }] });
    const { status, type, body, headers: shown } = await world.json(recordsPath("whole"));
    expect([status, type]).toEqual([200, "application/json"]);
    expect(body).toMatchObject({
      topic: "whole",
      partition: 0,
      log_start_offset: 0,
      high_watermark: 2,
      last_stable_offset: 2,
      next_offset: 2,
    });
    expect(body.records[0]).toEqual({
      offset: 0,
      timestamp: 1_700_000_000_000,
      key: base64("k"),
      value: base64("v"),
      headers: [
        { key: "source", value: base64("test") },
        { key: "empty", value: null },
      ],
    });
    expect(body.records[1]).toMatchObject({ offset: 1, key: null, value: null, headers: [] });
    expect(shown.get("next-offset")).toBe("2");
    expect(shown.get("high-watermark")).toBe("2");
  });

  test("begins at an offset within a batch, at the first and behind the last", async () => {
    await world.createTopic("places");
    await world.post(recordsPath("places"), { records: ["a", "b", "c"].map((value) => ({ value: base64(value) })) });
    const read = async (query: string) => {
      const { body } = await world.json(`${recordsPath("places")}?${query}`);
      return [body.records.map(({ value }: Read) => text(value)).join(""), body.next_offset];
    };
    expect(await read("")).toEqual(["abc", 3]);
    expect(await read("offset=1")).toEqual(["bc", 3]);
    expect(await read("offset=earliest&isolation=read_committed")).toEqual(["abc", 3]);
    expect(await read("offset=latest")).toEqual(["", 3]);
    expect(await read("offset=3")).toEqual(["", 3]);
  });

  test("is bounded by max_bytes, and goes on where it ended", async () => {
    await topicWith(
      "bounded",
      ["a", "b", "c"].map((letter) => letter.repeat(1_000)),
    );
    const values: (string | null)[] = [];
    for (let offset = 0; offset < 3; ) {
      const { body } = await world.json(`${recordsPath("bounded")}?offset=${offset}&max_bytes=1200`);
      expect(body.records).toHaveLength(1);
      values.push(text(body.records[0].value));
      offset = body.next_offset;
    }
    expect(values.map((value) => value?.[0])).toEqual(["a", "b", "c"]);
  });

  test("waits for records that come within the time", async () => {
    await topicWith("awaited", []);
    const waiting = world.json(`${recordsPath("awaited")}?timeout=10000`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await world.post(recordsPath("awaited"), { records: [{ value: base64("late") }] });
    expect((await waiting).body.records.map(({ value }: Read) => text(value))).toEqual(["late"]);
  });

  test("waits no longer than it was told", async () => {
    await topicWith("silent", []);
    const startMs = performance.now();
    expect((await world.json(`${recordsPath("silent")}?timeout=80`)).body.records).toEqual([]);
    expect(performance.now() - startMs).toBeGreaterThan(70);
  });

  test("ends a wait when the process stops", async () => {
    await using stopped = await HttpWorld.start();
    await stopped.createTopic("t");
    const waiting = stopped.json(`${recordsPath("t")}?timeout=20000`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    stopped.stop();
    const { status, body } = await waiting;
    expect([status, body.records, body.next_offset]).toEqual([200, [], 0]);
  });
});

describe("fetching batches", () => {
  test("gives them in Kafka's form with their true offsets", async () => {
    await topicWith("raw", ["a", "b"]);
    const response = await world.request(`${recordsPath("raw")}?offset=1`, {
      headers: { accept: "application/octet-stream" },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("next-offset")).toBe("2");
    const { batches, tailBytes } = splitBatches(new Uint8Array(await response.arrayBuffer()));
    expect(tailBytes).toBe(0);
    const records = batches.flatMap((batch) => [...readRecords(batch)]);
    expect(records.map(({ offset, value }) => [offset, Buffer.from(value ?? []).toString()])).toEqual([[1, "b"]]);
  });

  test("takes them as they are", async () => {
    await world.createTopic("sent-raw");
    const batch = (value: string) =>
      buildBatch([{ timestampMs: 1, key: null, value: Buffer.from(value) }], { codec: "gzip" });
    const { status, body } = await world.post(recordsPath("sent-raw"), Buffer.concat([batch("a"), batch("b")]), {
      "content-type": "application/octet-stream",
    });
    expect([status, body.base_offset, body.record_count, body.batches.length]).toEqual([200, 0, 2, 2]);
    const { body: read } = await world.json(recordsPath("sent-raw"));
    expect(read.records.map(({ value }: Read) => text(value))).toEqual(["a", "b"]);
  });
});

test("a batch that would grow without bound is handed out as it is, and not opened", async () => {
  await world.createTopic("bomb");
  const zeros = Buffer.alloc(9 * 1024 * 1024);
  const records = Array.from({ length: 8 }, () => ({ timestampMs: 1, key: null, value: zeros }));
  const headers = { "content-type": "application/octet-stream" };
  expect((await world.post(recordsPath("bomb"), buildBatch(records, { codec: "gzip" }), headers)).status).toBe(200);
  const { status, body } = await world.json(recordsPath("bomb"));
  expect([status, body.error_code]).toEqual([422, 42215]);
  const raw = await world.request(recordsPath("bomb"), { headers: { accept: "application/octet-stream" } });
  expect([raw.status, raw.headers.get("next-offset")]).toEqual([200, "8"]);
});

test.each([
  ["/v1/topics/missing/partitions/0/records", 404, 40401],
  ["/v1/topics/errors/partitions/1/records", 404, 40402],
  ["/v1/topics/errors/partitions/x/records", 404, 40402],
  ["/v1/topics/errors/partitions/0/records?offset=5", 416, 41601],
  ["/v1/topics/errors/partitions/0/records?offset=9007199254740991", 416, 41601],
  ["/v1/topics/errors/partitions/0/records?offset=-1", 400, 400],
  ["/v1/topics/errors/partitions/0/records?offset=now", 400, 400],
  ["/v1/topics/errors/partitions/0/records?ofset=1", 400, 400],
  ["/v1/topics/errors/partitions/0/records?timeout=1e9", 400, 400],
  ["/v1/topics/errors/partitions/0/records?timeout=60000", 400, 400],
  ["/v1/topics/errors/partitions/0/records?max_bytes=0", 400, 400],
  ["/v1/topics/errors/partitions/0/records?isolation=serializable", 400, 400],
])("GET %s is %i %i", async (path, status, code) => {
  if (!(await world.json("/topics")).body.includes("errors")) await topicWith("errors", ["a", "b", "c", "d"]);
  const answer = await world.json(path);
  expect([answer.status, answer.body.error_code]).toEqual([status, code]);
});

describe("numbered requests", () => {
  const numbered = (producer: { producer_id: number; producer_epoch: number }, sequence: number) => ({
    "producer-id": String(producer.producer_id),
    "producer-epoch": String(producer.producer_epoch),
    "producer-seq": String(sequence),
  });
  const one = (value: string) => ({ records: [{ value: base64(value) }] });

  test("are written once however often they come", async () => {
    await world.createTopic("once");
    const { status, body: producer } = await world.json("/v1/producers", { method: "POST" });
    expect(status).toBe(201);
    const send = (sequence: number, value: string) =>
      world.post(recordsPath("once"), one(value), numbered(producer, sequence));
    const first = await send(0, "a");
    expect(first.body).toMatchObject({ base_offset: 0, duplicate: false });
    expect((await send(0, "a")).body).toMatchObject({ base_offset: 0, duplicate: true });
    expect((await send(1, "b")).body).toMatchObject({ base_offset: 1, duplicate: false });
    const { body } = await world.json(recordsPath("once"));
    expect(body.records.map(({ value }: Read) => text(value))).toEqual(["a", "b"]);
  });

  test("are refused where one before them is missing, and by a newer epoch", async () => {
    await world.createTopic("gap");
    const { body: producer } = await world.json("/v1/producers", { method: "POST" });
    const send = (sequence: number, epoch = 0) =>
      world.post(recordsPath("gap"), one("x"), numbered({ ...producer, producer_epoch: epoch }, sequence));
    await send(0);
    const late = await send(5);
    expect([late.status, late.body.error_code]).toEqual([409, 40910]);
    expect((await send(0, 1)).status).toBe(200);
    const fenced = await send(1, 0);
    expect([fenced.status, fenced.body.error_code]).toEqual([409, 40911]);
  });

  test("need all three headers", async () => {
    const { status, body } = await world.post(recordsPath("once"), one("x"), { "producer-id": "1" });
    expect([status, body.error_code]).toEqual([400, 400]);
  });

  test("producers have ids of their own", async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () => (await world.json("/v1/producers", { method: "POST" })).body.producer_id),
    );
    expect(new Set(ids).size).toBe(5);
  });
});

test.each<[string, number, number, () => [body: unknown, headers?: Record<string, string>]]>([
  ["a damaged batch", 422, 42210, () => [flipped(), { "content-type": "application/octet-stream" }]],
  ["half a batch", 422, 42210, () => [flipped().subarray(0, 40), { "content-type": "application/octet-stream" }]],
  ["no bytes", 422, 42210, () => [new Uint8Array(), { "content-type": "application/octet-stream" }]],
  ["noise", 422, 42210, () => [Buffer.alloc(500, 7), { "content-type": "application/octet-stream" }]],
  [
    "binary beyond 4.5 MiB",
    413,
    41301,
    () => [Buffer.alloc(4_718_593), { "content-type": "application/octet-stream" }],
  ],
  ["no base64", 422, 42206, () => [{ records: [{ value: "?" }] }]],
  ["a timestamp below 0", 422, 422, () => [{ records: [{ timestamp: -1 }] }]],
  ["a timestamp far ahead", 422, 42212, () => [{ records: [{ timestamp: 9_000_000_000_000 }] }]],
  ["a header without a key", 422, 422, () => [{ records: [{ headers: [{ value: "YQ==" }] }] }]],
  ["the v2 content type", 415, 415, () => [{ records: [{}] }, { "content-type": "application/vnd.kafka.v2+json" }]],
])("producing %s is %i %i and writes nothing", async (_, status, code, given) => {
  if (!(await world.json("/topics")).body.includes("bad")) await world.createTopic("bad");
  const [body, headers] = given();
  const answer = await world.post(recordsPath("bad"), body, headers);
  expect([answer.status, answer.body.error_code]).toEqual([status, code]);
  expect((await world.json(recordsPath("bad"))).body.high_watermark).toBe(0);
});

function flipped(): Buffer {
  const batch = Buffer.from(buildBatch([{ timestampMs: 1, key: null, value: Buffer.from("abc") }]));
  batch[70] = 0xff & ~(batch[70] ?? 0);
  return batch;
}
