import { expect, test } from "vitest";
import type { FetchedPartition, FetchOptions } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { storedBatch } from "./fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, NEVER, topicOf } from "./fetch-harness.ts";

const SIZE = storedBatch().byteLength;

interface Pending {
  answer: readonly FetchedPartition[] | undefined;
  error: unknown;
}

async function waiting() {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]));
  const start = (process: FetchProcess, partitionIndexes: readonly number[], options: Partial<FetchOptions> = {}) => {
    const pending: Pending = { answer: undefined, error: undefined };
    const requests = partitionIndexes.map((partitionIndex) => ({
      topic,
      partitionIndex,
      fetchOffset: partitionIndex === 0 ? 1 : 0,
      bytesMax: 1_000_000,
    }));
    process.fetch(requests, { waitMsMax: 5_000, ...options }).then(
      (answer) => {
        pending.answer = answer;
      },
      (error: unknown) => {
        pending.error = error;
      },
    );
    return pending;
  };
  const append = (partitionIndex: number, count = 1) =>
    writer.append([{ topic, partitionIndex, batches: Array.from({ length: count }, () => storedBatch()) }]);
  return { world, topic, writer, start, append };
}

test("a fetch at the log end is woken by the commit, in no time", async () => {
  const { world, writer, start, append } = await waiting();
  const pending = start(writer, [0, 1]);
  await world.clock.advance(1_000);
  expect(pending.answer).toBeUndefined();
  await append(0);
  await world.clock.endOfTurn();
  expect(pending.answer?.map((partition) => partition.recordsByteLength)).toEqual([SIZE, 0]);
  expect(world.clock.monotonicMs()).toBe(1_000);
});

test("a fetch waits until its partitions have the least number of bytes together", async () => {
  const { world, writer, start, append } = await waiting();
  const pending = start(writer, [0, 1, 2], { bytesMin: 3 * SIZE });
  for (const partitionIndex of [0, 1]) {
    await append(partitionIndex);
    await world.clock.endOfTurn();
    expect(pending.answer).toBeUndefined();
  }
  await append(1);
  await world.clock.endOfTurn();
  expect(pending.answer?.map((partition) => partition.recordsByteLength)).toEqual([SIZE, 2 * SIZE, 0]);
});

test("a fetch is answered with what there is when its time is over", async () => {
  const { world, writer, start, append } = await waiting();
  const pending = start(writer, [0], { bytesMin: 10 * SIZE });
  await append(0);
  await world.clock.advance(4_999);
  expect(pending.answer).toBeUndefined();
  await world.clock.advance(1);
  expect(pending.answer?.map((partition) => partition.recordsByteLength)).toEqual([SIZE]);
});

test("the least number of bytes is no more than the most", async () => {
  const { world, writer, start, append } = await waiting();
  const pending = start(writer, [0], { bytesMin: 10 * SIZE, bytesMax: SIZE });
  await append(0);
  await world.clock.endOfTurn();
  expect(pending.answer?.[0]?.recordsByteLength).toBe(SIZE);
});

test("commits to other partitions wake nobody", async () => {
  const { world, writer, start, append } = await waiting();
  const pending = start(writer, [0]);
  await append(2, 5);
  await world.clock.endOfTurn();
  expect(pending.answer).toBeUndefined();
});

test("an aborted fetch rejects with the reason and leaves no waiter behind", async () => {
  const { world, writer, start } = await waiting();
  const controller = new AbortController();
  const pending = start(writer, [0, 1, 2, 3], { signal: controller.signal });
  await world.clock.endOfTurn();
  expect(writer.waiters.partitionCount).toBe(4);
  controller.abort(new Error("connection closed"));
  await world.clock.endOfTurn();
  expect(pending.error).toEqual(new Error("connection closed"));
  expect(writer.waiters.partitionCount).toBe(0);
  expect(world.clock.timerCount).toBe(0);
});

test("a fetch that was answered leaves no waiter and no timer behind", async () => {
  const { world, writer, start, append } = await waiting();
  start(writer, [0, 1]);
  await world.clock.endOfTurn();
  await append(0);
  await world.clock.endOfTurn();
  expect(writer.waiters.partitionCount).toBe(0);
  expect(world.clock.timerCount).toBe(0);
});

