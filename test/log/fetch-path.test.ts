import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, topicOf } from "./fetch-harness.ts";

const FAILED = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, records: [], recordsByteLength: 0 };
const EMPTY = { error: ErrorCode.NONE, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0, recordsByteLength: 0 };

async function started(
  batchCount = 0,
): Promise<{ world: FetchWorld; process: FetchProcess; topic: ReturnType<typeof topicOf> }> {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  const batches = Array.from({ length: batchCount }, () => storedBatch());
  if (batchCount > 0) await world.run(process.append([{ topic, partitionIndex: 0, batches }]));
  return { world, process, topic };
}

test("what was appended is fetched with its offsets", async () => {
  const { world, process, topic } = await started();
  const [first, second] = [storedBatch({ recordCount: 3 }), storedBatch({ valueBytes: 9_000 })];
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [first] }]));
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [second] }]));
  const fetched = await process.fetchOne(topic, 0, 0);
  const served = joined([servedBatch(first, 0), servedBatch(second, 3)]);
  expect(Buffer.compare(joined(fetched.records), served)).toBe(0);
  expect(fetched).toMatchObject({
    error: ErrorCode.NONE,
    highWatermark: 4,
    lastStableOffset: 4,
    logStartOffset: 0,
    recordsByteLength: served.byteLength,
  });
  expect(process.storeReads).toEqual([]);
});

test("a fetch from the middle of a batch begins with that batch", async () => {
  const { world, process, topic } = await started();
  const batch = storedBatch({ recordCount: 5 });
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [storedBatch(), batch] }]));
  const fetched = await process.fetchOne(topic, 0, 3);
  expect(Buffer.compare(joined(fetched.records), servedBatch(batch, 1))).toBe(0);
});

test("only the first partition that has data gets a batch beyond the limits", async () => {
  const { world, process, topic } = await started();
  const batch = storedBatch({ valueBytes: 5_000 });
  for (const partitionIndex of [1, 2, 3]) {
    await world.run(process.append([{ topic, partitionIndex, batches: [batch] }]));
  }
  const requests = [0, 1, 2, 3].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 0, bytesMax: 100 }));
  const fetched = await world.run(process.fetch(requests));
  expect(fetched.map((partition) => partition.recordsByteLength)).toEqual([0, batch.byteLength, 0, 0]);
});

test("bytes are given away in the order asked, within the limits of each partition and of all", async () => {
  const { world, process, topic } = await started();
  const batch = storedBatch({ valueBytes: 900 });
  const size = batch.byteLength;
  for (const partitionIndex of [0, 1, 2, 3]) {
    await world.run(process.append([{ topic, partitionIndex, batches: Array.from({ length: 10 }, () => batch) }]));
  }
  const requests = [2, 0, 3, 1].map((partitionIndex) => ({
    topic,
    partitionIndex,
    fetchOffset: 0,
    bytesMax: 4 * size,
  }));
  const fetched = await world.run(process.fetch(requests, { bytesMax: 10 * size }));
  expect(fetched.map((partition) => partition.recordsByteLength / size)).toEqual([4, 4, 2, 0]);
});

test("a partition that nobody wrote to is an empty log", async () => {
  const { process, topic } = await started();
  expect(await process.fetchOne(topic, 2, 0)).toMatchObject(EMPTY);
});

test("offsets outside the log are out of range, those at its ends are not", async () => {
  const { world, process, topic } = await started(5);
  const advance = { kind: "advance-log-start", topicId: topic.topicId, partitionIndex: 0, logStartOffset: 2 } as const;
  await world.run(process.propose(topic, 0, advance));
  const errors = [];
  for (const offset of [-1, 1, 2, 5, 6]) errors.push((await process.fetchOne(topic, 0, offset)).error);
  const { NONE, OFFSET_OUT_OF_RANGE } = ErrorCode;
  expect(errors).toEqual([OFFSET_OUT_OF_RANGE, OFFSET_OUT_OF_RANGE, NONE, NONE, OFFSET_OUT_OF_RANGE]);
  expect(await process.fetchOne(topic, 0, 6)).toEqual({ error: OFFSET_OUT_OF_RANGE, ...FAILED });
});

