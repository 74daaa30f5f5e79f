import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { ElectionType } from "#lib/protocol/messages/elect-leaders.ts";
import { createTopic } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { AdminClient } from "./admin-client.ts";

type TopicPartitions = readonly { readonly topic: string; readonly partitions: readonly number[] }[];
type Replicas = readonly (readonly [partitionIndex: number, replicas: readonly number[] | null])[];

const UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
const NOT_NEEDED = [ErrorCode.ELECTION_NOT_NEEDED, errorMessage(ErrorCode.ELECTION_NOT_NEEDED)];

async function startedWith(topic: string, partitions: number): Promise<AdminClient> {
  const client = await AdminClient.start();
  await createTopic(client.connection, topic, partitions);
  return client;
}

async function electLeaders(
  connection: KafkaConnection,
  topicPartitions: TopicPartitions | null,
  { version = 2, type }: { readonly version?: number; readonly type?: number } = {},
) {
  const answer = await connection.send(Apis.ELECT_LEADERS, version, {
    ...(type === undefined ? {} : { electionType: type }),
    topicPartitions,
    timeoutMs: 10_000,
  });
  const results = answer.replicaElectionResults.map(({ topic, partitionResult }) => [
    topic,
    ...partitionResult.map((each) => [each.partitionId, each.errorCode, each.errorMessage]),
  ]);
  return { errorCode: answer.errorCode, results };
}

async function reassign(
  connection: KafkaConnection,
  { topic, replicas }: { readonly topic: string; readonly replicas: Replicas },
  { version = 1, ...fields }: { readonly version?: number; readonly allowReplicationFactorChange?: boolean } = {},
) {
  const answer = await connection.send(Apis.ALTER_PARTITION_REASSIGNMENTS, version, {
    timeoutMs: 10_000,
    topics: [
      { name: topic, partitions: replicas.map(([partitionIndex, list]) => ({ partitionIndex, replicas: list })) },
    ],
    ...fields,
  });
  expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, errorMessage: null, ...fields });
  return answer.responses.flatMap(({ partitions }) => partitions.map((each) => [each.errorCode, each.errorMessage]));
}

test.each([0, 1, 2])("version %i of an election says that the only broker leads already", async (version) => {
  await using client = await startedWith("t", 2);
  const asked = [
    { topic: "t", partitions: [1, 0, 2] },
    { topic: "nowhere", partitions: [0] },
  ];
  expect(await electLeaders(client.connection, asked, { version })).toEqual({
    errorCode: ErrorCode.NONE,
    results: [
      ["t", [1, ...NOT_NEEDED], [0, ...NOT_NEEDED], [2, UNKNOWN, "No such partition as t-2"]],
      ["nowhere", [0, UNKNOWN, "No such topic as nowhere"]],
    ],
  });
});

test("an unclean election is not needed where there is a leader", async () => {
  await using client = await startedWith("t", 1);
  const { results } = await electLeaders(client.connection, [{ topic: "t", partitions: [0] }], {
    type: ElectionType.UNCLEAN,
  });
  expect(results).toEqual([["t", [0, ...NOT_NEEDED]]]);
});

test("an election of all leaders names the topics and none of their partitions", async () => {
  await using client = await startedWith("t", 2);
  await createTopic(client.connection, "a");
  expect(await electLeaders(client.connection, null)).toEqual({ errorCode: ErrorCode.NONE, results: [["a"], ["t"]] });
  expect(await electLeaders(client.connection, [])).toEqual({ errorCode: ErrorCode.NONE, results: [] });
});

test("an unknown type of election is an invalid request as a whole", async () => {
  await using client = await startedWith("t", 1);
  const fault = [ErrorCode.INVALID_REQUEST, "Unknown election type 7"];
  expect(await electLeaders(client.connection, [{ topic: "t", partitions: [0, 5] }], { type: 7 })).toEqual({
    errorCode: ErrorCode.INVALID_REQUEST,
    results: [["t", [0, ...fault], [5, ...fault]]],
  });
  expect(await electLeaders(client.connection, null, { type: 7 })).toEqual({
    errorCode: ErrorCode.INVALID_REQUEST,
    results: [],
  });
});

