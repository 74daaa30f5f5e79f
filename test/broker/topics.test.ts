import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigSource } from "#lib/protocol/messages/describe-configs.ts";
import { defined } from "#lib/util/assert.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { AdminClient } from "./admin-client.ts";

test("a created topic is answered with its id, its size and every config", async () => {
  await using client = await AdminClient.start();
  const configs = [{ name: "retention.ms", value: " 1000" }];
  const [topic] = await client.createTopics([{ name: "t", numPartitions: 3, configs }]);
  expect(topic).toMatchObject({
    name: "t",
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    numPartitions: 3,
    replicationFactor: 1,
  });
  expect(topic?.topicId).not.toBe(ZERO_UUID);
  expect(topic?.configs).toHaveLength(35);
  expect(topic?.configs?.find(({ name }) => name === "retention.ms")).toEqual({
    name: "retention.ms",
    value: "1000",
    readOnly: false,
    configSource: ConfigSource.TOPIC,
    isSensitive: false,
  });
  const shown = await client.metadata(["t"]);
  expect(shown.topics).toEqual([expect.objectContaining({ name: "t", topicId: topic?.topicId, errorCode: 0 })]);
  expect(shown.topics[0]?.partitions).toHaveLength(3);
});

test.each([0, 1, 2, 4, 5, 7])("topics are created by version %i", async (version) => {
  await using client = await AdminClient.start();
  const [topic] = await client.createTopics([{ name: "t", numPartitions: 1, replicationFactor: 1 }], { version });
  expect(topic).toMatchObject({ name: "t", errorCode: ErrorCode.NONE });
  const [again] = await client.createTopics([{ name: "t", numPartitions: 1, replicationFactor: 1 }], { version });
  expect(again?.errorCode).toBe(ErrorCode.TOPIC_ALREADY_EXISTS);
  expect(again?.errorMessage).toBe(version === 0 ? "" : "Topic 't' already exists.");
});

test("each topic of a request succeeds or fails by itself, and a name that stands twice is refused once", async () => {
  await using client = await AdminClient.start();
  const topics = await client.createTopics([
    { name: "good" },
    { name: "twice" },
    { name: "b@d" },
    { name: "twice" },
    { name: "many", replicationFactor: 2 },
    { name: "null", configs: [{ name: "retention.ms", value: null }] },
  ]);
  expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ["good", ErrorCode.NONE],
    ["b@d", ErrorCode.INVALID_TOPIC_EXCEPTION],
    ["many", ErrorCode.INVALID_REPLICATION_FACTOR],
    ["null", ErrorCode.INVALID_CONFIG],
    ["twice", ErrorCode.INVALID_REQUEST],
  ]);
  expect(topics.at(-1)?.errorMessage).toBe("Duplicate topic name.");
});

