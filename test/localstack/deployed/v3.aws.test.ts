import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FUNCTION_VIEW_MS_MAX } from "#lib/util/limits.ts";
import { type AppRequest, at, call, doorsOf, type JsonAnswer, newLambdaClient, STORES, uniqueName } from "./app.ts";
import { makeTopic, RestConsumer, v3Path, write } from "./rest-consumer.ts";

// The REST Proxy's v3. Two functions answer in turn, in environments of their own.

const client = newLambdaClient();
let urls: readonly string[];
let cluster: string;
let calls = 0;

beforeAll(async () => {
  urls = (await doorsOf(client, "admin", "produce")).map(({ url }) => url);
  cluster = await v3Path();
});

afterAll(() => client.destroy());

function v3(method: string, path: string, request: AppRequest = {}): Promise<JsonAnswer> {
  const url = urls[calls++ % urls.length];
  return call(`${cluster}${path}`, { ...request, method, ...(url === undefined ? {} : { url }) });
}

/** What each function answers. */
async function shownEverywhere(path: string, expected: object): Promise<void> {
  for (const url of urls) expect(await call(`${cluster}${path}`, { url })).toMatchObject(expected);
}

const get = (path: string) => v3("GET", path);
const send = (method: string, path: string, json: unknown) => v3(method, path, { json });

/** One member of each element of a list. */
function each(list: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(list)) throw new Error(`no list: ${JSON.stringify(list)}`);
  return list.map((element) => at(element, name));
}

const listed = ({ json }: JsonAnswer, name: string) => each(at(json, "data"), name);

async function topicOf(prefix: string, partitionCount = 1): Promise<string> {
  const topic = uniqueName(prefix);
  await makeTopic(topic, partitionCount);
  return topic;
}

const value = (data: unknown) => ({ value: { type: "JSON", data } });

/** What has been written to partition 0, as text. */
async function stored(topic: string): Promise<readonly string[]> {
  const { json } = await call(`/v1/topics/${topic}/partitions/0/records?offset=earliest&timeout=0`);
  return each(at(json, "records"), "value").map((text) => Buffer.from(String(text), "base64").toString());
}

