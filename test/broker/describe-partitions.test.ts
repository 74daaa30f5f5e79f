import { expect, test } from "vitest";
import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { defined } from "#lib/util/assert.ts";
import { batchOf, createTopic, produce } from "../serve/kafka-calls.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { AdminClient } from "./admin-client.ts";

type Asked = readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;

async function describeProducers(connection: KafkaConnection, name: string, partitionIndexes: readonly number[]) {
  const { topics } = await connection.send(Apis.DESCRIBE_PRODUCERS, 0, { topics: [{ name, partitionIndexes }] });
  return defined(topics[0]).partitions;
}

/** The log directories with their partitions as `topic-partition: bytes`. */
async function describeLogDirs(connection: KafkaConnection, topics: Asked, version = 5) {
  const answer = await connection.send(Apis.DESCRIBE_LOG_DIRS, version, { topics });
  expect(answer.errorCode).toBe(ErrorCode.NONE);
  return answer.results.map(({ logDir, errorCode, topics: held }) => ({
    logDir,
    errorCode,
    sizes: Object.fromEntries(
      held.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, partitionSize }) => [`${name}-${partitionIndex}`, partitionSize]),
      ),
    ),
  }));
}

const records = (count: number, timestampMs: number) =>
  Array.from({ length: count }, (_, i) => ({ timestampMs: timestampMs + i, key: null, value: Buffer.from("v") }));

async function produceAs(connection: KafkaConnection, producerEpoch: number, baseSequence: number): Promise<void> {
  const producer = { producerId: 4_000, producerEpoch, baseSequence };
  const batch = buildBatch(records(3, 1_700_000_000_000 + baseSequence), { producer });
  expect((await produce(connection, { topic: "t" }, batch)).errorCode).toBe(ErrorCode.NONE);
}

test("an idempotent producer is described by its last batch, and others not at all", async () => {
  await using client = await AdminClient.start();
  const { connection } = client;
  await createTopic(connection, "t", 2);
  await produce(connection, { topic: "t" }, batchOf(["by nobody"]));
  await produceAs(connection, 0, 0);
  await produceAs(connection, 0, 3);
  const described = {
    producerId: 4_000,
    producerEpoch: 0,
    lastSequence: 5,
    lastTimestamp: 1_700_000_000_005,
    coordinatorEpoch: -1,
    currentTxnStartOffset: -1,
  };
  expect(await describeProducers(connection, "t", [1, 0])).toEqual([
    { partitionIndex: 1, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers: [] },
    { partitionIndex: 0, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers: [described] },
  ]);
  await produceAs(connection, 1, 0);
  const [partition] = await describeProducers(connection, "t", [0]);
  const renewed = { ...described, producerEpoch: 1, lastSequence: 2, lastTimestamp: 1_700_000_000_002 };
  expect(partition?.activeProducers).toEqual([renewed]);
});

test("producers of what is not there are an error of each partition", async () => {
  await using client = await AdminClient.start();
  await createTopic(client.connection, "t");
  const outcomes = async (name: string, indexes: readonly number[]) =>
    (await describeProducers(client.connection, name, indexes)).map((each) => [each.errorCode, each.errorMessage]);
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  expect(await outcomes("t", [0, 1, -1])).toEqual([
    [ErrorCode.NONE, null],
    [unknown, null],
    [unknown, null],
  ]);
  expect(await outcomes("nowhere", [0, 1])).toEqual([
    [unknown, expect.any(String)],
    [unknown, expect.any(String)],
  ]);
  expect(await outcomes("b@d", [0])).toEqual([
    [ErrorCode.INVALID_TOPIC_EXCEPTION, expect.stringContaining("Topic name is invalid: 'b@d'")],
  ]);
});

