import { afterAll, beforeAll, expect, test } from "vitest";
import { V3World } from "./v3-world.ts";

let v3: V3World;

beforeAll(async () => {
  v3 = await V3World.start({ brokerConfigs: { "log.retention.ms": "86400000" } });
  await v3.world.createTopic("orders", 1, { "retention.ms": "1000" });
  await v3.world.createTopic("places");
});

afterAll(() => v3[Symbol.asyncDispose]());

const path = "/topics/orders/configs";
const shownValue = async (name: string, at = path) => (await v3.get(`${at}/${name}`)).body.value;

test("a topic's config says its value, where it comes from and what stands behind it", async () => {
  const { body } = await v3.get(`${path}/retention.ms`);
  expect(body).toMatchObject({
    kind: "KafkaTopicConfig",
    metadata: {
      self: v3.url(`${path}/retention.ms`),
      resource_name: `crn:///kafka=${v3.clusterId}/topic=orders/config=retention.ms`,
    },
    cluster_id: v3.clusterId,
    topic_name: "orders",
    name: "retention.ms",
    value: "1000",
    is_default: false,
    is_read_only: false,
    is_sensitive: false,
    source: "DYNAMIC_TOPIC_CONFIG",
  });
  expect(body.synonyms).toContainEqual({ name: "log.retention.ms", value: "86400000", source: "STATIC_BROKER_CONFIG" });
  const { data } = (await v3.get(path)).body;
  expect(data).toContainEqual(body);
  expect(data.length).toBeGreaterThan(20);
});

test("default configs are what the topic would have without its own", async () => {
  const { data } = (await v3.get("/topics/orders/default-configs")).body;
  const retention = data.find(({ name }: { name: string }) => name === "retention.ms");
  expect(retention).toMatchObject({
    kind: "KafkaTopicDefaultConfig",
    value: "86400000",
    source: "STATIC_BROKER_CONFIG",
  });
});

test("the configs of all topics come at once", async () => {
  const { data } = (await v3.get("/topics/-/configs")).body;
  expect(new Set(data.map(({ topic_name }: { topic_name: string }) => topic_name))).toEqual(
    new Set(["orders", "places"]),
  );
});

test.each([
  ["/topics", 1],
  ["/topics/-/configs", 2],
  ["/topics/large/partitions", 2],
  ["/brokers/0/partition-replicas", 2],
])("%s comes piece by piece", async (list, piecesMin) => {
  if ((await v3.get("/topics/large")).status === 404) await v3.world.createTopic("large", 500);
  for (let at = 0; at < 20; at++) await v3.world.createTopic(`of${list.length}-${at}`);
  const { body } = await v3.world.request(v3.path(list));
  const pieces: Uint8Array[] = [];
  for await (const piece of body ?? []) pieces.push(piece);
  expect(JSON.parse(Buffer.concat(pieces).toString())).toEqual((await v3.get(list)).body);
  expect(pieces.length).toBeGreaterThanOrEqual(piecesMin);
  for (const { byteLength } of pieces) expect(byteLength).toBeLessThan(80 * 1024);
});

test("a config is set and set back", async () => {
  const set = await v3.send("PUT", `${path}/max.message.bytes`, { value: "2000" });
  expect([set.status, set.body]).toEqual([204, ""]);
  expect(await shownValue("max.message.bytes")).toBe("2000");
  expect((await v3.send("DELETE", `${path}/max.message.bytes`)).status).toBe(204);
  expect((await v3.get(`${path}/max.message.bytes`)).body).toMatchObject({ value: "1048588", is_default: true });
});

test("several are altered at once, all or none", async () => {
  const alter = `${path}:alter`;
  const data = [
    { name: "cleanup.policy", value: "compact", operation: "SET" },
    { name: "segment.ms", value: "5000" },
    { name: "retention.ms", operation: "DELETE" },
  ];
  expect((await v3.send("POST", alter, { data, validate_only: true })).status).toBe(204);
  expect(await shownValue("segment.ms")).toBe("604800000");
  const one = data.map((each) => (each.name === "segment.ms" ? { ...each, value: "soon" } : each));
  await v3.refused(400, "POST", alter, { data: one });
  expect(await shownValue("cleanup.policy")).toBe("delete");
  expect((await v3.send("POST", alter, { data })).status).toBe(204);
  expect(await shownValue("cleanup.policy")).toBe("compact");
  expect(await shownValue("segment.ms")).toBe("5000");
  expect((await v3.get(`${path}/retention.ms`)).body.source).toBe("STATIC_BROKER_CONFIG");
});