test("validating alone answers everything but an id and creates nothing", async () => {
  await using client = await AdminClient.start();
  const [topic] = await client.createTopics([{ name: "t" }], { validateOnly: true });
  expect(topic).toMatchObject({ errorCode: ErrorCode.NONE, topicId: ZERO_UUID, numPartitions: 1 });
  expect((await client.metadata(["t"])).topics[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("more than 10,000 partitions in one request are refused, all of them", async () => {
  await using client = await AdminClient.start();
  const topics = await client.createTopics([{ name: "a", numPartitions: 10_000 }, { name: "b" }]);
  expect(topics.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION]);
});

test.each([
  ["the only broker", [[0], [0]], {}, ErrorCode.NONE],
  ["a broker that does not exist", [[4]], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
  ["a broker twice", [[0, 0]], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
  ["no broker", [[]], {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT],
  ["a partition count beside it", [[0]], { numPartitions: 1 }, ErrorCode.INVALID_REQUEST],
  ["a replication factor beside it", [[0]], { replicationFactor: 1 }, ErrorCode.INVALID_REQUEST],
])("an assignment by hand with %s", async (_, brokers, fields, errorCode) => {
  await using client = await AdminClient.start();
  const assignments = brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  const [topic] = await client.createTopics([{ name: "t", assignments, ...fields }]);
  expect(topic).toMatchObject({ errorCode });
  if (errorCode === ErrorCode.NONE) expect(topic?.numPartitions).toBe(2);
});

test("an assignment by hand names every partition from 0 on", async () => {
  await using client = await AdminClient.start();
  const assignments = [1, 2].map((partitionIndex) => ({ partitionIndex, brokerIds: [0] }));
  const [topic] = await client.createTopics([{ name: "t", assignments }]);
  expect(topic?.errorCode).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT);
});

test("topics are deleted by name and by id, and their names are free at once", async () => {
  await using client = await AdminClient.start();
  const created = await client.createTopics([{ name: "a" }, { name: "b" }]);
  const byId = defined(created[1]).topicId;
  const answer = await client.connection.send(Apis.DELETE_TOPICS, 6, {
    topics: [
      { name: "a", topicId: ZERO_UUID },
      { name: null, topicId: byId },
      { name: "none", topicId: ZERO_UUID },
      { name: null, topicId: defined(created[0]).topicId },
      { name: null, topicId: ZERO_UUID },
    ],
    timeoutMs: 10_000,
  });
  expect(answer.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ["a", ErrorCode.INVALID_REQUEST],
    ["b", ErrorCode.NONE],
    ["none", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    // The same topic as the first one: which of the two was meant?
    [null, ErrorCode.INVALID_REQUEST],
    [null, ErrorCode.INVALID_REQUEST],
  ]);
  expect((await client.createTopics([{ name: "b" }]))[0]?.errorCode).toBe(ErrorCode.NONE);
});

test.each([1, 3, 5])("topics are deleted by name in version %i", async (version) => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "t" }]);
  const remove = (topicNames = ["t"]) =>
    client.connection.send(Apis.DELETE_TOPICS, version, { topicNames, timeoutMs: 10_000 });
  const twice = await remove(["t", "t"]);
  expect(twice.responses).toMatchObject([{ name: "t", errorCode: ErrorCode.INVALID_REQUEST }]);
  expect((await remove()).responses).toMatchObject([{ name: "t", errorCode: ErrorCode.NONE }]);
  expect((await remove()).responses).toMatchObject([{ name: "t", errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }]);
});

test("an id that nobody has is UNKNOWN_TOPIC_ID", async () => {
  await using client = await AdminClient.start();
  const [topic] = await client.createTopics([{ name: "t" }]);
  const topicId = defined(topic).topicId;
  const remove = () =>
    client.connection.send(Apis.DELETE_TOPICS, 6, { topics: [{ name: null, topicId }], timeoutMs: 10_000 });
  expect((await remove()).responses).toMatchObject([{ name: "t", topicId, errorCode: ErrorCode.NONE }]);
  expect((await remove()).responses).toMatchObject([
    { name: null, topicId, errorCode: ErrorCode.UNKNOWN_TOPIC_ID, errorMessage: expect.any(String) },
  ]);
});

test("with delete.topic.enable=false nothing is deleted", async () => {
  await using client = await AdminClient.start({ "delete.topic.enable": "false" });
  await client.createTopics([{ name: "t" }]);
  const remove = (version: number) =>
    client.connection.send(Apis.DELETE_TOPICS, version, { topicNames: ["t"], timeoutMs: 10_000 });
  expect((await remove(1)).responses[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  expect((await remove(3)).responses[0]?.errorCode).toBe(ErrorCode.TOPIC_DELETION_DISABLED);
  expect((await client.metadata(["t"])).topics[0]?.errorCode).toBe(ErrorCode.NONE);
});

test("partitions are added, and faults are told topic by topic", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "a" }, { name: "b" }, { name: "c", numPartitions: 2 }]);
  const answer = await client.connection.send(Apis.CREATE_PARTITIONS, 3, {
    topics: [
      { name: "a", count: 3, assignments: null },
      { name: "b", count: 3, assignments: [{ brokerIds: [0] }] },
      { name: "c", count: 2, assignments: null },
      { name: "none", count: 2, assignments: null },
      { name: "twice", count: 2, assignments: null },
      { name: "twice", count: 2, assignments: null },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  expect(answer.results.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ["a", ErrorCode.NONE],
    ["b", ErrorCode.INVALID_REPLICA_ASSIGNMENT],
    ["c", ErrorCode.INVALID_PARTITIONS],
    ["none", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["twice", ErrorCode.INVALID_REQUEST],
  ]);
  expect(answer.results[1]?.errorMessage).toMatch(/add 2 additional partition\(s\), but only 1 assignment/);
  const { topics } = await client.metadata(["a", "b", "c"]);
  expect(topics.map(({ partitions }) => partitions.length)).toEqual([3, 1, 2]);
  const byHand = { name: "b", count: 2, assignments: [{ brokerIds: [0] }] };
  const grown = await client.connection.send(Apis.CREATE_PARTITIONS, 0, {
    topics: [byHand],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  expect(grown.results).toMatchObject([{ errorCode: ErrorCode.NONE }]);
});
