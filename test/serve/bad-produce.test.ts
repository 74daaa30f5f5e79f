import { afterAll, beforeAll, expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  CRC_AT,
  MAGIC_AT,
  RECORD_COUNT_AT,
  sumBatch,
} from "#lib/record/record-batch.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";

let broker: MemoryBroker;
let connection: KafkaConnection;

beforeAll(async () => {
  broker = await startMemoryBroker({ brokerConfigs: { "message.max.bytes": "5000" } });
  connection = await broker.connect();
  await createTopic(connection, "bad");
});

afterAll(async () => {
  await connection.close();
  await broker[Symbol.asyncDispose]();
});

/** A batch with some bytes changed, its CRC right again. */
function changed(change: (batch: Buffer) => void, batch = Buffer.from(batchOf(["a", "b"]))): Buffer {
  change(batch);
  batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  return batch;
}

const attributes = (bits: number) => changed((batch) => batch.writeInt16BE(bits, ATTRIBUTES_AT));

const BATCHES: readonly (readonly [string, () => Uint8Array | null, ErrorCode])[] = [
  ["no records", () => null, ErrorCode.INVALID_RECORD],
  ["an empty field", () => new Uint8Array(), ErrorCode.INVALID_RECORD],
  ["too large a batch", () => batchOf(["x".repeat(5_000)]), ErrorCode.MESSAGE_TOO_LARGE],
  ["a flipped byte", () => flipped(batchOf(["abc"])), ErrorCode.CORRUPT_MESSAGE],
  ["magic 1", () => changed((batch) => batch.writeInt8(1, MAGIC_AT)), ErrorCode.INVALID_RECORD],
  ["magic 3", () => changed((batch) => batch.writeInt8(3, MAGIC_AT)), ErrorCode.CORRUPT_MESSAGE],
  ["a truncated batch", () => batchOf(["abc"]).subarray(0, 64), ErrorCode.INVALID_RECORD],
  ["two batches", () => Buffer.concat([batchOf(["a"]), batchOf(["b"])]), ErrorCode.INVALID_RECORD],
  ["a control batch", () => attributes(0x20), ErrorCode.INVALID_RECORD],
  ["LogAppendTime", () => attributes(0x08), ErrorCode.INVALID_TIMESTAMP],
  ["codec 5", () => attributes(0x05), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
  ["a base offset", () => changed((batch) => batch.writeBigInt64BE(1n, BASE_OFFSET_AT)), ErrorCode.INVALID_RECORD],
  ["more records than it has", () => changed((b) => b.writeInt32BE(9, RECORD_COUNT_AT)), ErrorCode.INVALID_RECORD],
  [
    "a transactional batch",
    () => batchOf(["a"], { isTransactional: true, producer: { producerId: 7, producerEpoch: 0, baseSequence: 0 } }),
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ],
];

function flipped(batch: Uint8Array): Uint8Array {
  const bytes = Buffer.from(batch);
  bytes.writeUInt8(bytes.readUInt8(bytes.byteLength - 2) ^ 1, bytes.byteLength - 2);
  return bytes;
}

test.each(BATCHES)("%s is refused with Kafka's code and a text, and leaves no record", async (_, batch, code) => {
  const answer = await produce(connection, { topic: "bad" }, batch());
  expect([answer.errorCode, answer.baseOffset]).toEqual([code, -1]);
  expect(answer.errorMessage).toMatch(/\w+ \w+/);
  expect(await readAll(connection, "bad")).toEqual([]);
});

test.each([
  ["an unknown topic", { topic: "unknown" }],
  ["a negative partition", { topic: "bad", partition: -1 }],
  ["a partition beyond the last", { topic: "bad", partition: 1 }],
  ["the largest partition number", { topic: "bad", partition: 0x7fff_ffff }],
])("%s is UNKNOWN_TOPIC_OR_PARTITION", async (_, target) => {
  const answer = await produce(connection, target, batchOf(["a"]));
  expect(answer.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test.each([2, -2, 32_767])("acks=%i is INVALID_REQUIRED_ACKS", async (acks) => {
  expect((await produce(connection, { topic: "bad", acks }, batchOf(["a"]))).errorCode).toBe(
    ErrorCode.INVALID_REQUIRED_ACKS,
  );
});

test("an unknown topic id is UNKNOWN_TOPIC_ID", async () => {
  const { responses } = await connection.send(Apis.PRODUCE, 13, {
    acks: -1,
    timeoutMs: 1_000,
    topicData: [
      {
        topicId: uuidFromBytes(Buffer.alloc(16, 7)),
        partitionData: [{ index: 0, records: batchOf(["a"]) }],
      },
    ],
  });
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
});

test("a bad batch does not spoil a good one in the same request", async () => {
  await createTopic(connection, "mixed", 2);
  const { responses } = await connection.send(Apis.PRODUCE, 12, {
    acks: -1,
    timeoutMs: 5_000,
    topicData: [
      {
        name: "mixed",
        partitionData: [
          { index: 0, records: flipped(batchOf(["bad"])) },
          { index: 1, records: batchOf(["good"]) },
        ],
      },
    ],
  });
  expect(responses[0]?.partitionResponses.map(({ index, errorCode }) => [index, errorCode])).toEqual([
    [0, ErrorCode.CORRUPT_MESSAGE],
    [1, ErrorCode.NONE],
  ]);
  expect(await readAll(connection, "mixed", 1)).toEqual(["good"]);
});

test("an idempotent producer's repeats are answered alike, its gaps and old epochs are refused", async () => {
  await createTopic(connection, "sequences");
  const { producerId } = await connection.send(Apis.INIT_PRODUCER_ID, 4, {
    transactionalId: null,
    transactionTimeoutMs: 1_000,
  });
  const send = async (baseSequence: number, producerEpoch = 1) => {
    const batch = batchOf(["a", "b"], { producer: { producerId, producerEpoch, baseSequence } });
    const { errorCode, baseOffset } = await produce(connection, { topic: "sequences" }, batch);
    return [errorCode, baseOffset];
  };
  expect(await send(0)).toEqual([ErrorCode.NONE, 0]);
  expect(await send(2)).toEqual([ErrorCode.NONE, 2]);
  expect(await send(0)).toEqual([ErrorCode.NONE, 0]);
  expect(await send(6)).toEqual([ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1]);
  expect(await send(4, 0)).toEqual([ErrorCode.INVALID_PRODUCER_EPOCH, -1]);
  expect(await send(4)).toEqual([ErrorCode.NONE, 4]);
  expect(await readAll(connection, "sequences")).toHaveLength(6);
});

test("an error with acks=0 closes the connection, as on Kafka, and serves nothing behind it", async () => {
  await createTopic(connection, "silent");
  await using careless = await broker.connect();
  const send = (index: number) =>
    careless.sendWithoutAnswer(Apis.PRODUCE, 12, {
      acks: 0,
      timeoutMs: 1_000,
      topicData: [{ name: "silent", partitionData: [{ index, records: batchOf(["a"]) }] }],
    });
  send(0);
  send(99);
  await expect.poll(() => careless.isOpen).toBe(false);
  expect(await readAll(connection, "silent")).toEqual(["a"]);
});

test("a request's time limit of 0 still lets its records be committed", async () => {
  await createTopic(connection, "hasty");
  for (const acks of [-1, 1]) {
    const answer = await produce(connection, { topic: "hasty", timeoutMs: 0, acks }, batchOf([`acks ${acks}`]));
    expect(answer.errorCode).toBe(ErrorCode.NONE);
  }
  expect(await readAll(connection, "hasty")).toEqual(["acks -1", "acks 1"]);
});

test("many requests at once on one connection are answered in order without a warning", async () => {
  await createTopic(connection, "many");
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, at) => produce(connection, { topic: "many" }, batchOf([String(at)]))),
  );
  process.off("warning", onWarning);
  expect(answers.map(({ baseOffset }) => baseOffset)).toEqual(Array.from({ length: 200 }, (_, at) => at));
  expect(warnings).toEqual([]);
});

test("a transactional producer hears at its coordinator that there are no transactions", async () => {
  const found = await connection.send(Apis.FIND_COORDINATOR, 4, { keyType: 1, coordinatorKeys: ["tx"] });
  expect(found.coordinators.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual([
    [ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "transactions are not supported yet"],
  ]);
  const init = await connection.send(Apis.INIT_PRODUCER_ID, 4, { transactionalId: "tx", transactionTimeoutMs: 1_000 });
  expect(init.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
});
