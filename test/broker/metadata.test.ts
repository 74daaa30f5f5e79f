import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { OPERATIONS_NOT_ASKED } from "#lib/protocol/messages/metadata.ts";
import { defined } from "#lib/util/assert.ts";
import { type Uuid, uuidFromBytes, ZERO_UUID } from "#lib/util/branded.ts";
import { AdminClient } from "./admin-client.ts";

test.each(Array.from({ length: 14 }, (_, version) => version))(
  "version %i shows a topic and its broker",
  async (version) => {
    await using client = await AdminClient.start();
    const [created] = await client.createTopics([{ name: "t", numPartitions: 2 }]);
    const answer = await client.metadata(["t"], { version });
    const { port } = client.memory;
    expect(answer.brokers).toEqual([{ nodeId: 0, host: "127.0.0.1", port, rack: null }]);
    if (version >= 1) expect(answer.controllerId).toBe(0);
    if (version >= 2) expect(answer.clusterId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(answer.topics).toHaveLength(1);
    expect(answer.topics[0]).toMatchObject({ errorCode: ErrorCode.NONE, name: "t", isInternal: false });
    expect(answer.topics[0]?.topicId).toBe(version >= 10 ? created?.topicId : ZERO_UUID);
    expect(answer.topics[0]?.partitions).toEqual(
      [0, 1].map((partitionIndex) => ({
        errorCode: ErrorCode.NONE,
        partitionIndex,
        leaderId: 0,
        leaderEpoch: version >= 7 ? 0 : -1,
        replicaNodes: [0],
        isrNodes: [0],
        offlineReplicas: [],
      })),
    );
  },
);

test("null asks for all topics and an empty list for none, but for all in version 0", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "b" }, { name: "a" }]);
  const names = async (asked: readonly string[] | null, version: number) =>
    (await client.metadata(asked, { version })).topics.map(({ name }) => name);
  expect(await names([], 0)).toEqual(["a", "b"]);
  expect(await names(null, 1)).toEqual(["a", "b"]);
  expect(await names([], 1)).toEqual([]);
  expect(await names(null, 13)).toEqual(["a", "b"]);
  expect(await names(["b", "a", "b"], 13)).toEqual(["b", "a"]);
});

test("a topic that does not exist is created at once where client and broker allow it", async () => {
  await using client = await AdminClient.start({ "num.partitions": "3" });
  const unwanted = await client.metadata(["t"], { mayCreate: false });
  expect(unwanted.topics).toMatchObject([{ name: "t", errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }]);
  const { topics } = await client.metadata(["t", "b@d"], { mayCreate: true });
  expect(topics).toMatchObject([
    { name: "t", errorCode: ErrorCode.NONE },
    { name: "b@d", errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION },
  ]);
  expect(topics[0]?.partitions).toHaveLength(3);
  // Before version 4 a client could not say, and all of them wanted it.
  const old = await client.metadata(["old"], { version: 3 });
  expect(old.topics).toMatchObject([{ errorCode: ErrorCode.NONE }]);
});

test("with auto.create.topics.enable=false nothing is created", async () => {
  await using client = await AdminClient.start({ "auto.create.topics.enable": "false" });
  const { topics } = await client.metadata(["t", "b@d"], { mayCreate: true });
  expect(topics.map(({ errorCode }) => errorCode)).toEqual([
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
  ]);
});

test("topics are found by id from version 12 on", async () => {
  await using client = await AdminClient.start();
  const [created] = await client.createTopics([{ name: "t" }]);
  const { topicId } = defined(created);
  const unknown = uuidFromBytes(new Uint8Array(16).fill(9));
  const byId = (id: Uuid, version: number) =>
    client.connection.send(Apis.METADATA, version, {
      topics: [{ topicId: id, name: null }],
      allowAutoTopicCreation: true,
    });
  expect((await byId(topicId, 12)).topics).toMatchObject([{ errorCode: ErrorCode.NONE, name: "t", topicId }]);
  expect((await byId(unknown, 13)).topics).toMatchObject([
    { errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId: unknown },
  ]);
  expect((await byId(topicId, 10)).topics).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST }]);
});