test.each([
  [404, "GET", "/topics/orders/configs/colour", undefined],
  [404, "PUT", "/topics/orders/configs/colour", { value: "red" }],
  [404, "DELETE", "/topics/orders/configs/colour", undefined],
  [404, "POST", "/topics/orders/configs:alter", { data: [{ name: "colour", value: "red" }] }],
  [404, "PUT", "/topics/missing/configs/retention.ms", { value: "1" }],
  [404, "POST", "/topics/missing/configs:alter", { data: [{ name: "retention.ms", value: "1" }] }],
  [400, "PUT", "/topics/orders/configs/retention.ms", { value: "soon" }],
  [400, "POST", "/topics/orders/configs:alter", { data: [{ name: "retention.ms" }] }],
  [400, "POST", "/topics/orders/configs:alter", { data: [1, 2].map(() => ({ name: "retention.ms", value: "1" })) }],
  [422, "PUT", "/topics/orders/configs/retention.ms", { value: 1 }],
  [422, "POST", "/topics/orders/configs:alter", { data: [] }],
  [422, "POST", "/topics/orders/configs:alter", { data: [{ name: "retention.ms", value: "1", operation: "ADD" }] }],
  [404, "GET", "/brokers/7/configs", undefined],
  [404, "GET", "/brokers/0/configs/colour", undefined],
  [404, "PUT", "/brokers/0/configs/colour", { value: "red" }],
  [400, "PUT", "/brokers/0/configs/node.id", { value: "3" }],
  [404, "GET", "/broker-configs/log.retention.ms", undefined],
  [400, "PUT", "/broker-configs/log.retention.ms", { value: "soon" }],
])("%i: %s %s %j", async (status, method, at, body) => {
  await v3.refused(status, method, at, body);
});

test("a broker's configs are shown, set and set back", async () => {
  const at = "/brokers/0/configs";
  expect((await v3.get(`${at}/node.id`)).body).toMatchObject({
    kind: "KafkaBrokerConfig",
    broker_id: 0,
    value: "0",
    is_read_only: true,
  });
  expect((await v3.get("/brokers/-/configs")).body.data).toEqual((await v3.get(at)).body.data);
  expect((await v3.send("PUT", `${at}/log.retention.ms`, { value: "9000" })).status).toBe(204);
  expect((await v3.get(`${at}/log.retention.ms`)).body).toMatchObject({
    value: "9000",
    source: "DYNAMIC_BROKER_CONFIG",
  });
  expect(await shownValue("retention.ms", "/topics/places/configs")).toBe("9000");
  const data = [{ name: "log.retention.ms", operation: "DELETE" }];
  expect((await v3.send("POST", `${at}:alter`, { data })).status).toBe(204);
  expect(await shownValue("retention.ms", "/topics/places/configs")).toBe("86400000");
});

test("configs of all brokers are those that are set there", async () => {
  const at = "/broker-configs";
  expect((await v3.get(at)).body.data).toEqual([]);
  const data = [{ name: "log.retention.ms", value: "8000" }];
  expect((await v3.send("POST", `${at}:alter`, { data })).status).toBe(204);
  const config = (await v3.get(`${at}/log.retention.ms`)).body;
  expect((await v3.get(at)).body.data).toEqual([config]);
  expect(config).toMatchObject({
    kind: "KafkaClusterConfig",
    metadata: { resource_name: `crn:///kafka=${v3.clusterId}/broker-config=log.retention.ms` },
    config_type: "BROKER",
    value: "8000",
    source: "DYNAMIC_DEFAULT_BROKER_CONFIG",
  });
  expect((await v3.send("DELETE", `${at}/log.retention.ms`)).status).toBe(204);
  expect((await v3.get(at)).body.data).toEqual([]);
});
