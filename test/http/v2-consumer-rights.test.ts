import { expect, test } from "vitest";
import type { HttpAuthenticator } from "#lib/http/access.ts";
import { RestConsumer } from "./consumer-world.ts";
import { HttpWorld } from "./http-world.ts";

/** May act as every group and see the topic `orders`. */
const auth: HttpAuthenticator = {
  authenticate: async () => ({ name: "test", may: (_, { kind, name }) => kind === "group" || name === "orders" }),
};

test("a pattern shows no topics that the key may not see", async () => {
  await using world = await HttpWorld.start({ auth });
  for (const name of ["orders", "secrets"]) await world.createTopic(name);
  const headers = { "content-type": "application/vnd.kafka.v2+json" };
  await world.post("/consumers/g", { name: "i", format: "json" }, headers);
  const path = "/consumers/g/instances/i/subscription";
  const subscribed = await world.post(path, { topic_pattern: ".*" }, headers);
  expect(subscribed.status).toBe(204);
  expect((await world.json(path)).body).toEqual({ topics: ["orders"] });
});

test("no answer about an instance names a topic that the key may not see", async () => {
  await using world = await HttpWorld.start({ auth });
  for (const name of ["orders", "secrets"]) await world.createTopic(name);
  const one = new RestConsumer([world], "g", "i");
  await one.create();
  expect((await one.post("subscription", { topic_pattern: ".*" })).status).toBe(204);
  expect((await one.get("assignments")).body).toEqual({ partitions: [{ topic: "orders", partition: 0 }] });
  expect((await one.get("offsets")).body).toEqual({ offsets: [] });
  const polled = await one.get("records?timeout=0");
  expect([polled.status, polled.body.error_code]).toEqual([403, 40301]);
  expect(polled.body.message).not.toContain("secrets");
});