describe("clusters, topics and partitions of the deployed functions", () => {
  test("every function shows the same cluster, under its own address", async () => {
    const ids = new Set<unknown>();
    for (const url of urls) {
      const { status, json } = await call("/v3/clusters", { url });
      expect(status).toBe(200);
      ids.add(at(json, "data", 0, "cluster_id"));
      const self = String(at(json, "data", 0, "metadata", "self"));
      expect(new URL(self).hostname).toBe(new URL(url).hostname);
      expect(await call(new URL(self).pathname, { url })).toMatchObject({ status: 200, json: at(json, "data", 0) });
    }
    expect(ids.size).toBe(1);
    expect(await call("/v3/clusters/another")).toMatchObject({ status: 404, json: { error_code: 404 } });
  });

  test("a topic that one function makes is listed, grown and deleted by others", async () => {
    const topic = uniqueName("made");
    const configs = [{ name: "cleanup.policy", value: "compact" }];
    const made = await send("POST", "/topics", { topic_name: topic, partitions_count: 2, configs });
    expect(made).toMatchObject({
      status: 201,
      json: { topic_name: topic, partitions_count: 2, replication_factor: STORES.length },
    });
    for (const _ of urls) expect(listed(await get("/topics"), "topic_name")).toContain(topic);
    expect((await send("POST", "/topics", { topic_name: topic })).status).toBe(400);
    const path = `/topics/${topic}`;
    expect(await send("PATCH", path, { partitions_count: 3 })).toMatchObject({ json: { partitions_count: 3 } });
    await shownEverywhere(path, { status: 200, json: { partitions_count: 3 } });
    for (const _ of urls) expect(listed(await get(`${path}/partitions`), "partition_id")).toEqual([0, 1, 2]);
    expect(await get(`${path}/partitions/2`)).toMatchObject({ status: 200, json: { partition_id: 2 } });
    expect((await get(`${path}/partitions/3`)).status).toBe(404);
    const replicas = await get(`${path}/partitions/2/replicas`);
    expect(listed(replicas, "is_in_sync")).toHaveLength(STORES.length);

    expect((await v3("DELETE", path)).status).toBe(204);
    for (const _ of urls) expect(listed(await get("/topics"), "topic_name")).not.toContain(topic);
    await shownEverywhere(path, { status: 404, json: { error_code: 404 } });
    expect((await v3("DELETE", path)).status).toBe(404);
  });

  test("configs that one function alters are those that others read and hold to", async () => {
    const topic = await topicOf("configured");
    const path = `/topics/${topic}/configs`;
    expect(await get(`${path}/retention.ms`)).toMatchObject({ json: { is_default: true } });
    expect((await send("PUT", `${path}/retention.ms`, { value: "86400000" })).status).toBe(204);
    const altered = { name: "retention.ms", value: "86400000", is_default: false, source: "DYNAMIC_TOPIC_CONFIG" };
    await shownEverywhere(`${path}/retention.ms`, { status: 200, json: altered });
    const data = [{ name: "retention.ms", operation: "DELETE" }];
    const bad = [...data, { name: "max.message.bytes", value: "many" }];
    expect((await send("POST", `${path}:alter`, { data: bad })).status).toBe(400);
    expect(await get(`${path}/retention.ms`)).toMatchObject({ json: altered });
    const good = [...data, { name: "max.message.bytes", value: "1000" }];
    expect((await send("POST", `${path}:alter`, { data: good })).status).toBe(204);
    await shownEverywhere(`${path}/retention.ms`, { json: { is_default: true } });
    // Producers are held to what an environment knows, which may be a little behind.
    const writeLarge = () => send("POST", `/topics/${topic}/records`, value("x".repeat(2_000)));
    const refused = { status: 413, json: { error_code: 413 } };
    for (const _ of urls)
      await expect.poll(writeLarge, { timeout: FUNCTION_VIEW_MS_MAX + 5_000 }).toMatchObject(refused);
    expect((await v3("DELETE", `${path}/max.message.bytes`)).status).toBe(204);
    await shownEverywhere(`${path}/max.message.bytes`, { json: { is_default: true } });
  });
});

describe("records that v3 writes by the deployed functions", () => {
  test.each([
    ["in one body", {}],
    ["in a body of chunks", { "transfer-encoding": "chunked" }],
  ])("several of them %s are answered one by one, each where it is", async (_, headers) => {
    const topic = await topicOf("streamed");
    const records = [value(1), { valve: 2 }, { ...value(3), partition_id: 7 }, value("x".repeat(20_000)), value(5)];
    const body = records.map((record) => `${JSON.stringify(record)}\n`).join("");
    const answer = await v3("POST", `/topics/${topic}/records`, { body, headers: jsonWith(headers), inLines: true });
    expect(answer.status).toBe(200);
    expect(each(answer.json, "error_code")).toEqual([200, 422, 404, 200, 200]);
    expect(each(answer.json, "offset")).toEqual([0, undefined, undefined, 1, 2]);
    expect((await stored(topic)).map((text) => text.slice(0, 2))).toEqual(["1", '"x', "5"]);
  });

  test("what is no record ends the body, behind what has been written", async () => {
    const topic = await topicOf("broken");
    const body = `${JSON.stringify(value(1))}\n{"value":\n`;
    const answer = await v3("POST", `/topics/${topic}/records`, { body, headers: jsonWith({}), inLines: true });
    expect(each(answer.json, "error_code")).toEqual([200, 400]);
    expect(await stored(topic)).toEqual(["1"]);
  });

  test("a batch tells what became of each by its id", async () => {
    const topic = await topicOf("batched");
    const entries = [
      { id: "a", key: { type: "STRING", data: "k" }, ...value({ n: 1 }) },
      { id: "b", value: { type: "BINARY", data: "no base64" } },
      { id: "c", value: { type: "BINARY", data: Buffer.from("bytes").toString("base64") } },
    ];
    const { status, json } = await send("POST", `/topics/${topic}/records:batch`, { entries });
    expect({ status, json }).toMatchObject({
      status: 207,
      json: {
        successes: [
          { id: "a", topic_name: topic, partition_id: 0, offset: 0 },
          { id: "c", offset: 1 },
        ],
        failures: [{ id: "b", error_code: 422 }],
      },
    });
    expect(await stored(topic)).toEqual(['{"n":1}', "bytes"]);
  });

  test("are not taken with a key that may only read", async () => {
    const topic = await topicOf("guarded");
    const rights = [{ operation: "read", pattern: topic }];
    const made = await call("/v1/keys", { method: "POST", json: { name: "v3", rights } });
    const headers = jsonWith({ authorization: `Bearer ${at(made.json, "key")}` });
    const body = JSON.stringify(value(1));
    for (const _ of urls) {
      expect((await v3("POST", `/topics/${topic}/records`, { body, headers })).status).toBe(403);
      expect((await v3("DELETE", `/topics/${topic}`, { headers })).status).toBe(403);
      expect(listed(await v3("GET", "/topics", { headers }), "topic_name")).toEqual([topic]);
    }
    expect(await stored(topic)).toEqual([]);
  });
});

