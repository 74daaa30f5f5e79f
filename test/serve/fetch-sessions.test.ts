import { afterAll, beforeAll, expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { InferInput } from "#lib/protocol/schema.ts";
import { defined } from "#lib/util/assert.ts";
import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { type MemoryBroker, startMemoryBroker } from "../support/memory-broker.ts";
import { batchOf, createTopic, produce } from "./kafka-calls.ts";

const BY_NAME = 12;
const BY_ID = 17;
type FetchFields = (typeof Apis.FETCH)["request"]["fields"];
type Request = Partial<InferInput<FetchFields>>;

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

async function fetch(request: Request, version = BY_NAME, from = connection) {
  const answer = await from.send(Apis.FETCH, version, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [],
    forgottenTopicsData: [],
    ...request,
  });
  const partitions = answer.responses.flatMap(({ partitions: all }) => all);
  return { ...answer, partitions, indexes: partitions.map(({ partitionIndex }) => partitionIndex) };
}

function asked(topic: string, offsets: readonly (readonly [partition: number, fetchOffset: number])[]) {
  const partitions = offsets.map(([partition, fetchOffset]) => ({
    partition,
    fetchOffset,
    partitionMaxBytes: 100_000,
  }));
  return [{ topic, partitions }];
}

/** A topic of three empty partitions and a session over all of them; no two tests share a topic. */
async function openSession(topic: string): Promise<number> {
  await createTopic(connection, topic, 3);
  const first = await fetch({
    sessionEpoch: 0,
    topics: asked(topic, [
      [0, 0],
      [1, 0],
      [2, 0],
    ]),
  });
  expect([first.errorCode, first.indexes]).toEqual([ErrorCode.NONE, [0, 1, 2]]);
  expect(first.sessionId).toBeGreaterThan(0);
  return first.sessionId;
}

test("after the full answer only partitions with news come back", async () => {
  const sessionId = await openSession("news");
  expect((await fetch({ sessionId, sessionEpoch: 1 })).responses).toEqual([]);
  await produce(connection, { topic: "news", partition: 1 }, batchOf(["a"]));
  const second = await fetch({ sessionId, sessionEpoch: 2 });
  expect([second.sessionId, second.indexes]).toEqual([sessionId, [1]]);
  expect(second.partitions[0]?.highWatermark).toBe(1);
  const third = await fetch({ sessionId, sessionEpoch: 3, topics: asked("news", [[1, 1]]) });
  expect(third.indexes).toEqual([]);
});

test("an error in a session is told each time, a forgotten partition never again", async () => {
  const sessionId = await openSession("errors");
  const bad = await fetch({ sessionId, sessionEpoch: 1, topics: asked("errors", [[0, 99]]) });
  expect(bad.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])).toEqual([
    [0, ErrorCode.OFFSET_OUT_OF_RANGE],
  ]);
  expect((await fetch({ sessionId, sessionEpoch: 2 })).indexes).toEqual([0]);
  const forgottenTopicsData = [{ topic: "errors", partitions: [0] }];
  expect((await fetch({ sessionId, sessionEpoch: 3, forgottenTopicsData })).indexes).toEqual([]);
  const all = [{ topic: "errors", partitions: [1, 2] }];
  expect((await fetch({ sessionId, sessionEpoch: 4, forgottenTopicsData: all })).sessionId).toBe(0);
  expect((await fetch({ sessionId, sessionEpoch: 5 })).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
});

