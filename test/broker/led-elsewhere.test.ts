import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { batchOf, produce, readAll } from "../serve/kafka-calls.ts";
import { BrokerCluster } from "./broker-cluster.ts";

// Three brokers, each at home at one of three stores, in racks a, b and c.

const { NONE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = ErrorCode;

interface FetchFields {
  readonly version?: number;
  readonly offset?: number;
  readonly epoch?: number;
  readonly rack?: string;
}

async function fetchFrom(connection: KafkaConnection, topicId: Uuid, fields: FetchFields = {}) {
  const { version = 12, offset = 0, epoch = -1, rack } = fields;
  const partition = { partition: 0, fetchOffset: offset, partitionMaxBytes: 1_000_000 };
  const asked = version >= 9 ? { ...partition, currentLeaderEpoch: epoch } : partition;
  const answer = await connection.send(Apis.FETCH, version, {
    maxWaitMs: 5_000,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [{ topic: "t", ...(version >= 13 ? { topicId } : {}), partitions: [asked] }],
    forgottenTopicsData: [],
    ...(rack === undefined ? {} : { rackId: rack }),
  });
  return { ...defined(answer.responses[0]?.partitions[0]), nodeEndpoints: answer.nodeEndpoints };
}

/** A cluster whose topic `t` is led by broker 0, as all of them know. */
async function started(configs: Readonly<Record<string, string>> = {}) {
  const cluster = await BrokerCluster.start(3);
  await cluster.createTopic("t", 1, configs);
  await cluster.elect(0, "t");
  await cluster.catchUpAll();
  return cluster;
}

async function metadataOf(connection: KafkaConnection) {
  return connection.send(Apis.METADATA, 13, { topics: [{ name: "t" }], allowAutoTopicCreation: false });
}

test("every broker shows the same brokers, leaders and replicas", async () => {
  await using cluster = await started();
  await cluster.alterIsr([0, 2], "t");
  await cluster.catchUpAll();
  const brokers = cluster.brokers.map(({ brokerId, memory }) => ({
    nodeId: brokerId,
    host: "127.0.0.1",
    port: memory.port,
    rack: ["a", "b", "c"][brokerId],
  }));
  const lists = { replicaNodes: [0, 1, 2], isrNodes: [0, 2], offlineReplicas: [] };
  for (const { connection } of cluster.brokers) {
    const answer = await metadataOf(connection);
    expect(answer.brokers).toEqual(brokers);
    expect(answer.topics[0]?.partitions).toMatchObject([{ errorCode: NONE, leaderId: 0, leaderEpoch: 1, ...lists }]);
    const described = await connection.send(Apis.DESCRIBE_TOPIC_PARTITIONS, 0, {
      topics: [{ name: "t" }],
      responsePartitionLimit: 10,
      cursor: null,
    });
    expect(described.topics[0]?.partitions).toMatchObject([{ leaderId: 0, leaderEpoch: 1, ...lists }]);
  }
});

test.each([9, 10, 12])("Produce v%i to another broker names the leader from v10 on", async (version) => {
  await using cluster = await started();
  const request = {
    acks: -1,
    timeoutMs: 5_000,
    topicData: [{ name: "t", partitionData: [{ index: 0, records: batchOf(["x"]) }] }],
  };
  const answer = await cluster.connection(1).send(Apis.PRODUCE, version, request);
  const partition = defined(answer.responses[0]?.partitionResponses[0]);
  expect(partition.errorCode).toBe(NOT_LEADER_OR_FOLLOWER);
  const { port } = cluster.broker(0).memory;
  const isTold = version >= 10;
  expect(partition.currentLeader ?? null).toEqual(isTold ? { leaderId: 0, leaderEpoch: 1 } : NOBODY);
  expect(answer.nodeEndpoints ?? []).toEqual(isTold ? [{ nodeId: 0, host: "127.0.0.1", port, rack: "a" }] : []);
  expect((await produce(cluster.connection(0), { topic: "t" }, batchOf(["x"]))).errorCode).toBe(NONE);
});

const NOBODY = { leaderId: -1, leaderEpoch: -1 };

test("what needs no answer is appended by whoever gets it", async () => {
  await using cluster = await started();
  const { connection } = cluster.broker(1);
  const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf(["x"]) }] }];
  connection.sendWithoutAnswer(Apis.PRODUCE, 12, { acks: 0, timeoutMs: 5_000, topicData });
  await expect.poll(() => readAll(cluster.connection(0), "t")).toEqual(["x"]);
});