test.each([0, 1])("version %i grants the replicas that a partition has and refuses all others", async (version) => {
  await using client = await startedWith("t", 2);
  const list = (text: string) => [ErrorCode.INVALID_REPLICA_ASSIGNMENT, `The manual partition assignment ${text}`];
  const asked: Replicas = [
    [0, [0]],
    [1, [0]],
    [0, [7]],
    [0, [-1]],
    [0, []],
    [0, [0, 0]],
    [2, [0]],
    [0, null],
    [2, null],
  ];
  expect(await reassign(client.connection, { topic: "t", replicas: asked }, { version })).toEqual([
    [ErrorCode.NONE, null],
    [ErrorCode.NONE, null],
    list("includes broker 7, but no such broker is registered."),
    list("includes broker -1, but no such broker is registered."),
    list("includes an empty replica list."),
    list("includes the broker 0 more than once."),
    [UNKNOWN, "Unable to find partition t:2."],
    [ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, null],
    [UNKNOWN, "Unable to find partition t:2."],
  ]);
  expect(await reassign(client.connection, { topic: "nowhere", replicas: [[0, [0]]] }, { version })).toEqual([
    [UNKNOWN, "Unable to find a topic named nowhere."],
  ]);
});

test("a reassignment that may not change the replication factor grants the same replicas", async () => {
  await using client = await startedWith("t", 1);
  const fields = { allowReplicationFactorChange: false };
  expect(await reassign(client.connection, { topic: "t", replicas: [[0, [0]]] }, fields)).toEqual([
    [ErrorCode.NONE, null],
  ]);
});

test("no partition is ever on its way", async () => {
  await using client = await startedWith("t", 1);
  for (const topics of [null, [], [{ name: "t", partitionIndexes: [0] }]]) {
    const answer = await client.connection.send(Apis.LIST_PARTITION_REASSIGNMENTS, 0, { timeoutMs: 10_000, topics });
    expect(answer).toEqual({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, topics: [] });
  }
});

test("with stores that have no broker, the preferred leader may be missing, and replicas stay where they are", async () => {
  await using memory = await startMemoryBroker({ storeCount: 3 });
  const connection = await memory.connect();
  await createTopic(connection, "t", 3);
  const { topics } = await connection.send(Apis.METADATA, 12, { topics: [{ name: "t" }] });
  const placed = (topics[0]?.partitions ?? []).toSorted((a, b) => a.partitionIndex - b.partitionIndex);
  const lists = placed.map(({ replicaNodes }) => replicaNodes);
  const ledByFirst = lists.map(([first]) => first === 0);
  expect(ledByFirst.filter((isLed) => isLed)).toHaveLength(1);
  const missing = ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE;
  const { results } = await electLeaders(connection, null);
  const missingLeaders = [0, 1, 2].filter((index) => ledByFirst[index] === false);
  expect(results).toEqual([["t", ...missingLeaders.map((index) => [index, missing, errorMessage(missing)])]]);
  const unclean = await electLeaders(connection, null, { type: ElectionType.UNCLEAN });
  expect(unclean.results).toEqual([["t"]]);

  const grants = async (replicas: readonly number[], allowReplicationFactorChange: boolean) => {
    const [answer] = await reassign(
      connection,
      { topic: "t", replicas: [[1, replicas]] },
      { allowReplicationFactorChange },
    );
    return answer?.[0];
  };
  const [first = -1, ...others] = lists[1] ?? [];
  expect(await grants([first, ...others], true)).toBe(ErrorCode.NONE);
  expect(await grants([...others, first], true)).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT);
  expect(await grants([first], true)).toBe(ErrorCode.INVALID_REPLICA_ASSIGNMENT);
  expect(await grants([first], false)).toBe(ErrorCode.INVALID_REPLICATION_FACTOR);
  await connection.close();
});