test("any offset but 0 is out of range where nothing was written", async () => {
  const { process, topic } = await started();
  expect((await process.fetchOne(topic, 2, 1)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
});

test("a process that has not seen the newest commits does not call their offsets out of range", async () => {
  const { world, process, topic } = await started(1);
  const reader = world.process({ journalPollMs: 0 });
  await reader.fetchOne(topic, 0, 0);
  const batch = storedBatch();
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [batch, batch] }]));
  const fetched = await reader.fetchOne(topic, 0, 2);
  expect(fetched).toMatchObject({ error: ErrorCode.NONE, highWatermark: 3, recordsByteLength: batch.byteLength });
});

test("an offset out of range is told at once, without waiting for other partitions' bytes", async () => {
  const { world, process, topic } = await started(1);
  const requests = [0, 1].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 9, bytesMax: 1_000 }));
  const fetched = await world.run(
    process.fetch([...requests, { ...defined(requests[0]), fetchOffset: 1 }], { waitMsMax: 60_000 }),
  );
  const { NONE, OFFSET_OUT_OF_RANGE } = ErrorCode;
  expect(fetched.map((partition) => partition.error)).toEqual([OFFSET_OUT_OF_RANGE, OFFSET_OUT_OF_RANGE, NONE]);
  expect(world.clock.monotonicMs()).toBe(0);
});

test("partitions that a topic does not have are unknown", async () => {
  const { process, topic } = await started();
  for (const partitionIndex of [4, -1]) {
    const fetched = await process.fetchOne(topic, partitionIndex, 0);
    expect(fetched).toEqual({ error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ...FAILED });
  }
});

test("a partition that was added to its topic meanwhile is known", async () => {
  const { world, process, topic } = await started();
  await process.fetchOne(topic, 0, 0);
  world.addTopic({ ...topic, partitionCount: 6 });
  expect(await process.fetchOne(topic, 5, 0)).toMatchObject(EMPTY);
});

test("a topic that is gone is unknown, also to a process that has not heard of it", async () => {
  const { world, process, topic } = await started(1);
  const reader = world.process({ journalPollMs: 0 });
  await reader.fetchOne(topic, 0, 0);
  world.topics.delete(topic.topicId);
  await world.run(process.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 20 }));
  // Its records are still there by what this process has seen.
  expect((await reader.fetchOne(topic, 0, 0)).error).toBe(ErrorCode.NONE);
  expect((await reader.fetchOne(topic, 0, 2)).error).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("a topic that is deleted between the looks at its log and at the topics is unknown, not out of range", async () => {
  const { world, process: writer, topic } = await started(2);
  let isSlow = false;
  const faults = { next: () => (isSlow ? ({ kind: "freeze", ms: 50 } as const) : undefined) };
  const reader = world.process({ journalFaults: faults });
  await reader.fetchOne(topic, 0, 0);
  isSlow = true;
  // Beyond the end, so that the reader makes sure; the log is read when the topic has just been dropped.
  const fetched = reader.fetchOne(topic, 0, 5);
  world.clock.schedule(20, () => {
    world.topics.delete(topic.topicId);
    void writer.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 11 });
  });
  expect((await fetched).error).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

test("a fetch of nothing, or one that asks for no bytes, is answered at once", async () => {
  const { world, process, topic } = await started();
  expect(await world.run(process.fetch([], { bytesMin: 0, waitMsMax: 1_000 }))).toEqual([]);
  await process.fetchOne(topic, 0, 0, { bytesMin: 0, waitMsMax: 1_000 });
  expect(world.clock.monotonicMs()).toBe(0);
});

test("the hot path reads neither store nor journal nor topics", async () => {
  const calls: string[] = [];
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({
    journalPollMs: 0,
    journalFaults: {
      next: (call) => {
        calls.push(call.method);
        return undefined;
      },
    },
  });
  await world.run(process.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]));
  calls.length = 0;
  for (let count = 0; count < 5; count++) await process.fetchOne(topic, 0, 0);
  expect(calls).toEqual([]);
  expect(process.storeReads).toEqual([]);
  expect(process.directory.refreshCount).toBe(0);
});

test("a journal that does not answer is an error of its partitions alone", async () => {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process();
  await world.run(process.append([{ topic, partitionIndex: 1, batches: [storedBatch()] }]));
  let isDown = false;
  const reader = world.process({
    journalFaults: {
      next: (call) => (isDown && call.journal === "log-0" ? ({ kind: "death", hasEffect: false } as const) : undefined),
    },
  });
  await world.run(reader.journals.openAll(new AbortController().signal));
  isDown = true;
  const requests = [0, 1].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 0, bytesMax: 1_000 }));
  const fetched = await world.run(reader.fetch(requests));
  expect(fetched.map((partition) => partition.error)).toEqual([ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE]);
});
