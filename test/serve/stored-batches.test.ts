import { readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  CRC_AT,
  MAX_TIMESTAMP_AT,
  PARTITION_LEADER_EPOCH_AT,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { EMBEDDED_INLINE_BYTES_MAX } from "#lib/util/limits.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";
import { Embedded } from "./embedded.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { TemporaryDirectory } from "./serve-process.ts";

let broker: MemoryBroker;
let connection: KafkaConnection;

beforeAll(async () => {
  broker = await startMemoryBroker();
  connection = await broker.connect();
});

afterAll(async () => {
  await connection.close();
  await broker[Symbol.asyncDispose]();
});

async function createWith(name: string, configs: readonly { name: string; value: string }[]): Promise<void> {
  const topics = [{ name, numPartitions: 1, replicationFactor: -1, configs }];
  const answer = await connection.send(Apis.CREATE_TOPICS, 7, { topics, timeoutMs: 10_000, validateOnly: false });
  expect(answer.topics[0]?.errorCode).toBe(ErrorCode.NONE);
}

/** The bytes of a partition as a consumer gets them. */
async function fetchBytes(topic: string): Promise<Buffer> {
  const { responses } = await connection.send(Apis.FETCH, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1_000_000,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }],
    forgottenTopicsData: [],
  });
  return Buffer.from(defined(responses[0]?.partitions[0]?.records));
}

/** A copy of `batch` after `change`, with its sum made right again. */
function changed(batch: Uint8Array, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch);
  change(bytes);
  bytes.writeUInt32BE(sumBatch(bytes), CRC_AT);
  return bytes;
}

test("a batch is served as it came, in its producer's codec whatever compression.type says, with leader epoch 0", async () => {
  await createWith("kept", [{ name: "compression.type", value: "zstd" }]);
  const batch = batchOf(["a", "b"], { codec: "gzip", partitionLeaderEpoch: 7 });
  const sent = Buffer.from(batch);
  expect((await produce(connection, { topic: "kept" }, batch)).errorCode).toBe(ErrorCode.NONE);
  const served = await fetchBytes("kept");
  expect(served.readInt32BE(PARTITION_LEADER_EPOCH_AT)).toBe(0);
  sent.writeInt32BE(0, PARTITION_LEADER_EPOCH_AT);
  expect(served).toEqual(sent);
});

test("the records within a batch are not looked at", async () => {
  await createTopic(connection, "unseen");
  const nonsense = changed(batchOf(["a", "b"]), (bytes) => bytes.fill(0xff, BATCH_HEADER_BYTES));
  expect((await produce(connection, { topic: "unseen" }, nonsense)).errorCode).toBe(ErrorCode.NONE);
  const uncompressed = changed(batchOf(["a"]), (bytes) => bytes.writeInt16BE(4, ATTRIBUTES_AT));
  expect((await produce(connection, { topic: "unseen" }, uncompressed)).baseOffset).toBe(2);
});

test("a timestamp beyond 2^53 is INVALID_TIMESTAMP, though the topic would take it", async () => {
  await createWith("future", [{ name: "message.timestamp.after.max.ms", value: "9223372036854775807" }]);
  const withTime = (time: bigint) => changed(batchOf(["a"]), (bytes) => bytes.writeBigInt64BE(time, MAX_TIMESTAMP_AT));
  const answer = await produce(connection, { topic: "future" }, withTime(2n ** 53n));
  expect(answer.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
  expect((await produce(connection, { topic: "future" }, withTime(2n ** 53n - 1n))).errorCode).toBe(ErrorCode.NONE);
});

test("records sent with acks=0 count though their sender hangs up at once", async () => {
  await createTopic(connection, "hasty");
  const sender = await broker.connect();
  sender.sendWithoutAnswer(Apis.PRODUCE, 12, {
    acks: 0,
    timeoutMs: 1_000,
    topicData: [{ name: "hasty", partitionData: [{ index: 0, records: batchOf(["a"]) }] }],
  });
  await sender.close();
  await expect.poll(() => readAll(connection, "hasty")).toEqual(["a"]);
});

test("the objects of a deleted topic stay", async () => {
  using directory = new TemporaryDirectory();
  await using embedded = await Embedded.start(directory.path);
  await using client = await embedded.connect();
  await createTopic(client, "gone");
  await produce(client, { topic: "gone" }, batchOf(["x".repeat(EMBEDDED_INLINE_BYTES_MAX)]));
  const segments = () => readdirSync(directory.file("store-0", "wal"), { recursive: true, encoding: "utf8" }).length;
  const before = segments();
  const deleted = await client.send(Apis.DELETE_TOPICS, 4, { topicNames: ["gone"], timeoutMs: 10_000 });
  expect(deleted.responses[0]?.errorCode).toBe(ErrorCode.NONE);
  expect(segments()).toBe(before);
});
