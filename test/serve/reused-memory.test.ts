import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { encodeRequestFrame } from "#lib/protocol/request-header.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { BASE_TIMESTAMP_AT, CRC_AT, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { RawClient } from "../support/raw-client.ts";
import { createTopic, produce } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

// All bytes go through memory that is used again and again: the buffer that sockets are read into, blocks for large
// requests, the ring that objects are written from and read from. Together the producers send more than each holds.

const PRODUCERS = 4;
const ROUNDS = 10;
const REQUESTS_AT_ONCE = 4;
/** Of requests that nobody waits for. */
const UNCERTAIN = PRODUCERS;
const FETCH_BYTES = 20_000_000;

/** Batch `sequence` of a producer: bytes that no other batch has, between 60 KB and 1 MB of them. */
function batchOf(producer: number, producerId: number, sequence: number): Uint8Array {
  const byteLength = 60_000 + ((sequence * 7_919 + producer * 104_729) % 900_000);
  const value = Buffer.alloc(byteLength, `${producer}/${sequence};`);
  const identity = producerId < 0 ? {} : { producer: { producerId, producerEpoch: 0, baseSequence: sequence } };
  return buildBatch([{ timestampMs: 1_700_000_000_000 + sequence, key: null, value }], identity);
}

function produceFrame(partition: number, records: Uint8Array, acks = -1): Buffer {
  const body = { acks, timeoutMs: 10_000, topicData: [{ name: "t", partitionData: [{ index: partition, records }] }] };
  const header = { apiVersion: 12, correlationId: 1, clientId: "killed" };
  return Buffer.concat(encodeRequestFrame(Apis.PRODUCE, header, body));
}

/** Sends the first bytes of a frame on a connection of its own and cuts it off in the middle of what comes next. */
async function sendAndVanish(broker: ServeProcess, frame: Uint8Array, byteLength = frame.byteLength): Promise<void> {
  const port = Number(new URL(`kafka://${(await broker.ready())[0]}`).port);
  using client = await RawClient.open(port);
  client.send(frame.subarray(0, byteLength));
  await new Promise((resolve) => setTimeout(resolve, byteLength % 20));
}

/** As clients do: what is refused because an earlier one failed, on the connection that broke, comes again in its order. */
async function sendAll(
  connection: KafkaConnection,
  partition: number,
  batches: readonly Uint8Array[],
  firstOffset: number,
): Promise<void> {
  let left = batches.map((batch, at) => ({ batch, offset: firstOffset + at }));
  while (left.length > 0) {
    const answers = await Promise.all(
      // Copies: the client's own memory is no part of this.
      left.map(({ batch }) => produce(connection, { topic: "t", partition }, batch.slice())),
    );
    for (const [at, { errorCode, baseOffset }] of answers.entries()) {
      if (errorCode === ErrorCode.NONE) expect(baseOffset).toBe(left[at]?.offset);
      else expect(errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    }
    left = left.filter((_, at) => answers[at]?.errorCode !== ErrorCode.NONE);
  }
}

/** Sends its batches, several at once, some of them first on connections that break; answers their acknowledged bytes. */
async function runProducer(broker: ServeProcess, producer: number): Promise<readonly Uint8Array[]> {
  await using connection = await broker.connect();
  const init = { transactionalId: null, transactionTimeoutMs: 0 };
  const { producerId } = await connection.send(Apis.INIT_PRODUCER_ID, 4, init);
  const sent: Uint8Array[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const batches = Array.from({ length: REQUESTS_AT_ONCE }, (_, at) =>
      batchOf(producer, producerId, round * REQUESTS_AT_ONCE + at),
    );
    const [first] = batches;
    if (first !== undefined && round % 3 === producer % 3) {
      const frame = produceFrame(producer, first);
      // Once in the middle, once whole: then it may have been appended already, and comes again below.
      await sendAndVanish(broker, frame, Math.floor(frame.byteLength * 0.6));
      await sendAndVanish(broker, frame);
    }
    await sendAll(connection, producer, batches, round * REQUESTS_AT_ONCE);
    sent.push(...batches);
  }
  return sent;
}

/** Sends requests without answers, and whole ones that nobody waits for; what it sent, by its sequence. */
async function runUncertain(broker: ServeProcess): Promise<ReadonlyMap<number, Uint8Array>> {
  const sent = new Map<number, Uint8Array>();
  await using connection = await broker.connect();
  for (let n = 0; n < 12; n++) {
    const batch = batchOf(UNCERTAIN, -1, n);
    sent.set(1_700_000_000_000 + n, batch);
    if (n % 2 === 0) await sendAndVanish(broker, produceFrame(UNCERTAIN, batch));
    else {
      const topicData = [{ name: "t", partitionData: [{ index: UNCERTAIN, records: batch.slice() }] }];
      connection.sendWithoutAnswer(Apis.PRODUCE, 12, { acks: 0, timeoutMs: 10_000, topicData });
    }
  }
  // Behind the last one without an answer, on the same connection.
  await connection.send(Apis.API_VERSIONS, 3, { clientSoftwareName: "test", clientSoftwareVersion: "1" });
  return sent;
}

/** The batches of a partition from an offset up to its end now. */
async function fetchFrom(connection: KafkaConnection, partition: number, offset: number): Promise<Uint8Array[]> {
  const batches: Uint8Array[] = [];
  for (;;) {
    const { responses } = await connection.send(Apis.FETCH, 12, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [
        {
          topic: "t",
          partitions: [{ partition, fetchOffset: offset + batches.length, partitionMaxBytes: FETCH_BYTES }],
        },
      ],
      forgottenTopicsData: [],
    });
    const { errorCode, records, highWatermark } = defined(responses[0]?.partitions[0]);
    expect(errorCode).toBe(ErrorCode.NONE);
    batches.push(...splitBatches(records ?? new Uint8Array()).batches);
    if (offset + batches.length >= highWatermark) return batches;
  }
}