test("a broker that another one has elected in its place refuses once it looks, and names it", async () => {
  await using cluster = await started();
  await cluster.elect(2, "t");
  // It is the leader as far as it knows, and may append: the journal decides, and tells it of the election.
  const { connection } = cluster.broker(0);
  expect((await produce(connection, { topic: "t" }, batchOf(["x"]))).errorCode).toBe(NONE);
  const refused = await produce(connection, { topic: "t" }, batchOf(["y"]));
  expect(refused).toMatchObject({
    errorCode: NOT_LEADER_OR_FOLLOWER,
    currentLeader: { leaderId: 2, leaderEpoch: 2 },
    errorMessage: "broker 2 leads this partition",
  });
});

test("a broker looks at who leads before it refuses", async () => {
  await using cluster = await started();
  await cluster.elect(2, "t");
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await produce(cluster.connection(2), { topic: "t" }, batchOf(["x"]))).errorCode).toBe(NONE);
  const fetched = await fetchFrom(cluster.connection(2), ZERO_UUID, { version: 10 });
  expect([fetched.errorCode, fetched.highWatermark]).toEqual([NONE, 1]);
});

test("consumers read from the brokers of in-sync replicas, but in old versions from the leader alone", async () => {
  await using cluster = await started();
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["x"]));
  const outcome = async (brokerId: number, version: number) => {
    const { errorCode, records } = await fetchFrom(cluster.connection(brokerId), ZERO_UUID, { version });
    return [errorCode, (records?.byteLength ?? 0) > 0];
  };
  for (const version of [4, 10, 11]) expect(await outcome(0, version)).toEqual([NONE, true]);
  expect(await outcome(1, 11)).toEqual([NONE, true]);
  expect(await outcome(1, 10)).toEqual([NOT_LEADER_OR_FOLLOWER, false]);
  await cluster.alterIsr([0, 2], "t");
  await cluster.catchUpAll();
  expect(await outcome(1, 11)).toEqual([NOT_LEADER_OR_FOLLOWER, false]);
  expect(await outcome(2, 11)).toEqual([NONE, true]);
});

test.each([12, 16, 17])("Fetch v%i from a broker out of sync names the leader from v16 on", async (version) => {
  await using cluster = await started();
  await cluster.alterIsr([0, 2], "t");
  await cluster.catchUpAll();
  const { topicId = ZERO_UUID } = (await metadataOf(cluster.connection(1))).topics[0] ?? {};
  const { errorCode, currentLeader, nodeEndpoints } = await fetchFrom(cluster.connection(1), topicId, { version });
  expect(errorCode).toBe(NOT_LEADER_OR_FOLLOWER);
  const isTold = version >= 16;
  const { port } = cluster.broker(0).memory;
  expect(currentLeader).toEqual(isTold ? { leaderId: 0, leaderEpoch: 1 } : NOBODY);
  expect(nodeEndpoints ?? []).toEqual(isTold ? [{ nodeId: 0, host: "127.0.0.1", port, rack: "a" }] : []);
});