test("other processes' commits are seen within the spacing of polls", async () => {
  const { world, start, append } = await waiting();
  const reader = world.process({ journalPollMs: 100 });
  const pending = start(reader, [0]);
  await world.clock.advance(1_000);
  await append(0);
  await world.clock.advance(100);
  expect(pending.answer?.[0]?.recordsByteLength).toBe(SIZE);
});

test("a partition with bytes does not keep another's news away", async () => {
  const { world, topic, append } = await waiting();
  const reader = world.process({ journalPollMs: 100 });
  const requests = [0, 1].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 0, bytesMax: 1_000 }));
  await world.run(reader.fetch(requests));
  await append(1);
  await world.clock.advance(100);
  await world.run(reader.fetch(requests));
  await world.clock.endOfTurn();
  expect((await world.run(reader.fetch(requests))).map((partition) => partition.recordsByteLength)).toEqual([
    SIZE,
    SIZE,
  ]);
});

test("nobody polls a journal for which nobody waits", async () => {
  const { world } = await waiting();
  let readCount = 0;
  const count = { next: (call: { readonly method: string }) => void (call.method === "read" && readCount++) };
  const reader = world.process({ journalPollMs: 100, journalFaults: count });
  const topic = topicOf(1);
  await world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset: 1, bytesMax: 10 }], { waitMsMax: 1_000 }));
  const whileWaiting = readCount;
  await world.clock.advance(10_000);
  expect(whileWaiting).toBeGreaterThan(5);
  expect(readCount).toBe(whileWaiting);
});

test("a journal to which this process commits is not polled", async () => {
  const { world, topic } = await waiting();
  const polls: string[] = [];
  const process = world.process({
    journalPollMs: 100,
    journalFaults: {
      next: (call) => {
        if (call.method === "read") polls.push(call.journal);
        return undefined;
      },
    },
  });
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]));
  polls.length = 0;
  const request = { topic, partitionIndex: 2, fetchOffset: 0, bytesMax: 10 };
  const fetched = process.fetch([request], { waitMsMax: 1_000 });
  for (let count = 0; count < 20; count++) {
    await process.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]);
    await world.clock.advance(50);
  }
  await fetched;
  expect(polls).toEqual([]);
});

test("a waiting fetch hears that its offset fell below the log start", async () => {
  const { world, topic, writer, start, append } = await waiting();
  const pending = start(writer, [0], { bytesMin: 100_000 });
  await append(0, 3);
  const advance = { kind: "advance-log-start", topicId: topic.topicId, partitionIndex: 0, logStartOffset: 3 } as const;
  await writer.propose(topic, 0, advance);
  await world.clock.endOfTurn();
  expect(pending.answer?.[0]?.error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
});

test("a waiting fetch hears that its topic was deleted", async () => {
  const { world, topic, writer, start } = await waiting();
  const pending = start(writer, [0]);
  await world.clock.endOfTurn();
  world.topics.delete(topic.topicId);
  await writer.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 20 });
  await world.clock.endOfTurn();
  expect(pending.answer?.[0]?.error).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("many waiters of one partition are woken by one commit", async () => {
  const { world, writer, start, append } = await waiting();
  const all = Array.from({ length: 200 }, () => start(writer, [0, 1, 2, 3]));
  await world.clock.endOfTurn();
  await append(3);
  await world.clock.endOfTurn();
  expect(all.filter((pending) => pending.answer === undefined)).toEqual([]);
  expect(writer.waiters.partitionCount).toBe(0);
});

test("an aborted signal rejects before anything is read", async () => {
  const { topic, writer } = await waiting();
  const request = { topic, partitionIndex: 0, fetchOffset: 0, bytesMax: 10 };
  const signal = AbortSignal.abort(new Error("gone"));
  await expect(writer.fetch([request], { signal })).rejects.toThrow("gone");
  await expect(writer.lister.listOffsets([], signal)).rejects.toThrow("gone");
  expect(NEVER.aborted).toBe(false);
});