function expectSame(found: readonly Uint8Array[], sent: readonly Uint8Array[]): void {
  expect(found.length).toBe(sent.length);
  for (const [at, batch] of found.entries()) {
    expect(Buffer.from(batch).readUInt32BE(CRC_AT), `sum of batch ${at}`).toBe(sumBatch(batch));
    // What is before it is the broker's to fill in.
    const isSame = Buffer.compare(batch.subarray(CRC_AT), defined(sent[at]).subarray(CRC_AT)) === 0;
    expect(isSame, `bytes of batch ${at}`).toBe(true);
  }
}

/** Reads the tail of a partition until it has `count` batches. */
async function follow(broker: ServeProcess, partition: number, count: number): Promise<readonly Uint8Array[]> {
  await using connection = await broker.connect();
  const found: Uint8Array[] = [];
  while (found.length < count) found.push(...(await fetchFrom(connection, partition, found.length)));
  return found;
}

async function expectAll(
  broker: ServeProcess,
  sent: readonly (readonly Uint8Array[])[],
  uncertain: ReadonlyMap<number, Uint8Array>,
): Promise<void> {
  await using connection = await broker.connect();
  for (const [partition, batches] of sent.entries()) expectSame(await fetchFrom(connection, partition, 0), batches);
  // Each at most once, for no client sent it twice, and whole.
  const found = await fetchFrom(connection, UNCERTAIN, 0);
  const times = found.map((batch) => Number(Buffer.from(batch).readBigInt64BE(BASE_TIMESTAMP_AT)));
  expect(new Set(times).size).toBe(times.length);
  expectSame(
    found,
    times.map((time) => defined(uncertain.get(time))),
  );
}

test("what was acknowledged is read back byte for byte, at the tail, from the disk, and after a crash", async () => {
  using directory = new TemporaryDirectory();
  const options = { dataDir: directory.path };
  await using broker = await ServeProcess.start(options);
  {
    await using connection = await broker.connect();
    await createTopic(connection, "t", PRODUCERS + 1);
  }
  const partitions = Array.from({ length: PRODUCERS }, (_, at) => at);
  const [sent, followed, uncertain] = await Promise.all([
    Promise.all(partitions.map((partition) => runProducer(broker, partition))),
    Promise.all(partitions.map((partition) => follow(broker, partition, ROUNDS * REQUESTS_AT_ONCE))),
    runUncertain(broker),
  ]);
  for (const [partition, batches] of sent.entries()) expectSame(followed[partition] ?? [], batches);
  await expectAll(broker, sent, uncertain);
  await broker.stop("SIGKILL");
  await using restarted = await ServeProcess.start(options);
  await expectAll(restarted, sent, uncertain);
}, 60_000);