test("the leader sends a consumer at once to the replica in its rack, which serves it", async () => {
  await using cluster = await started();
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["x"]));
  const from = async (brokerId: number, fields: FetchFields) => {
    const { errorCode, preferredReadReplica, records } = await fetchFrom(
      cluster.connection(brokerId),
      ZERO_UUID,
      fields,
    );
    return [errorCode, preferredReadReplica, (records?.byteLength ?? 0) > 0];
  };
  expect(await from(0, { rack: "b" })).toEqual([NONE, 1, false]);
  // At the end of the log too, where there is nothing to wait for here.
  expect(await from(0, { rack: "c", offset: 1 })).toEqual([NONE, 2, false]);
  expect(await from(1, { rack: "b" })).toEqual([NONE, -1, true]);
  expect(await from(0, { rack: "a" })).toEqual([NONE, -1, true]);
  expect(await from(0, { rack: "nowhere" })).toEqual([NONE, -1, true]);
  expect(await from(0, { rack: "b", offset: 9 })).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE, -1, false]);
});

test("a session tells its client again and again where the nearer replica is", async () => {
  await using cluster = await started();
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["x"]));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const fetchIn = (sessionId: number, sessionEpoch: number) =>
    cluster.connection(0).send(Apis.FETCH, 12, {
      maxWaitMs: 5_000,
      minBytes: 1,
      maxBytes: 1_000_000,
      sessionId,
      sessionEpoch,
      topics: sessionEpoch === 0 ? [{ topic: "t", partitions }] : [],
      forgottenTopicsData: [],
      rackId: "b",
    });
  const { sessionId, responses } = await fetchIn(0, 0);
  expect(sessionId).not.toBe(0);
  expect(responses[0]?.partitions).toMatchObject([{ preferredReadReplica: 1, highWatermark: 1 }]);
  for (const epoch of [1, 2]) {
    expect((await fetchIn(sessionId, epoch)).responses[0]?.partitions).toMatchObject([{ preferredReadReplica: 1 }]);
  }
});

test("leader epochs fence what was meant for another leader, also in what any broker answers", async () => {
  await using cluster = await started();
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["x", "y"]));
  await cluster.elect(0, "t");
  await cluster.catchUpAll();
  const outcomes = async (brokerId: number, epoch: number) => {
    const connection = cluster.connection(brokerId);
    const fetched = await fetchFrom(connection, ZERO_UUID, { epoch });
    const partition = { currentLeaderEpoch: epoch };
    const listed = await connection.send(Apis.LIST_OFFSETS, 5, {
      topics: [{ name: "t", partitions: [{ ...partition, partitionIndex: 0, timestamp: -1 }] }],
    });
    const ended = await connection.send(Apis.OFFSET_FOR_LEADER_EPOCH, 4, {
      topics: [{ topic: "t", partitions: [{ ...partition, partition: 0, leaderEpoch: 0 }] }],
    });
    return [fetched.errorCode, listed.topics[0]?.partitions[0]?.errorCode, ended.topics[0]?.partitions[0]?.errorCode];
  };
  for (const brokerId of [0, 1]) {
    expect(await outcomes(brokerId, 1)).toEqual([FENCED_LEADER_EPOCH, FENCED_LEADER_EPOCH, FENCED_LEADER_EPOCH]);
    expect(await outcomes(brokerId, 2)).toEqual([NONE, NONE, NONE]);
    expect(await outcomes(brokerId, 3)).toEqual([UNKNOWN_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH]);
  }
  const { topicId = ZERO_UUID } = (await metadataOf(cluster.connection(1))).topics[0] ?? {};
  const fenced = await fetchFrom(cluster.connection(1), topicId, { version: 16, epoch: 1 });
  expect([fenced.errorCode, fenced.currentLeader]).toEqual([FENCED_LEADER_EPOCH, { leaderId: 0, leaderEpoch: 2 }]);
  // Nobody here knows of this election but the client.
  await cluster.elect(0, "t");
  for (const brokerId of [0, 1]) expect(await outcomes(brokerId, 3)).toEqual([NONE, NONE, NONE]);
});

