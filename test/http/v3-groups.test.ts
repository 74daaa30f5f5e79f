import { afterAll, beforeAll, expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeAssignment } from "#lib/protocol/consumer-protocol.ts";
import { GroupClient } from "../broker/group-client.ts";
import { V3World } from "./v3-world.ts";

// Groups that Kafka consumers use, as v3 shows them.

let v3: V3World;
let client: GroupClient;

beforeAll(async () => {
  v3 = await V3World.start({ brokerConfigs: { "group.initial.rebalance.delay.ms": "0" } });
  client = await GroupClient.to(v3.world.broker);
  await v3.world.createTopic("orders", 2);
  const records = Array.from({ length: 10 }, (_, at) => ({ value: at, partition: at < 7 ? 0 : 1 }));
  await v3.world.post("/topics/orders", { records });
});

afterAll(async () => {
  await client.connection.close();
  await v3[Symbol.asyncDispose]();
});

/** The only member of a classic group, with both partitions. */
async function classicMember(groupId: string) {
  const { memberId, generationId } = await client.join({ groupId, groupInstanceId: "static-1" }, 5);
  const assignment = encodeAssignment({ assignedPartitions: [{ topic: "orders", partitions: [1, 0] }] });
  const member = { groupId, memberId, generationId };
  await client.connection.send(Apis.SYNC_GROUP, 3, {
    ...member,
    groupInstanceId: "static-1",
    assignments: [{ memberId, assignment }],
  });
  return member;
}

test("a classic group is shown with its member, the member's partitions and how far it is behind", async () => {
  const member = await classicMember("billing");
  const group = "/consumer-groups/billing";
  await client.commit("billing", 2, member);
  await client.commit("billing", 3, { ...member, partitionIndex: 1 });

  expect((await v3.get(group)).body).toMatchObject({
    kind: "KafkaConsumerGroup",
    metadata: { self: v3.url(group), resource_name: `crn:///kafka=${v3.clusterId}/consumer-group=billing` },
    consumer_group_id: "billing",
    is_simple: false,
    partition_assignor: "range",
    state: "STABLE",
    coordinator: { related: v3.url("/brokers/0") },
    consumers: { related: v3.url(`${group}/consumers`) },
    lag_summary: { related: v3.url(`${group}/lag-summary`) },
  });

  const consumers = (await v3.get(`${group}/consumers`)).body.data;
  const consumer = `${group}/consumers/${member.memberId}`;
  expect(consumers).toEqual([(await v3.get(consumer)).body]);
  expect(consumers[0]).toMatchObject({ consumer_id: member.memberId, instance_id: "static-1", client_id: "test" });

  const assignments = (await v3.get(`${consumer}/assignments`)).body.data;
  expect(assignments.map(({ partition_id }: { partition_id: number }) => partition_id)).toEqual([0, 1]);
  const assignment = (await v3.get(`${consumer}/assignments/orders/partitions/1`)).body;
  expect(assignments[1]).toEqual(assignment);
  expect(assignment).toMatchObject({
    partition: { related: v3.url("/topics/orders/partitions/1") },
    lag: { related: v3.url(`${group}/lags/orders/partitions/1`) },
  });

  const lags = (await v3.get(`${group}/lags`)).body.data;
  const first = (await v3.get(`${group}/lags/orders/partitions/0`)).body;
  expect(lags[0]).toEqual(first);
  expect(first).toMatchObject({ consumer_id: member.memberId, current_offset: 2, log_end_offset: 7, lag: 5 });
  expect(lags[1]).toMatchObject({ partition_id: 1, current_offset: 3, log_end_offset: 3, lag: 0 });
  expect((await v3.get(`${group}/lag-summary`)).body).toMatchObject({
    kind: "KafkaConsumerGroupLagSummary",
    metadata: { resource_name: `crn:///kafka=${v3.clusterId}/consumer-group=billing/lag-summary` },
    max_lag_consumer_id: member.memberId,
    max_lag_instance_id: "static-1",
    max_lag_topic_name: "orders",
    max_lag_partition_id: 0,
    max_lag: 5,
    total_lag: 5,
    max_lag_consumer: { related: v3.url(consumer) },
  });
});

test("a group of the consumer protocol is shown alike", async () => {
  const groupId = "new-protocol";
  const joining = { rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames: ["orders"] };
  const { errorCode } = await client.connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, {
    groupId,
    memberId: "m-1",
    memberEpoch: 0,
    ...joining,
  });
  expect(errorCode).toBe(0);
  const group = `/consumer-groups/${groupId}`;
  expect((await v3.get(group)).body).toMatchObject({ is_simple: false, partition_assignor: "uniform" });
  const [consumer] = (await v3.get(`${group}/consumers`)).body.data;
  expect(consumer).toMatchObject({ consumer_id: "m-1", instance_id: null, client_id: "test" });
  const assignments = (await v3.get(`${group}/consumers/m-1/assignments`)).body.data;
  expect(assignments.map(({ partition_id }: { partition_id: number }) => partition_id)).toEqual([0, 1]);
  expect((await v3.get(`${group}/lags`)).body.data).toEqual([]);
  await v3.refused(404, "GET", `${group}/lag-summary`);
});

test("a group that only holds offsets is simple, and its partitions are nobody's", async () => {
  await client.commit("offsets only/and more", 1);
  const group = `/consumer-groups/${encodeURIComponent("offsets only/and more")}`;
  const { body } = await v3.get(group);
  expect(body).toMatchObject({ is_simple: true, state: "EMPTY", metadata: { self: v3.url(group) } });
  expect((await v3.get(`${group}/consumers`)).body.data).toEqual([]);
  const [lag] = (await v3.get(`${group}/lags`)).body.data;
  expect(lag).toMatchObject({ consumer_id: "", instance_id: null, client_id: "", lag: 6 });
});

test("the list has groups of consumers and simple ones, not those of others", async () => {
  await client.join({ groupId: "workers", protocolType: "connect" }, 3);
  await client.commit("listed", 1);
  const { body } = await v3.get("/consumer-groups");
  const ids = body.data.map((group: { consumer_group_id: string }) => group.consumer_group_id);
  expect(ids).toContain("listed");
  expect(ids).not.toContain("workers");
  expect(body.data).toContainEqual((await v3.get("/consumer-groups/listed")).body);
});

test("lags leave out topics that are gone", async () => {
  await v3.world.createTopic("passing");
  await client.commit("left", 0, { topic: "passing" });
  await client.commit("left", 0);
  await v3.send("DELETE", "/topics/passing");
  const { data } = (await v3.get("/consumer-groups/left/lags")).body;
  expect(data.map(({ topic_name }: { topic_name: string }) => topic_name)).toEqual(["orders"]);
});

test.each([
  "/consumer-groups/missing",
  "/consumer-groups/missing/consumers",
  "/consumer-groups/missing/lags",
  "/consumer-groups/missing/lag-summary",
  "/consumer-groups/billing/consumers/nobody",
  "/consumer-groups/billing/consumers/nobody/assignments",
  "/consumer-groups/billing/lags/orders/partitions/9",
  "/consumer-groups/billing/lags/missing/partitions/0",
])("GET %s is 404", async (path) => {
  await v3.refused(404, "GET", path);
});
