import { afterAll, beforeAll, expect, test } from "vitest";
import { base64, text } from "./http-world.ts";
import { V3World } from "./v3-world.ts";

let v3: V3World;

beforeAll(async () => {
  v3 = await V3World.start({ brokerConfigs: { "auto.create.topics.enable": "false" } });
  await v3.world.createTopic("orders", 3);
});

afterAll(() => v3[Symbol.asyncDispose]());

const json = (data: unknown) => ({ type: "JSON", data });

/** Sends bodies as they are; the answers, one object each. */
async function produce(topic: string, body: string) {
  const headers = { "content-type": "application/json" };
  const path = v3.path(`/topics/${topic}/records`);
  const response = await v3.world.request(path, { method: "POST", headers, body });
  const lines = (await response.text()).trimEnd().split("\n");
  return { status: response.status, answers: lines.map((line) => JSON.parse(line)) };
}

async function stored(topic: string, partition = 0) {
  const { body } = await v3.world.json(`/v1/topics/${topic}/partitions/${partition}/records`);
  return body.records;
}

test("a record is written with its key, headers and time, and reported", async () => {
  const { status, type, body } = await v3.send("POST", "/topics/orders/records", {
    partition_id: 1,
    headers: [
      { name: "source", value: base64("web") },
      { name: "empty", value: null },
    ],
    key: { type: "STRING", data: "alice" },
    value: { type: "JSON", data: { item: "book" } },
    timestamp: "2026-11-21T19:41:17.443+01:00",
  });
  expect([status, type]).toEqual([200, "application/json"]);
  expect(body).toEqual({
    error_code: 200,
    cluster_id: v3.clusterId,
    topic_name: "orders",
    partition_id: 1,
    offset: 0,
    timestamp: "2026-11-21T18:41:17.443Z",
    key: { type: "STRING", size: 5 },
    value: { type: "JSON", size: 15 },
  });
  const [record] = await stored("orders", 1);
  expect([text(record.key), text(record.value), record.timestamp]).toEqual([
    "alice",
    '{"item":"book"}',
    1_795_286_477_443,
  ]);
  expect(record.headers).toEqual([
    { key: "source", value: base64("web") },
    { key: "empty", value: null },
  ]);
});

test.each([
  ["BINARY", base64("\0ü"), "\0ü"],
  ["STRING", "grün", "grün"],
  ["STRING", "", ""],
  ["JSON", { a: [1, "x"] }, '{"a":[1,"x"]}'],
  ["JSON", false, "false"],
  ["JSON", null, null],
  ["BINARY", null, null],
])("%s %j is stored as %j", async (type, data, expected) => {
  const { body } = await v3.send("POST", "/topics/orders/records", { partition_id: 2, value: { type, data } });
  const records = await stored("orders", 2);
  expect(text(records.at(-1).value)).toBe(expected);
  expect(body.value).toEqual({ type, size: expected === null ? 0 : Buffer.byteLength(expected) });
  expect(body.key).toBeUndefined();
});

test("numbers keep every digit", async () => {
  await v3.world.createTopic("digits");
  await produce("digits", '{"value":{"type":"JSON","data":12345678901234567890.10}}');
  expect(text((await stored("digits"))[0].value)).toBe("12345678901234567890.10");
});

test("a key goes where Kafka's clients send it", async () => {
  const { body } = await v3.send("POST", "/topics/orders/records", { key: { type: "STRING", data: "alice" } });
  const other = await v3.world.post("/v1/topics/orders/partitions/0/records", { records: [{ value: base64("x") }] });
  expect(other.status).toBe(200);
  const v2 = await v3.world.post(
    "/topics/orders",
    { records: [{ key: base64("alice") }] },
    { "content-type": "application/vnd.kafka.binary.v2+json" },
  );
  expect(body.partition_id).toBe(v2.body.offsets[0].partition);
});

test("several records in one body are answered one by one, in their order", async () => {
  await v3.world.createTopic("several");
  const body = [1, 2, 3].map((data) => JSON.stringify({ value: json(data) })).join("\n");
  const { status, answers } = await produce("several", body);
  expect(status).toBe(200);
  expect(answers.map(({ error_code, offset }) => [error_code, offset])).toEqual([
    [200, 0],
    [200, 1],
    [200, 2],
  ]);
});

test("a record that cannot be is an error in its place, and the others are written", async () => {
  await v3.world.createTopic("mixed", 1, { "max.message.bytes": "1000" });
  const records = [
    { value: json(1) },
    { valve: json(2) },
    { value: { type: "BINARY", data: "no base64" } },
    { partition_id: 7, value: json(4) },
    { value: json("x".repeat(2_000)) },
    { value: { type: "AVRO", data: 1 } },
    { value: json(7) },
  ];
  const { status, answers } = await produce("mixed", records.map((each) => JSON.stringify(each)).join(""));
  expect(status).toBe(200);
  expect(answers.map(({ error_code }) => error_code)).toEqual([200, 422, 422, 404, 413, 422, 200]);
  expect((await stored("mixed")).map(({ value }: { value: string }) => text(value))).toEqual(["1", "7"]);
});

