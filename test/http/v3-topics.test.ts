import { afterAll, beforeAll, expect, test } from "vitest";
import { V3World } from "./v3-world.ts";

let v3: V3World;

beforeAll(async () => {
  v3 = await V3World.start();
  await v3.world.createTopic("orders", 3, { "retention.ms": "1000" });
  await v3.world.createTopic("places");
});

afterAll(() => v3[Symbol.asyncDispose]());

test("there is one cluster, with its one broker", async () => {
  const { body } = await v3.world.json("/v3/clusters");
  expect(body).toMatchObject({
    kind: "KafkaClusterList",
    metadata: { self: "http://localhost/v3/clusters", next: null },
  });
  const cluster = (await v3.get("")).body;
  expect(body.data).toEqual([cluster]);
  expect(cluster).toMatchObject({
    kind: "KafkaCluster",
    metadata: { self: v3.url(""), resource_name: `crn:///kafka=${v3.clusterId}` },
    cluster_id: v3.clusterId,
    controller: { related: v3.url("/brokers/0") },
    partition_reassignments: { related: v3.url("/topics/-/partitions/-/reassignment") },
  });
  const broker = (await v3.get("/brokers/0")).body;
  expect((await v3.get("/brokers")).body.data).toEqual([broker]);
  expect(broker).toMatchObject({
    kind: "KafkaBroker",
    broker_id: 0,
    configs: { related: v3.url("/brokers/0/configs") },
  });
});

test("every place that a cluster points to is there, but for ACLs", async () => {
  const { body } = await v3.get("");
  for (const [name, value] of Object.entries<{ related?: string }>(body)) {
    if (value.related === undefined) continue;
    const { status } = await v3.world.json(value.related.replace("http://localhost", ""));
    expect([name, status]).toEqual([name, name === "acls" ? 501 : 200]);
  }
});

test("topics are listed and shown alike", async () => {
  const { body } = await v3.get("/topics");
  expect(body.data.map(({ topic_name }: { topic_name: string }) => topic_name)).toEqual(["orders", "places"]);
  expect(body.data[0]).toEqual((await v3.get("/topics/orders")).body);
  expect(body.data[0]).toMatchObject({
    kind: "KafkaTopic",
    metadata: { self: v3.url("/topics/orders"), resource_name: `crn:///kafka=${v3.clusterId}/topic=orders` },
    is_internal: false,
    replication_factor: 1,
    partitions_count: 3,
    partitions: { related: v3.url("/topics/orders/partitions") },
  });
});

test("a topic is made, grown and deleted", async () => {
  const configs = [{ name: "cleanup.policy", value: "compact" }];
  const made = await v3.send("POST", "/topics", { topic_name: "made", partitions_count: 2, configs });
  expect([made.status, made.headers.get("location")]).toEqual([201, v3.url("/topics/made")]);
  expect(made.body).toMatchObject({ topic_name: "made", partitions_count: 2, replication_factor: 1 });
  const grown = await v3.send("PATCH", "/topics/made", { partitions_count: 5 });
  expect([grown.status, grown.body.partitions_count]).toEqual([200, 5]);
  expect((await v3.get("/topics/made/configs/cleanup.policy")).body.value).toBe("compact");
  const deleted = await v3.send("DELETE", "/topics/made");
  expect([deleted.status, deleted.body]).toEqual([204, ""]);
  await v3.refused(404, "GET", "/topics/made");
  await v3.refused(404, "DELETE", "/topics/made");
});

test("topics stay where deleting them is off, which is 403 with the reason", async () => {
  await using kept = await V3World.start({ brokerConfigs: { "delete.topic.enable": "false" } });
  await kept.world.createTopic("orders");
  expect(await kept.refused(403, "DELETE", "/topics/orders")).toContain("cannot be deleted");
  expect((await kept.get("/topics/orders")).status).toBe(200);
});

test("what is only validated is not made", async () => {
  const asked = { topic_name: "thought", partitions_count: 4, validate_only: true };
  const { status, body } = await v3.send("POST", "/topics", asked);
  expect([status, body.partitions_count]).toEqual([200, 4]);
  await v3.refused(404, "GET", "/topics/thought");
});

test("replicas by hand are taken where they are what the cluster would choose", async () => {
  const replicas_assignments = [
    { partition_id: 1, broker_ids: [0] },
    { partition_id: 0, broker_ids: [0] },
  ];
  const { status, body } = await v3.send("POST", "/topics", { topic_name: "by-hand", replicas_assignments });
  expect([status, body.partitions_count]).toEqual([201, 2]);
});

