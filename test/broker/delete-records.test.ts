import { expect, test } from "vitest";
import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf, createTopic, produce } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { AdminClient } from "./admin-client.ts";

type Offsets = readonly (readonly [partitionIndex: number, offset: number])[];

const TO_THE_END = -1;
const COMPACT = { name: "cleanup.policy", value: "compact" };

/** `[topic, partition, low watermark, error]` of each answer. */
async function deleteRecords(
  connection: KafkaConnection,
  wanted: readonly (readonly [name: string, Offsets])[],
  version = 2,
) {
  const { topics } = await connection.send(Apis.DELETE_RECORDS, version, {
    topics: wanted.map(([name, offsets]) => ({
      name,
      partitions: offsets.map(([partitionIndex, offset]) => ({ partitionIndex, offset })),
    })),
    timeoutMs: 10_000,
  });
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, lowWatermark, errorCode }) => [name, partitionIndex, lowWatermark, errorCode]),
  );
}

async function fetchAt(connection: KafkaConnection, topic: string, fetchOffset: number) {
  const { responses } = await connection.send(Apis.FETCH, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
    forgottenTopicsData: [],
  });
  return responses[0]?.partitions[0];
}

async function earliest(connection: KafkaConnection, name: string): Promise<number | undefined> {
  const topics = [{ name, partitions: [{ partitionIndex: 0, timestamp: -2 }] }];
  const answer = await connection.send(Apis.LIST_OFFSETS, 7, { isolationLevel: 0, topics });
  return answer.topics[0]?.partitions[0]?.offset;
}

/** Two partitions, the first one with six records in two batches. */
async function topicWithRecords(client: AdminClient, name: string) {
  await client.createTopics([{ name, numPartitions: 2 }]);
  for (const values of [
    ["a", "b", "c"],
    ["d", "e", "f"],
  ]) {
    const { errorCode } = await produce(client.connection, { topic: name }, batchOf(values));
    expect(errorCode).toBe(ErrorCode.NONE);
  }
}

test.each([0, 1, 2])("version %i deletes up to an offset, and up to the end", async (version) => {
  await using client = await AdminClient.start();
  const { connection } = client;
  await topicWithRecords(client, "t");
  expect(await deleteRecords(connection, [["t", [[0, 4]]]], version)).toEqual([["t", 0, 4, ErrorCode.NONE]]);
  expect(await fetchAt(connection, "t", 3)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
  expect(await fetchAt(connection, "t", 4)).toMatchObject({ errorCode: ErrorCode.NONE, logStartOffset: 4 });
  expect(await earliest(connection, "t")).toBe(4);
  expect(await deleteRecords(connection, [["t", [[0, TO_THE_END]]]], version)).toEqual([["t", 0, 6, ErrorCode.NONE]]);
  expect(await fetchAt(connection, "t", 4)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
  expect(await fetchAt(connection, "t", 6)).toMatchObject({ errorCode: ErrorCode.NONE, highWatermark: 6 });
  const { baseOffset, logStartOffset } = await produce(connection, { topic: "t" }, batchOf(["g"]));
  expect([baseOffset, logStartOffset]).toEqual([6, 6]);
});

test("each partition of a request succeeds or fails by itself", async () => {
  await using client = await AdminClient.start();
  await topicWithRecords(client, "t");
  await client.createTopics([{ name: "compacted", numPartitions: 2, configs: [COMPACT] }]);
  const answers = await deleteRecords(client.connection, [
    [
      "t",
      [
        [0, 2],
        [1, 1],
        [2, 0],
        [-1, 0],
      ],
    ],
    ["compacted", [[1, 0]]],
    ["nowhere", [[0, 0]]],
    ["b@d", [[0, 0]]],
  ]);
  expect(answers).toEqual([
    ["t", 0, 2, ErrorCode.NONE],
    ["t", 1, -1, ErrorCode.OFFSET_OUT_OF_RANGE],
    ["t", 2, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["t", -1, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["compacted", 1, -1, ErrorCode.POLICY_VIOLATION],
    ["nowhere", 0, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["b@d", 0, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
});

test("a partition that is named twice is answered once, by its last offset", async () => {
  await using client = await AdminClient.start();
  await topicWithRecords(client, "t");
  const twice = [
    ["t", [[0, 9]]],
    [
      "t",
      [
        [0, 2],
        [1, 0],
      ],
    ],
  ] as const;
  expect(await deleteRecords(client.connection, twice)).toEqual([
    ["t", 0, 2, ErrorCode.NONE],
    ["t", 1, 0, ErrorCode.NONE],
  ]);
  expect(await deleteRecords(client.connection, [])).toEqual([]);
});

test("a topic that compacts and deletes loses records", async () => {
  await using client = await AdminClient.start();
  await client.createTopics([{ name: "both", configs: [{ name: "cleanup.policy", value: "compact,delete" }] }]);
  expect(await deleteRecords(client.connection, [["both", [[0, TO_THE_END]]]])).toEqual([["both", 0, 0, 0]]);
});

test("a policy that another broker has just changed counts", async () => {
  const service = new MemoryJournalService(new SystemClock());
  const journal = () => new MemoryJournal(service, NO_JOURNAL_FAULTS, "broker");
  await using one = await startMemoryBroker({ journal: journal() });
  const first = await one.connect();
  await first.send(Apis.CREATE_TOPICS, 7, {
    topics: [{ name: "t", numPartitions: 1, replicationFactor: 1, configs: [COMPACT] }],
    timeoutMs: 10_000,
  });
  await using other = await startMemoryBroker({ journal: journal() });
  const second = await other.connect();
  expect(await deleteRecords(second, [["t", [[0, 0]]]])).toEqual([["t", 0, -1, ErrorCode.POLICY_VIOLATION]]);
  const { responses } = await first.send(Apis.INCREMENTAL_ALTER_CONFIGS, 1, {
    resources: [{ resourceType: 2, resourceName: "t", configs: [{ ...COMPACT, configOperation: 0, value: "delete" }] }],
    validateOnly: false,
  });
  expect(responses[0]?.errorCode).toBe(ErrorCode.NONE);
  expect(await deleteRecords(second, [["t", [[0, 0]]]])).toEqual([["t", 0, 0, ErrorCode.NONE]]);
  await first.close();
  await second.close();
});

test("while the journals do not answer, clients may ask again and the connection stays", async () => {
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), NO_JOURNAL_FAULTS, "broker-0");
  await using memory = await startMemoryBroker({ journal });
  const connection = await memory.connect();
  await createTopic(connection, "t");
  journal.kill();
  expect(
    await deleteRecords(connection, [
      ["t", [[0, TO_THE_END]]],
      ["u", [[0, 0]]],
    ]),
  ).toEqual([
    ["t", 0, -1, ErrorCode.KAFKA_STORAGE_ERROR],
    ["u", 0, -1, ErrorCode.KAFKA_STORAGE_ERROR],
  ]);
  expect(connection.isOpen).toBe(true);
  await connection.close();
});