describe("consumer groups that the deployed functions show", () => {
  test("a consumer instance is its group's member, with its partitions and how far it is behind", async () => {
    const topic = await topicOf("lagging", 2);
    for (const partition of [0, 1]) await write(topic, partition, 1, 2, 3);
    const consumers = await doorsOf(client, "consumers", "produce");
    const one = new RestConsumer(
      consumers.map(({ url }) => url),
      uniqueName("group"),
      "worker",
    );
    const group = `/consumer-groups/${one.group}`;
    expect((await get(group)).status).toBe(404);
    await one.join(topic);
    expect(await one.drain(6)).toHaveLength(6);
    const offsets = [
      { topic, partition: 0, offset: 0 },
      { topic, partition: 1, offset: 2 },
    ];
    expect((await one.post("offsets", { offsets })).status).toBe(200);

    for (const _ of urls) {
      expect(listed(await get("/consumer-groups"), "consumer_group_id")).toContain(one.group);
      expect(await get(group)).toMatchObject({ status: 200, json: { state: "STABLE", is_simple: false } });
      const consumer_id = "worker";
      expect(listed(await get(`${group}/consumers`), "consumer_id")).toEqual([consumer_id]);
      const assigned = await get(`${group}/consumers/${consumer_id}/assignments`);
      expect(listed(assigned, "partition_id")).toEqual([0, 1]);
      const lags = await get(`${group}/lags`);
      expect(listed(lags, "current_offset")).toEqual([1, 3]);
      expect(listed(lags, "log_end_offset")).toEqual([3, 3]);
      expect(listed(lags, "consumer_id")).toEqual([consumer_id, consumer_id]);
      expect(await get(`${group}/lags/${topic}/partitions/0`)).toMatchObject({ status: 200, json: { lag: 2 } });
      expect(await get(`${group}/lag-summary`)).toMatchObject({
        json: { max_lag: 2, total_lag: 2, max_lag_partition_id: 0, max_lag_consumer_id: consumer_id },
      });
    }

    // What is written counts at once, whoever wrote it.
    await write(topic, 1, 4, 5, 6, 7);
    expect(await get(`${group}/lag-summary`)).toMatchObject({ json: { max_lag: 4, total_lag: 6 } });
    expect((await one.delete()).status).toBe(204);
    for (const _ of urls) {
      expect(listed(await get(`${group}/consumers`), "consumer_id")).toEqual([]);
      expect(listed(await get(`${group}/lags`), "consumer_id")).toEqual(["", ""]);
    }
  });
});

function jsonWith(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { "content-type": "application/json", ...headers };
}