test("elections leave the history whole: every epoch that was ends at the log end, and offsets are of epoch 0", async () => {
  await using cluster = await started();
  const { connection } = cluster.broker(0);
  await produce(connection, { topic: "t" }, batchOf(["x", "y"]));
  const ends = async (leaderEpoch: number) => {
    const { topics } = await connection.send(Apis.OFFSET_FOR_LEADER_EPOCH, 4, {
      topics: [{ topic: "t", partitions: [{ partition: 0, currentLeaderEpoch: 1, leaderEpoch }] }],
    });
    const { endOffset, leaderEpoch: epoch } = defined(topics[0]?.partitions[0]);
    return [epoch, endOffset];
  };
  expect([await ends(0), await ends(1), await ends(2)]).toEqual([
    [0, 2],
    [0, 2],
    [-1, -1],
  ]);
  const listed = await connection.send(Apis.LIST_OFFSETS, 5, {
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
  });
  expect(listed.topics[0]?.partitions[0]).toMatchObject({ offset: 0, leaderEpoch: 0 });
});

test("the partitions of a broker that is fenced are shown under the next one, which leads them before it is elected", async () => {
  await using cluster = await started();
  await produce(cluster.connection(0), { topic: "t" }, batchOf(["x"]));
  await cluster.kill(0);
  const { connection } = cluster.broker(1);
  await cluster.catchUp(cluster.broker(1));
  const { brokers, topics } = await metadataOf(connection);
  expect(brokers.map(({ nodeId }) => nodeId)).toEqual([1, 2]);
  const partition = { leaderId: 1, replicaNodes: [0, 1, 2], isrNodes: [0, 1, 2], offlineReplicas: [0] };
  expect(topics[0]?.partitions).toMatchObject([partition]);
  expect((await produce(connection, { topic: "t" }, batchOf(["y"]))).errorCode).toBe(NONE);
  expect(await readAll(connection, "t")).toEqual(["x", "y"]);
  const asked = { includeClusterAuthorizedOperations: false };
  const fenced = await connection.send(Apis.DESCRIBE_CLUSTER, 2, { ...asked, includeFencedBrokers: true });
  expect(fenced.brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced])).toEqual([
    [0, true],
    [1, false],
    [2, false],
  ]);
  const running = await connection.send(Apis.DESCRIBE_CLUSTER, 1, asked);
  expect(running.brokers.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
});

test("each broker shows the log directory of its store, and the first one those of stores without a broker", async () => {
  await using cluster = await started();
  await cluster.alterIsr([0, 2], "t");
  await cluster.catchUpAll();
  const dirs = async (brokerId: number) => {
    const { results } = await cluster.connection(brokerId).send(Apis.DESCRIBE_LOG_DIRS, 4, { topics: null });
    return results.map(({ logDir, topics }) => [logDir, topics[0]?.partitions[0]?.offsetLag]);
  };
  expect([await dirs(0), await dirs(1), await dirs(2)]).toEqual([
    [["store-0", 0]],
    [["store-1", -1]],
    [["store-2", 0]],
  ]);
  await cluster.kill(2);
  await cluster.catchUpAll();
  expect([await dirs(0), await dirs(1)]).toEqual([
    [
      ["store-0", 0],
      ["store-2", 0],
    ],
    [["store-1", -1]],
  ]);
});

test("a store that fails is shown as an offline directory with its replicas", async () => {
  await using cluster = await started();
  await cluster.kill(1);
  await cluster.catchUpAll();
  defined(cluster.objects[1]).isDown = true;
  const { connection } = cluster.broker(0);
  const dirs = async () => {
    const { results } = await connection.send(Apis.DESCRIBE_LOG_DIRS, 4, { topics: null });
    return results.map(({ logDir, errorCode, topics }) => [logDir, errorCode, topics.map(({ name }) => name)]);
  };
  const large = () => produce(connection, { topic: "t" }, batchOf(["x".repeat(50_000)]));
  for (let count = 0; count < 4; count++) expect((await large()).errorCode).toBe(NONE);
  await expect.poll(dirs).toEqual([
    ["store-0", NONE, ["t"]],
    ["store-1", ErrorCode.KAFKA_STORAGE_ERROR, ["t"]],
  ]);
});