test.each([
  ["a name that is there", { topic_name: "orders" }],
  ["a name that cannot be", { topic_name: "a b" }],
  ["no partitions", { topic_name: "new", partitions_count: 0 }],
  ["more replicas than stores", { topic_name: "new", replication_factor: 2 }],
  ["a config that there is not", { topic_name: "new", configs: [{ name: "colour", value: "red" }] }],
  ["a value that cannot be", { topic_name: "new", configs: [{ name: "retention.ms", value: "soon" }] }],
  [
    "a config twice",
    { topic_name: "new", configs: [1, 2].map((value) => ({ name: "retention.ms", value: `${value}` })) },
  ],
  ["a broker that there is not", { topic_name: "new", replicas_assignments: [{ partition_id: 0, broker_ids: [7] }] }],
  ["a partition left out", { topic_name: "new", replicas_assignments: [{ partition_id: 1, broker_ids: [0] }] }],
  [
    "replicas by hand and a count",
    { topic_name: "new", partitions_count: 1, replicas_assignments: [{ partition_id: 0, broker_ids: [0] }] },
  ],
])("a topic with %s is 400", async (_, body) => {
  await v3.refused(400, "POST", "/topics", body);
  if (body.topic_name === "new") await v3.refused(404, "GET", "/topics/new");
});

test("fewer partitions, or as many, are 400", async () => {
  await v3.refused(400, "PATCH", "/topics/orders", { partitions_count: 3 });
  expect(await v3.refused(400, "PATCH", "/topics/orders", { partitions_count: 2 })).toContain("3");
});

test("bodies that are no JSON, of another type or with other fields are 400, 415 and 422", async () => {
  await v3.refused(400, "POST", "/topics", "{");
  await v3.refused(422, "POST", "/topics", {});
  await v3.refused(422, "POST", "/topics", { topic_name: "new", partitions: 3 });
  await v3.refused(422, "PATCH", "/topics/orders", { partitions_count: "4" });
  const { status, body } = await v3.send("POST", "/topics", "topic_name=new", { "content-type": "text/plain" });
  expect([status, body.error_code]).toEqual([415, 415]);
});

test("partitions, replicas and reassignments are shown", async () => {
  const path = "/topics/orders/partitions";
  const { body } = await v3.get(path);
  expect(body.data.map(({ partition_id }: { partition_id: number }) => partition_id)).toEqual([0, 1, 2]);
  expect(body.data[1]).toEqual((await v3.get(`${path}/1`)).body);
  expect(body.data[1]).toMatchObject({
    kind: "KafkaPartition",
    metadata: { resource_name: `crn:///kafka=${v3.clusterId}/topic=orders/partition=1` },
    leader: { related: v3.url(`${path}/1/replicas/0`) },
  });
  const replicas = (await v3.get(`${path}/1/replicas`)).body.data;
  expect(replicas).toEqual([(await v3.get(`${path}/1/replicas/0`)).body]);
  expect(replicas[0]).toMatchObject({ broker_id: 0, is_leader: true, is_in_sync: true });
  expect((await v3.get(`${path}/-/reassignment`)).body.data).toEqual([]);
  expect((await v3.get("/topics/-/partitions/-/reassignment")).body.data).toEqual([]);
  const ofBroker = (await v3.get("/brokers/0/partition-replicas")).body.data;
  expect(ofBroker).toContainEqual(replicas[0]);
});

test.each([
  ["GET", "/topics/missing"],
  ["GET", "/topics/missing/partitions"],
  ["GET", "/topics/missing/configs"],
  ["GET", "/topics/orders/partitions/3"],
  ["GET", "/topics/orders/partitions/first"],
  ["GET", "/topics/orders/partitions/0/replicas/1"],
  ["GET", "/topics/orders/partitions/0/reassignment"],
  ["GET", "/topics/missing/partitions/-/reassignment"],
  ["GET", "/brokers/1"],
  ["GET", "/brokers/1/partition-replicas"],
])("%s %s is 404", async (method, path) => {
  await v3.refused(404, method, path);
});

test("another cluster is 404 wherever it is named", async () => {
  for (const path of ["", "/topics", "/topics/orders", "/brokers", "/consumer-groups", "/broker-configs", "/acls"]) {
    const { status, body } = await v3.world.json(`/v3/clusters/other${path}`);
    expect([path, status, body.error_code]).toEqual([path, 404, 404]);
  }
  const { status } = await v3.world.post("/v3/clusters/other/topics/orders/records", {});
  expect(status).toBe(404);
});

test("what only looks like an action is 404, and another method 405", async () => {
  await v3.refused(404, "POST", "/topics/orders/recordsXbatch", {});
  const { status, headers } = await v3.world.json(v3.path("/topics/orders/records:batch"));
  expect([status, headers.get("allow")]).toEqual([405, "POST"]);
});

test("ACLs are 501 with the reason", async () => {
  expect(await v3.refused(501, "GET", "/acls")).toContain("/v1/keys");
  await v3.refused(501, "POST", "/acls:batch", {});
  await v3.refused(501, "DELETE", "/acls");
});