test("what is no JSON ends the body; what came before is written", async () => {
  await v3.world.createTopic("ended");
  const { status, answers } = await produce("ended", '{"value":{"type":"JSON","data":1}}{"value":}{}');
  expect(status).toBe(200);
  expect(answers.map(({ error_code }) => error_code)).toEqual([200, 400]);
  expect(await stored("ended")).toHaveLength(1);
});

test.each([
  [422, "no record", ""],
  [400, "no JSON", "what"],
  [400, "a list", "[{}]"],
  [400, "half a record", '{"value":{"type":"JSON"'],
  [400, "broken JSON", '{"value":}'],
  [400, "a text", '"x"'],
  [422, "an unknown field", '{"valve":{"type":"JSON","data":1}}'],
  [422, "no type", '{"value":{"data":1}}'],
  [422, "a type with a schema", '{"value":{"type":"AVRO","data":1}}'],
  [422, "a schema", '{"value":{"type":"JSON","schema_id":1,"data":1}}'],
  [422, "text for base64", '{"key":{"type":"BINARY","data":"x"}}'],
  [422, "a header that is no base64", '{"headers":[{"name":"h","value":"x"}]}'],
  [422, "a number as text", '{"value":{"type":"STRING","data":1}}'],
  [422, "a time that is none", '{"timestamp":"yesterday"}'],
  [422, "a time before 1970", '{"timestamp":"1969-12-31T23:59:59.999Z"}'],
  [422, "a partition below 0", '{"partition_id":-1}'],
  [404, "a partition that is not there", '{"partition_id":3}'],
])("%i for %s", async (status, _, body) => {
  const end = async () => (await v3.world.json("/topics/orders/partitions/0/offsets")).body.end_offset;
  const before = await end();
  await v3.refused(status, "POST", "/topics/orders/records", body);
  expect(await end()).toBe(before);
});

test("a topic that is not there, another content type and a body that is too large are refused", async () => {
  await v3.refused(404, "POST", "/topics/missing/records", { value: json(1) });
  const other = await v3.send("POST", "/topics/orders/records", "{}", { "content-type": "text/plain" });
  expect([other.status, other.body.error_code]).toEqual([415, 415]);
  const large = JSON.stringify({ value: json("x".repeat(6 * 1024 * 1024)) });
  await v3.refused(413, "POST", "/topics/orders/records", large);
  await v3.refused(413, "POST", "/topics/orders/records", "{}".repeat(10_001));
});

test("a refusal does not repeat all that was sent", async () => {
  const field = "x".repeat(100_000);
  expect((await v3.refused(422, "POST", "/topics/orders/records", { [field]: 1 })).length).toBeLessThan(1_000);
  const { body } = await v3.world.post("/consumers/g", { [field]: 1 }, { "content-type": "application/json" });
  expect(body.error_code).toBe(42204);
  const topic = { topic_name: "made", configs: [{ name: field, value: "1" }] };
  expect((await v3.refused(400, "POST", "/topics", topic)).length).toBeLessThan(3_000);
  expect(body.message.length).toBeLessThan(1_000);
});

test("a body of millions of objects is refused before they are all made", async () => {
  const startMs = performance.now();
  await v3.refused(413, "POST", "/topics/orders/records", "{}".repeat(3 * 1024 * 1024));
  // All of them would take seconds, and most of a gigabyte.
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

test("records of a topic that stamps them have no time in their reports", async () => {
  await v3.world.createTopic("stamped", 1, { "message.timestamp.type": "LogAppendTime" });
  const { body } = await v3.send("POST", "/topics/stamped/records", { value: json(1) });
  expect(body.timestamp).toBeNull();
});

test("a missing topic is made where the broker says so", async () => {
  await using making = await V3World.start();
  const { status, body } = await making.send("POST", "/topics/made/records", { value: json(1) });
  expect([status, body.offset]).toEqual([200, 0]);
});

test("a batch says what became of each entry", async () => {
  await v3.world.createTopic("batch", 1, { "cleanup.policy": "compact" });
  const { status, body } = await v3.send("POST", "/topics/batch/records:batch", {
    entries: [
      { id: "a", key: { type: "STRING", data: "k" }, value: json(1) },
      { id: "b", value: json("a compacted topic wants a key") },
      { id: "c", key: { type: "BINARY", data: "no base64" } },
      { id: "d", key: { type: "STRING", data: "k" }, value: json(2) },
    ],
  });
  expect(status).toBe(207);
  expect(body.successes.map(({ id, offset }: { id: string; offset: number }) => [id, offset])).toEqual([
    ["a", 0],
    ["d", 1],
  ]);
  expect(body.failures).toMatchObject([
    { id: "b", error_code: 422 },
    { id: "c", error_code: 422 },
  ]);
});

test.each([
  [422, "no entries", { entries: [] }],
  [422, "an entry without id", { entries: [{ value: json(1) }] }],
  [422, "an id twice", { entries: [{ id: "a" }, { id: "a" }] }],
  [422, "an id that is too long", { entries: [{ id: "a".repeat(81) }] }],
  [422, "an entry of another form", { entries: [{ id: "a", valve: 1 }] }],
  [400, "no JSON", "{"],
])("a batch is %i for %s", async (status, _, body) => {
  await v3.refused(status, "POST", "/topics/orders/records:batch", body);
});

test("a batch for a topic that is not there is 404 as a whole", async () => {
  await v3.refused(404, "POST", "/topics/missing/records:batch", { entries: [{ id: "a" }] });
});
