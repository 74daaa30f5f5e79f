import { expect, test } from "vitest";
import type { HttpAuthenticator } from "#lib/http/access.ts";
import { GroupClient } from "../broker/group-client.ts";
import { ConsumerWorld, RestConsumer, write } from "./consumer-world.ts";
import { V3World } from "./v3-world.ts";

// Whom v3 tells what of groups, and that it looks anew before it says no.

/** With the header X-Orders, a key for every group and the topic `orders`. */
const auth: HttpAuthenticator = {
  authenticate: async ({ headers }) => ({
    name: "test",
    may: (_, { kind, name }) => !headers.has("x-orders") || kind === "group" || name === "orders",
  }),
};
const ORDERS = { "x-orders": "only" };

test("a group shows its offsets and partitions of those topics that the key may see", async () => {
  await using v3 = await V3World.start({ auth });
  const one = new RestConsumer([v3.world], "billing", "i");
  await one.create();
  for (const topic of ["orders", "secrets"]) {
    await v3.world.createTopic(topic);
    await write(v3.world, topic, topic === "orders" ? [1, 2] : [1, 2, 3]);
  }
  await one.subscribe("orders", "secrets");
  await one.poll();
  const offsets = ["orders", "secrets"].map((topic) => ({ topic, partition: 0, offset: 0 }));
  expect((await one.post("offsets", { offsets })).status).toBe(200);

  const topicsOf = async (path: string, headers: Record<string, string>) =>
    (await v3.get(path, headers)).body.data.map(({ topic_name: name }: { topic_name: string }) => name);
  const group = "/consumer-groups/billing";
  for (const path of [`${group}/lags`, `${group}/consumers/i/assignments`]) {
    expect(await topicsOf(path, {})).toEqual(["orders", "secrets"]);
    expect(await topicsOf(path, ORDERS)).toEqual(["orders"]);
    const single = (topic: string) => v3.get(`${path}/${topic}/partitions/0`, ORDERS);
    expect((await single("orders")).status).toBe(200);
    expect((await single("secrets")).status).toBe(403);
    expect((await single("missing")).status).toBe(403);
  }
  const summary = `${group}/lag-summary`;
  expect((await v3.get(summary)).body).toMatchObject({ max_lag_topic_name: "secrets", max_lag: 2, total_lag: 3 });
  expect((await v3.get(summary, ORDERS)).body).toMatchObject({
    max_lag_topic_name: "orders",
    max_lag: 1,
    total_lag: 1,
  });
});

test("a member's partitions of a topic that was made elsewhere just now are shown", async () => {
  await using world = await ConsumerWorld.start(2);
  const [here, there] = [world.process(0), world.process(1)];
  const { cluster_id: cluster } = (await here.json("/v3/clusters")).body.data[0];
  const path = `/v3/clusters/${cluster}/consumer-groups/g`;
  await there.createTopic("t");
  const one = new RestConsumer([there], "g", "i");
  await one.create();
  await one.subscribe("t");
  await one.poll();
  const { body } = await here.json(`${path}/consumers/i/assignments/t/partitions/0`);
  expect(body).toMatchObject({ topic_name: "t", partition_id: 0 });
});

test("a committed offset that stands for none has no lag", async () => {
  await using v3 = await V3World.start();
  await v3.world.createTopic("orders", 2);
  const client = await GroupClient.to(v3.world.broker);
  await client.commit("g", -1);
  await client.commit("g", 0, { partitionIndex: 1 });
  const { data } = (await v3.get("/consumer-groups/g/lags")).body;
  expect(data.map(({ partition_id: partition }: { partition_id: number }) => partition)).toEqual([1]);
  await client.connection.close();
});
