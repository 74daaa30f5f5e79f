import { afterAll, beforeAll, expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { BATCH_HEADER_BYTES, CRC_AT, sumBatch } from "#lib/record/record-batch.ts";
import { RECORD_ERRORS_MAX } from "#lib/util/limits.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";
import { createTopic, produce, readAll } from "./kafka-calls.ts";

let broker: MemoryBroker;
let connection: KafkaConnection;

beforeAll(async () => {
  broker = await startMemoryBroker({});
  connection = await broker.connect();
  await connection.send(Apis.CREATE_TOPICS, 7, {
    topics: ["compact", "compact,delete"].map((value, i) => ({
      name: `compacted-${i}`,
      numPartitions: 1,
      replicationFactor: -1,
      configs: [{ name: "cleanup.policy", value }],
    })),
    timeoutMs: 10_000,
    validateOnly: false,
  });
  await createTopic(connection, "kept");
});

afterAll(async () => {
  await connection.close();
  await broker[Symbol.asyncDispose]();
});

const batchOf = (keys: readonly (string | null)[], codec: "none" | "gzip" | "snappy" | "lz4" | "zstd" = "none") =>
  buildBatch(
    keys.map((key, i) => ({ timestampMs: 1_000, key: key === null ? null : Buffer.from(key), value: Buffer.of(i) })),
    { codec },
  );

test.each(["none", "gzip", "snappy", "lz4", "zstd"] as const)(
  "records without a key in a compacted topic are refused and named, %s",
  async (codec) => {
    const answer = await produce(connection, { topic: "compacted-0" }, batchOf(["a", null, "", null], codec));
    expect(answer).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD, baseOffset: -1 });
    expect(answer.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1, 3]);
    expect(answer.recordErrors[0]?.batchIndexErrorMessage).toMatch(/without a key/);
    expect(await readAll(connection, "compacted-0")).toEqual([]);
  },
);

test("records with keys go into a compacted topic, and an empty key is one", async () => {
  const answer = await produce(connection, { topic: "compacted-1" }, batchOf(["a", ""], "zstd"));
  expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: 0, recordErrors: [] });
});

test("a topic that is compacted and deleted takes no record without a key either, one that is not takes all", async () => {
  const refused = await produce(connection, { topic: "compacted-1" }, batchOf([null]));
  expect(refused.errorCode).toBe(ErrorCode.INVALID_RECORD);
  const taken = await produce(connection, { topic: "kept" }, batchOf([null]));
  expect(taken).toMatchObject({ errorCode: ErrorCode.NONE, recordErrors: [] });
});

test("no more records of a batch are named than the limit allows", async () => {
  const keys = Array.from({ length: RECORD_ERRORS_MAX + 5 }, () => null);
  const { recordErrors } = await produce(connection, { topic: "compacted-0" }, batchOf(keys, "gzip"));
  expect(recordErrors.length).toBe(RECORD_ERRORS_MAX);
});

test("a batch for a compacted topic whose records cannot be read is refused for good", async () => {
  const batch = Buffer.from(batchOf(["a"], "gzip"));
  batch.fill(0xff, BATCH_HEADER_BYTES);
  batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  const answer = await produce(connection, { topic: "compacted-0" }, batch);
  expect(answer).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD, recordErrors: [] });
});