test("a wrong epoch, an unknown id and another way of naming topics are refused; the session goes on", async () => {
  const sessionId = await openSession("refusals");
  const wrongEpoch = await fetch({ sessionId, sessionEpoch: 7 });
  expect([wrongEpoch.errorCode, wrongEpoch.responses]).toEqual([ErrorCode.INVALID_FETCH_SESSION_EPOCH, []]);
  const unknown = await fetch({ sessionId: sessionId ^ 1, sessionEpoch: 1 });
  expect(unknown.errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  const byId = await fetch({ sessionId, sessionEpoch: 1 }, BY_ID);
  expect(byId.errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
  expect((await fetch({ sessionId, sessionEpoch: 1 })).errorCode).toBe(ErrorCode.NONE);
});

test("epoch -1 ends a session, epoch 0 with its id begins another one", async () => {
  const sessionId = await openSession("ends");
  const next = await fetch({ sessionId, sessionEpoch: 0, topics: asked("ends", [[0, 0]]) });
  expect(next.sessionId).not.toBe(sessionId);
  expect((await fetch({ sessionId, sessionEpoch: 1 })).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  const last = await fetch({ sessionId: next.sessionId, sessionEpoch: -1, topics: asked("ends", [[2, 0]]) });
  expect([last.sessionId, last.indexes]).toEqual([0, [2]]);
  expect((await fetch({ sessionId: next.sessionId, sessionEpoch: 1 })).errorCode).toBe(
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
  );
});

test("a session by topic id serves a topic, and says so by its id when it is gone", async () => {
  await createTopic(connection, "by-id");
  const { topics } = await connection.send(Apis.METADATA, 12, {
    topics: [{ name: "by-id" }],
    allowAutoTopicCreation: false,
  });
  const topicId: Uuid = defined(topics[0]).topicId;
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100_000 }];
  const { sessionId, responses } = await fetch({ sessionEpoch: 0, topics: [{ topicId, partitions }] }, BY_ID);
  expect(responses.map((each) => each.topicId)).toEqual([topicId]);
  await produce(connection, { topic: "by-id" }, batchOf(["a"]));
  expect((await fetch({ sessionId, sessionEpoch: 1 }, BY_ID)).indexes).toEqual([0]);
  await connection.send(Apis.DELETE_TOPICS, 6, { topics: [{ name: "by-id", topicId: ZERO_UUID }], timeoutMs: 5_000 });
  const gone = await fetch({ sessionId, sessionEpoch: 2 }, BY_ID);
  expect(gone.partitions.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.UNKNOWN_TOPIC_ID]);
});

test("a session that a client keeps growing ends at its limit", async () => {
  const sessionId = await openSession("growing");
  const grow = (from: number) =>
    asked(
      "growing",
      Array.from({ length: 60_000 }, (_, at) => [from + at, 0]),
    );
  expect((await fetch({ sessionId, sessionEpoch: 1, topics: grow(3) })).errorCode).toBe(ErrorCode.NONE);
  const refused = await fetch({ sessionId, sessionEpoch: 2, topics: grow(100_000) });
  expect([refused.errorCode, refused.indexes.length]).toEqual([ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0]);
});

test("a long poll is woken by a produce from another connection", async () => {
  await createTopic(connection, "wake");
  await using consumer = await broker.connect();
  const began = performance.now();
  const poll = fetch({ maxWaitMs: 10_000, topics: asked("wake", [[0, 0]]) }, BY_NAME, consumer);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await produce(connection, { topic: "wake" }, batchOf(["a"]));
  expect((await poll).partitions[0]?.highWatermark).toBe(1);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("a fetch waits until min bytes are there, and answers what there is when its time is over", async () => {
  await createTopic(connection, "minimum");
  await using consumer = await broker.connect();
  await produce(connection, { topic: "minimum" }, batchOf(["a"]));
  const waiting = { maxWaitMs: 10_000, minBytes: 200, topics: asked("minimum", [[0, 0]]) };
  const poll = fetch(waiting, BY_NAME, consumer);
  let isAnswered = false;
  void poll.then(() => {
    isAnswered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(isAnswered).toBe(false);
  await produce(connection, { topic: "minimum" }, batchOf(["x".repeat(200)]));
  expect((await poll).partitions[0]?.records?.byteLength).toBeGreaterThan(200);
  const late = await fetch({ ...waiting, minBytes: 100_000, maxWaitMs: 50 });
  expect(late.partitions[0]?.records?.byteLength).toBeGreaterThan(200);
});

test("offsets beyond the log are OFFSET_OUT_OF_RANGE at once, its end is not", async () => {
  await createTopic(connection, "range");
  await produce(connection, { topic: "range" }, batchOf(["a"]));
  for (const offset of [2, -1, Number.MAX_SAFE_INTEGER]) {
    const { partitions } = await fetch({ maxWaitMs: 10_000, topics: asked("range", [[0, offset]]) });
    expect(partitions.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE]);
  }
  const { partitions } = await fetch({ topics: asked("range", [[0, 1]]) });
  expect(partitions.map(({ errorCode, highWatermark }) => [errorCode, highWatermark])).toEqual([[ErrorCode.NONE, 1]]);
});
