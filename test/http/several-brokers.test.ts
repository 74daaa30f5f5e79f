import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { BrokerCluster } from "../broker/broker-cluster.ts";
import { batchOf } from "../serve/kafka-calls.ts";
import { HttpWorld } from "./http-world.ts";
import { V3World } from "./v3-world.ts";

// The HTTP door of broker 1 of three, where broker 0 leads topic `t` and store 2 is not in sync.

async function started() {
  const cluster = await BrokerCluster.start(3);
  await cluster.createTopic("t", 1);
  await cluster.elect(0, "t");
  await cluster.alterIsr([0, 1], "t");
  await cluster.catchUpAll();
  const world = HttpWorld.over(cluster.broker(1).memory);
  return { cluster, world, v3: V3World.over(world) };
}

test("v2 shows leaders and replicas as the cluster has them", async () => {
  const { cluster, world } = await started();
  await using _ = cluster;
  const { body } = await world.json("/topics/t/partitions/0");
  expect(body).toEqual({
    partition: 0,
    leader: 0,
    replicas: [
      { broker: 0, leader: true, in_sync: true },
      { broker: 1, leader: false, in_sync: true },
      { broker: 2, leader: false, in_sync: false },
    ],
  });
});

test("v3 shows every broker that runs, where its clients find it, and its replicas", async () => {
  const { cluster, v3 } = await started();
  await using _ = cluster;
  const { data } = (await v3.get("/brokers")).body;
  const shown = data.map(({ broker_id, host, port, rack }: Record<string, unknown>) => [broker_id, host, port, rack]);
  expect(shown).toEqual(
    cluster.brokers.map(({ brokerId, memory }) => [brokerId, "127.0.0.1", memory.port, "abc"[brokerId]]),
  );
  expect((await v3.get("/brokers/2")).body).toEqual(data[2]);
  const replica = { topic_name: "t", partition_id: 0, broker_id: 2, is_leader: false, is_in_sync: false };
  expect((await v3.get("/brokers/2/partition-replicas")).body.data).toMatchObject([replica]);
  expect((await v3.get("/topics/t/partitions/0")).body.leader).toEqual({
    related: v3.url("/topics/t/partitions/0/replicas/0"),
  });
  expect(await v3.refused(404, "GET", "/brokers/7")).toContain("these run: 0, 1, 2");
  expect(await v3.refused(404, "GET", "/brokers/2/configs")).toContain("at that broker");
  await cluster.kill(2);
  await cluster.catchUpAll();
  expect((await v3.get("/brokers")).body.data).toHaveLength(2);
});

test("whoever speaks Kafka's protocol by this door reaches no other broker, and is served everything", async () => {
  const { cluster, world } = await started();
  await using _ = cluster;
  const send = async (frame: readonly Uint8Array[]) => {
    const body = Uint8Array.from(Buffer.concat(frame));
    const headers = { "content-type": "application/octet-stream" };
    const answer = await world.request("/v1/kafka", { method: "POST", headers, body });
    return new Uint8Array(await answer.arrayBuffer()).subarray(4);
  };
  const headerOf = (apiVersion: number) => ({ apiVersion, correlationId: 1, clientId: "c" });
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["x"]) }] }];
  const produced = await send(
    encodeRequestFrame(Apis.PRODUCE, headerOf(12), { acks: -1, timeoutMs: 5_000, topicData }),
  );
  const { responses } = decodeResponseFrame(Apis.PRODUCE, 12, produced);
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.NONE);
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const asked = { maxWaitMs: 0, minBytes: 0, topics: [{ topic: "t", partitions }], forgottenTopicsData: [] };
  const fetched = decodeResponseFrame(Apis.FETCH, 10, await send(encodeRequestFrame(Apis.FETCH, headerOf(10), asked)));
  expect(fetched.responses[0]?.partitions[0]).toMatchObject({ errorCode: ErrorCode.NONE, highWatermark: 1 });
});
