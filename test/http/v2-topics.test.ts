import { afterAll, beforeAll, expect, test } from "vitest";
import { HttpWorld } from "./http-world.ts";

let world: HttpWorld;

beforeAll(async () => {
  world = await HttpWorld.start();
  await world.createTopic("orders", 3, { "retention.ms": "1000" });
  await world.createTopic("places");
});

afterAll(() => world[Symbol.asyncDispose]());

test("all topics are listed by name", async () => {
  const { status, type, body } = await world.json("/topics");
  expect([status, type, body]).toEqual([200, "application/vnd.kafka.v2+json", ["orders", "places"]]);
});

test("a slash at the end changes nothing", async () => {
  expect((await world.json("/topics/")).body).toEqual(["orders", "places"]);
});

test("a topic is shown with every config that holds and its partitions", async () => {
  const { status, body } = await world.json("/topics/orders");
  expect(status).toBe(200);
  expect(body.name).toBe("orders");
  expect(body.configs).toMatchObject({ "retention.ms": "1000", "cleanup.policy": "delete" });
  expect(body.partitions.map(({ partition }: { partition: number }) => partition)).toEqual([0, 1, 2]);
});

test("partitions show leader and replicas", async () => {
  const partition = { partition: 1, leader: 0, replicas: [{ broker: 0, leader: true, in_sync: true }] };
  expect((await world.json("/topics/orders/partitions")).body[1]).toEqual(partition);
  expect((await world.json("/topics/orders/partitions/1")).body).toEqual(partition);
});

test("the offsets of a partition move with what is written", async () => {
  const path = "/topics/places/partitions/0/offsets";
  expect((await world.json(path)).body).toEqual({ beginning_offset: 0, end_offset: 0 });
  await world.post("/topics/places", { records: [{ value: 1 }, { value: 2 }] });
  expect((await world.json(path)).body).toEqual({ beginning_offset: 0, end_offset: 2 });
});

test.each([
  ["/topics/missing", 40401],
  ["/topics/missing/partitions", 40401],
  ["/topics/missing/partitions/0", 40401],
  ["/topics/missing/partitions/0/offsets", 40401],
  ["/topics/a%20b", 40401],
  ["/topics/orders/partitions/3", 40402],
  ["/topics/orders/partitions/-1", 40402],
  ["/topics/orders/partitions/first", 40402],
  ["/topics/orders/partitions/99999999999", 40402],
  ["/topics/orders/partitions/3/offsets", 40402],
  ["/nothing/here", 404],
])("GET %s is %i", async (path, code) => {
  const { status, body } = await world.json(path);
  expect([status, body.error_code]).toEqual([404, code]);
  expect(body.message).not.toBe("");
});

test("another method than a path has is 405 and names those it has", async () => {
  const { status, body, headers } = await world.json("/topics/orders", { method: "DELETE" });
  expect([status, body.error_code, headers.get("allow")]).toEqual([405, 405, "GET, POST"]);
});

test.each([
  [undefined, "application/vnd.kafka.v2+json"],
  ["*/*", "application/vnd.kafka.v2+json"],
  ["application/json", "application/json"],
  ["application/*;q=0.5", "application/vnd.kafka.v2+json"],
  ["application/vnd.kafka.v2+json;q=0.1, application/json;q=0.9", "application/json"],
  ["text/html, application/json;q=0.9, */*;q=0.1", "application/json"],
])("Accept %s is answered in %s", async (accept, type) => {
  const headers = accept === undefined ? {} : { accept };
  expect((await world.json("/topics", { headers })).type).toBe(type);
});

test.each(["text/html", "application/json;q=0", "application/vnd.kafka.avro.v2+json"])(
  "Accept %s alone is 406, in JSON all the same",
  async (accept) => {
    const { status, type, body } = await world.json("/topics", { headers: { accept } });
    expect([status, body.error_code]).toEqual([406, 406]);
    expect(type).toBe("application/json");
  },
);

test("a refusal comes in the form that was asked for", async () => {
  const { type } = await world.json("/topics/missing", { headers: { accept: "application/vnd.kafka.v2+json" } });
  expect(type).toBe("application/vnd.kafka.v2+json");
});