test.each([0, 1, 2, 3, 4, 5])("version %i shows the bytes of every partition that can be read", async (version) => {
  await using client = await AdminClient.start();
  const { connection } = client;
  await createTopic(connection, "a", 2);
  await createTopic(connection, "b");
  const batches = [batchOf(["one", "two"]), batchOf(["three"]), batchOf(["x".repeat(20_000)])];
  for (const batch of batches) await produce(connection, { topic: "a", partition: 1 }, batch);
  const [first, ...rest] = batches.map(({ byteLength }) => byteLength);
  const left = rest.reduce((sum, bytes) => sum + bytes, 0);
  const dir = { logDir: "store-0", errorCode: ErrorCode.NONE };
  expect(await describeLogDirs(connection, null, version)).toEqual([
    { ...dir, sizes: { "a-0": 0, "a-1": left + defined(first), "b-0": 0 } },
  ]);
  await connection.send(Apis.DELETE_RECORDS, 2, {
    topics: [{ name: "a", partitions: [{ partitionIndex: 1, offset: 2 }] }],
    timeoutMs: 10_000,
  });
  expect(await describeLogDirs(connection, [{ topic: "a", partitions: [1] }], version)).toEqual([
    { ...dir, sizes: { "a-1": left } },
  ]);
});

test("log directories hold what is asked for and there, once, and say nothing of their volumes", async () => {
  await using client = await AdminClient.start();
  const { connection } = client;
  await createTopic(connection, "a", 2);
  const topics = [
    { topic: "a", partitions: [1, 9, -1, 1] },
    { topic: "nowhere", partitions: [0] },
    { topic: "a", partitions: [1, 0] },
  ];
  const { results } = await connection.send(Apis.DESCRIBE_LOG_DIRS, 5, { topics });
  const empty = { partitionSize: 0, offsetLag: 0, isFutureKey: false };
  const partitions = [1, 0].map((partitionIndex) => ({ partitionIndex, ...empty }));
  const sizes = { totalBytes: -1, usableBytes: -1, isCordoned: false };
  expect(results).toEqual([{ errorCode: 0, logDir: "store-0", topics: [{ name: "a", partitions }], ...sizes }]);
  expect(await describeLogDirs(connection, [])).toEqual([{ logDir: "store-0", errorCode: 0, sizes: {} }]);
});

test("each store is a log directory with the partitions that have a replica there", async () => {
  await using memory = await startMemoryBroker({ storeCount: 3 });
  const connection = await memory.connect();
  await connection.send(Apis.CREATE_TOPICS, 7, {
    topics: [{ name: "t", numPartitions: 3, replicationFactor: 2 }],
    timeoutMs: 10_000,
  });
  const batch = batchOf(["one"]);
  expect((await produce(connection, { topic: "t" }, batch)).errorCode).toBe(ErrorCode.NONE);
  const dirs = await describeLogDirs(connection, null);
  expect(dirs.map(({ logDir }) => logDir)).toEqual(["store-0", "store-1", "store-2"]);
  const held = dirs.flatMap(({ sizes }) => Object.entries(sizes));
  const [empty, full] = [0, batch.byteLength];
  expect(held.toSorted()).toEqual([
    ["t-0", full],
    ["t-0", full],
    ["t-1", empty],
    ["t-1", empty],
    ["t-2", empty],
    ["t-2", empty],
  ]);
  expect(dirs.every(({ sizes }) => Object.keys(sizes).length === 2)).toBe(true);
  await connection.close();
});

test("while the journals do not answer, a log directory is a storage error and producers are too", async () => {
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), NO_JOURNAL_FAULTS, "broker-0");
  await using memory = await startMemoryBroker({ journal });
  const connection = await memory.connect();
  await createTopic(connection, "t");
  journal.kill();
  const failed = [{ logDir: "store-0", errorCode: ErrorCode.KAFKA_STORAGE_ERROR, sizes: {} }];
  expect(await describeLogDirs(connection, null)).toEqual(failed);
  expect(await describeLogDirs(connection, [{ topic: "t", partitions: [0] }])).toEqual(failed);
  expect(await describeLogDirs(connection, [{ topic: "u", partitions: [0] }])).toEqual(failed);
  const [partition] = await describeProducers(connection, "t", [0]);
  expect(partition).toMatchObject({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, activeProducers: [] });
  await connection.close();
});