test("authorized operations are shown to who asks: everything, for nothing is denied", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t" }]);
  const send = (asks: boolean) =>
    client.connection.send(Apis.METADATA, 8, {
      topics: [{ name: "t" }],
      includeTopicAuthorizedOperations: asks,
      includeClusterAuthorizedOperations: asks,
    });
  const asked = await send(true);
  expect(asked.topics[0]?.topicAuthorizedOperations).toBe(3_576);
  expect(asked.clusterAuthorizedOperations).toBe(8_096);
  expect((await send(false)).topics[0]?.topicAuthorizedOperations).toBe(OPERATIONS_NOT_ASKED);
});

test("the cluster is this broker; controllers are elsewhere", async () => {
  await using client = await AdminClient.start();
  const answer = await client.connection.send(Apis.DESCRIBE_CLUSTER, 2, { includeClusterAuthorizedOperations: true });
  expect(answer).toMatchObject({
    errorCode: ErrorCode.NONE,
    endpointType: 1,
    controllerId: 0,
    brokers: [{ brokerId: 0, host: "127.0.0.1", port: client.memory.port, rack: null, isFenced: false }],
    clusterAuthorizedOperations: 8_096,
  });
  const metadata = await client.metadata([]);
  expect(answer.clusterId).toBe(metadata.clusterId);
  const ask = (endpointType: number) =>
    client.connection.send(Apis.DESCRIBE_CLUSTER, 1, { includeClusterAuthorizedOperations: false, endpointType });
  expect((await ask(2)).errorCode).toBe(ErrorCode.MISMATCHED_ENDPOINT_TYPE);
  expect((await ask(9)).errorCode).toBe(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE);
});

test("there is no authorizer to ask about ACLs", async () => {
  await using client = await AdminClient.start();
  const answer = await client.connection.send(Apis.DESCRIBE_ACLS, 3, {
    resourceTypeFilter: 1,
    resourceNameFilter: null,
    principalFilter: null,
    hostFilter: null,
    operation: 1,
    permissionType: 1,
  });
  expect(answer).toMatchObject({ errorCode: ErrorCode.SECURITY_DISABLED, resources: [] });
});

test("the partitions of topics are described page by page", async () => {
  await using client = await AdminClient.start({ "max.request.partition.size.limit": "4" });
  await client.createTopics([
    { name: "a", numPartitions: 3 },
    { name: "b", numPartitions: 5 },
    { name: "c", numPartitions: 1 },
  ]);
  const pages: string[][] = [];
  let cursor: { topicName: string; partitionIndex: number } | null = null;
  do {
    const answer: Awaited<ReturnType<typeof page>> = await page(cursor);
    pages.push(answer.topics.map(({ name, partitions }) => `${name}:${partitions.map((p) => p.partitionIndex)}`));
    cursor = answer.nextCursor;
  } while (cursor !== null);
  expect(pages).toEqual([["a:0,1,2", "b:0"], ["b:1,2,3,4"], ["c:0"]]);

  function page(from: typeof cursor) {
    return client.connection.send(Apis.DESCRIBE_TOPIC_PARTITIONS, 0, { topics: [], cursor: from });
  }
});

test("named topics are described in the order of their names, unknown ones with an error", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "b" }]);
  const send = (names: readonly string[], partitionIndex: number | undefined) =>
    client.connection.send(Apis.DESCRIBE_TOPIC_PARTITIONS, 0, {
      topics: names.map((name) => ({ name })),
      responsePartitionLimit: 1,
      cursor: partitionIndex === undefined ? null : { topicName: "b", partitionIndex },
    });
  const answer = await send(["c", "b", "b@d", "b"], undefined);
  expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([["b", ErrorCode.NONE]]);
  expect(answer.nextCursor).toEqual({ topicName: "b@d", partitionIndex: 0 });
  expect(answer.topics[0]).toMatchObject({
    topicAuthorizedOperations: 3_576,
    partitions: [{ partitionIndex: 0, leaderId: 0, replicaNodes: [0], eligibleLeaderReplicas: [], lastKnownElr: [] }],
  });
  const beyond = await send(["a", "b", "b@d", "c"], 7);
  expect(beyond.topics.map(({ name, errorCode, partitions }) => [name, errorCode, partitions.length])).toEqual([
    ["b", ErrorCode.NONE, 0],
    ["b@d", ErrorCode.INVALID_TOPIC_EXCEPTION, 0],
    ["c", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0],
  ]);
  expect((await send(["b"], -1)).topics).toMatchObject([{ name: "b", errorCode: ErrorCode.INVALID_REQUEST }]);
});
