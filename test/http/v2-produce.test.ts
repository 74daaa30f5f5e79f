import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { partitionOfKey } from "#lib/client/murmur2.ts";
import { base64, HttpWorld, text } from "./http-world.ts";

let world: HttpWorld;

beforeAll(async () => {
  world = await HttpWorld.start();
});

afterAll(() => world[Symbol.asyncDispose]());

interface Read {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

async function read(topic: string, partition = 0): Promise<readonly Read[]> {
  const { body } = await world.json(`/v1/topics/${topic}/partitions/${partition}/records`);
  return body.records.map(({ offset, key, value }: Read) => ({ offset, key: text(key), value: text(value) }));
}

const BINARY = { "content-type": "application/vnd.kafka.binary.v2+json" };

test("JSON records are stored as their JSON text and answered with their offsets", async () => {
  await world.createTopic("json");
  const records = [{ key: "alice", value: { item: "book", count: 2 } }, { value: [1, null] }, { key: 7, value: null }];
  const { status, type, body } = await world.post("/topics/json", { records });
  expect([status, type]).toEqual([200, "application/vnd.kafka.v2+json"]);
  const offset = (at: number) => ({ partition: 0, offset: at, error_code: null, error: null });
  expect(body).toEqual({ offsets: [offset(0), offset(1), offset(2)], key_schema_id: null, value_schema_id: null });
  expect(await read("json")).toEqual([
    { offset: 0, key: '"alice"', value: '{"item":"book","count":2}' },
    { offset: 1, key: null, value: "[1,null]" },
    { offset: 2, key: "7", value: null },
  ]);
});

test("numbers of JSON records keep every digit", async () => {
  await world.createTopic("digits");
  await world.post(
    "/topics/digits",
    '{"records":[{"value":{"id":12345678901234567890,"x":1e400,"y":0.10000000000000000001}}]}',
  );
  expect((await read("digits"))[0]?.value).toBe('{"id":12345678901234567890,"x":1e400,"y":0.10000000000000000001}');
});

test.each([
  "application/vnd.kafka.binary.v2+json",
  "application/vnd.kafka.v2+json",
  "application/vnd.kafka+json",
  "application/json; charset=utf-8",
])("%s takes base64", async (type) => {
  const topic = `binary-${type.replaceAll(/\W/g, "-")}`;
  await world.createTopic(topic);
  const records = [{ key: base64("k"), value: base64("wörld") }, { value: "" }, {}];
  const { status } = await world.post(`/topics/${topic}`, { records }, { "content-type": type });
  expect(status).toBe(200);
  expect(await read(topic)).toEqual([
    { offset: 0, key: "k", value: "wörld" },
    { offset: 1, key: null, value: "" },
    { offset: 2, key: null, value: null },
  ]);
});

describe("placing", () => {
  test("a key's records go where Kafka's Java clients put them", async () => {
    await world.createTopic("keyed", 7);
    const keys = Array.from({ length: 30 }, (_, at) => `key-${at}`);
    const { body } = await world.post("/topics/keyed", { records: keys.map((key) => ({ key: base64(key) })) }, BINARY);
    const found = body.offsets.map(({ partition }: { partition: number }) => partition);
    expect(found).toEqual(keys.map((key) => partitionOfKey(Buffer.from(key), 7)));
  });

  test("a record goes to the partition that it names, and offsets stand in the order of the request", async () => {
    await world.createTopic("placed", 3);
    const records = [2, 0, 2, 1, 2].map((partition, at) => ({ partition, value: at }));
    const { body } = await world.post("/topics/placed", { records });
    expect(body.offsets.map((each: { partition: number; offset: number }) => [each.partition, each.offset])).toEqual([
      [2, 0],
      [0, 0],
      [2, 1],
      [1, 0],
      [2, 2],
    ]);
    expect((await read("placed", 2)).map(({ value }) => value)).toEqual(["0", "2", "4"]);
  });

  test("records without a key share one partition", async () => {
    await world.createTopic("keyless", 20);
    const { body } = await world.post("/topics/keyless", { records: Array.from({ length: 50 }, () => ({ value: 1 })) });
    expect(new Set(body.offsets.map(({ partition }: { partition: number }) => partition)).size).toBe(1);
  });

  test("a partition's own path takes no other", async () => {
    await world.createTopic("own", 2);
    expect((await world.post("/topics/own/partitions/1", { records: [{ key: "k", value: 1 }] })).body.offsets).toEqual([
      { partition: 1, offset: 0, error_code: null, error: null },
    ]);
    expect((await world.post("/topics/own/partitions/1", { records: [{ partition: 1 }] })).status).toBe(422);
  });
});

test("more records than one batch may hold become several, in order", async () => {
  await world.createTopic("batches", 1, { "max.message.bytes": "1000" });
  const records = Array.from({ length: 40 }, (_, at) => ({ value: `${at}-${"x".repeat(80)}` }));
  const { status, body } = await world.post("/topics/batches", { records });
  expect(status).toBe(200);
  expect(body.offsets.map(({ offset }: { offset: number }) => offset)).toEqual(records.map((_, at) => at));
  expect((await read("batches")).map(({ value }) => JSON.parse(value ?? ""))).toEqual(
    records.map(({ value }) => value),
  );
});

describe("a missing topic", () => {
  test("is made where the broker makes topics", async () => {
    expect((await world.post("/topics/made-on-demand", { records: [{ value: 1 }] })).status).toBe(200);
    expect(await read("made-on-demand")).toHaveLength(1);
  });

  test("is 40401 where it does not", async () => {
    await using strict = await HttpWorld.start({ brokerConfigs: { "auto.create.topics.enable": "false" } });
    const { status, body } = await strict.post("/topics/missing", { records: [{ value: 1 }] });
    expect([status, body.error_code]).toEqual([404, 40401]);
    expect((await strict.json("/topics")).body).toEqual([]);
  });

  test("with a name that cannot be is 40002", async () => {
    const { status, body } = await world.post("/topics/a%20b", { records: [{ value: 1 }] });
    expect([status, body.error_code]).toEqual([400, 40002]);
  });

  test("is made with the partitions of the broker's default, and others are 40402", async () => {
    const { status, body } = await world.post("/topics/made-too/partitions/1", { records: [{ value: 1 }] });
    expect([status, body.error_code]).toEqual([404, 40402]);
  });
});

describe("bad input writes nothing", () => {
  const deep = (inner: string) => `{"records":[{"value":${"[".repeat(10_000)}${inner}${"]".repeat(10_000)}}]}`;
  const many = (bad: unknown) => ({ records: [{ value: base64("good") }, bad] });
  const cases: readonly (readonly [string, number, number, () => [body: unknown, headers?: Record<string, string>]])[] =
    [
      ["malformed JSON", 400, 400, () => ['{"records":[']],
      ["an empty body", 422, 422, () => [""]],
      ["bytes that are no UTF-8", 400, 400, () => [Uint8Array.of(0x22, 0xff, 0x22)]],
      ["no records", 422, 422, () => [{ records: [] }]],
      ["a body that is no object", 422, 422, () => ["[1]"]],
      ["an unknown field", 422, 422, () => [{ records: [{ vlaue: 1 }] }]],
      ["JSON nested more deeply than it can be written", 422, 422, () => [deep("1")]],
      ["the same with long numbers", 400, 400, () => [deep("12345678901234567890")]],
      ["an unknown field beside records", 422, 422, () => [{ record: [], records: [{ value: 1 }] }]],
      ["a partition that is a text", 422, 422, () => [{ records: [{ value: 1, partition: "1" }] }]],
      ["a partition that is not there", 404, 40402, () => [{ records: [{ value: 1 }, { value: 1, partition: 9 }] }]],
      ["base64 without padding", 422, 42206, () => [many({ value: "YQ" }), BINARY]],
      ["base64 of the URL kind", 422, 42206, () => [many({ value: "_-8=" }), BINARY]],
      ["base64 with a space", 422, 42206, () => [many({ value: "YW Jj" }), BINARY]],
      ["base64 with bits to spare", 422, 42206, () => [many({ key: "YR==" }), BINARY]],
      ["a number where base64 belongs", 422, 422, () => [many({ value: 1 }), BINARY]],
      ["a form", 415, 415, () => ["a=b", { "content-type": "application/x-www-form-urlencoded" }]],
      ["Avro", 415, 415, () => [many({}), { "content-type": "application/vnd.kafka.avro.v2+json" }]],
      ["no content type", 415, 415, () => [many({}), { "content-type": "" }]],
      [
        "a record beyond max.message.bytes",
        413,
        41302,
        () => [{ records: [{ value: 1 }, { value: "x".repeat(6_000) }] }],
      ],
      ["a body beyond 6 MiB", 413, 41301, () => [{ records: [{ value: "x".repeat(6 * 1024 * 1024) }] }]],
    ];

  test.each(cases)("%s is %i %i", async (_, status, code, given) => {
    const topic = "bad";
    if (!(await world.json("/topics")).body.includes(topic)) {
      await world.createTopic(topic, 1, { "max.message.bytes": "5000" });
    }
    const [body, headers] = given();
    const answer = await world.post(`/topics/${topic}`, body, headers);
    expect([answer.status, answer.body.error_code]).toEqual([status, code]);
    expect(answer.body.message.length).toBeGreaterThan(10);
    expect((await world.json(`/topics/${topic}/partitions/0/offsets`)).body.end_offset).toBe(0);
  });

  test("a record without a key in a compacted topic is 42211", async () => {
    await world.createTopic("compacted", 1, { "cleanup.policy": "compact" });
    const { status, body } = await world.post("/topics/compacted", { records: [{ key: "k" }, { value: 1 }] });
    expect([status, body.error_code]).toEqual([422, 42211]);
    expect(await read("compacted")).toEqual([]);
  });

  test("a body without a declared length is cut off at the limit", async () => {
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20));
      },
    });
    const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
    const { status } = await world.json("/topics/bad", { method: "POST", headers, body, duplex: "half" });
    expect(status).toBe(413);
    expect(pulled).toBeLessThan(12);
  });
});
