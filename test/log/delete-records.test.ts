import { expect, test } from "vitest";
import type { JournalCall, JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { RecordDeletions } from "#lib/log/delete-records.ts";
import { PartitionAccess } from "#lib/log/fetch-partitions.ts";
import type { DeletedRecords, RecordDeletion } from "#lib/log/log-api.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { storedBatch } from "./fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, NEVER, type ProcessOptions, topicOf } from "./fetch-harness.ts";

const REFUSED = { logStartOffset: -1 };

/** Ten records in each of the given partitions, by a process that remains the writer; `reader` has not seen them. */
async function written(partitionIndexes: readonly number[], readerOptions: ProcessOptions = {}) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const reader = world.process({ journalPollMs: 0, ...readerOptions });
  await world.run(reader.journals.openAll(NEVER));
  for (const partitionIndex of partitionIndexes) await appendTen(world, writer, { topic, partitionIndex });
  return { world, topic, writer, reader };
}

async function appendTen(
  world: FetchWorld,
  process: FetchProcess,
  { topic, partitionIndex }: { readonly topic: TopicPlacement; readonly partitionIndex: number },
): Promise<void> {
  const batches = [storedBatch({ recordCount: 4 }), storedBatch({ recordCount: 6 })];
  await world.run(process.append([{ topic, partitionIndex, batches }]));
}

function deletionsOf({ journals, directory, logger }: FetchProcess): RecordDeletions {
  return new RecordDeletions({ access: new PartitionAccess({ journals, directory, logger }), logger });
}

async function deleteAll(
  process: FetchProcess,
  deletions: readonly RecordDeletion[],
  signal = NEVER,
): Promise<readonly DeletedRecords[]> {
  return process.world.run(deletionsOf(process).deleteRecords(deletions, signal));
}

async function deleteOne(process: FetchProcess, topic: TopicPlacement, beforeOffset: RecordDeletion["beforeOffset"]) {
  return defined((await deleteAll(process, [{ topic, partitionIndex: 0, beforeOffset }]))[0]);
}

async function seqOf(process: FetchProcess, topic: TopicPlacement, partitionIndex: number): Promise<number> {
  return (await process.journals.journal(journalOfPartition(topic, partitionIndex), NEVER)).seq;
}

test("what is deleted is out of range at once, and the earliest offset moves", async () => {
  const { topic, writer } = await written([0]);
  expect(await deleteOne(writer, topic, 5)).toEqual({ error: ErrorCode.NONE, logStartOffset: 5 });
  expect((await writer.fetchOne(topic, 0, 4)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  const fetched = await writer.fetchOne(topic, 0, 5);
  expect(fetched).toMatchObject({ error: ErrorCode.NONE, logStartOffset: 5, highWatermark: 10 });
  expect((await writer.offsetOf(topic, 0, { kind: "earliest" })).offset).toBe(5);
  expect((await writer.offsetOf(topic, 0, { kind: "latest", readCommitted: false })).offset).toBe(10);
});

test("another process sees the new log start with its next record of the journal", async () => {
  const { world, topic, writer, reader } = await written([0]);
  await deleteOne(writer, topic, "high-watermark");
  await appendTen(world, reader, { topic, partitionIndex: 0 });
  expect((await reader.fetchOne(topic, 0, 9)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  expect((await reader.offsetOf(topic, 0, { kind: "earliest" })).offset).toBe(10);
});

test("an offset below the first one that is left changes nothing and costs no record", async () => {
  const { topic, writer } = await written([0]);
  await deleteOne(writer, topic, 5);
  const seq = await seqOf(writer, topic, 0);
  for (const offset of [0, 3, 5]) {
    expect(await deleteOne(writer, topic, offset)).toEqual({ error: ErrorCode.NONE, logStartOffset: 5 });
  }
  expect(await seqOf(writer, topic, 0)).toBe(seq);
});

test("offsets below 0 and beyond the high watermark are out of range", async () => {
  const { topic, writer } = await written([0]);
  for (const offset of [-2, -1, 11, Number.MAX_SAFE_INTEGER]) {
    expect(await deleteOne(writer, topic, offset)).toEqual({ error: ErrorCode.OFFSET_OUT_OF_RANGE, ...REFUSED });
  }
  expect(await deleteOne(writer, topic, 10)).toEqual({ error: ErrorCode.NONE, logStartOffset: 10 });
});

test("the high watermark is the newest one, whatever this process has seen", async () => {
  const { topic, reader } = await written([0]);
  expect(await deleteOne(reader, topic, "high-watermark")).toEqual({ error: ErrorCode.NONE, logStartOffset: 10 });
});

test("an offset that is in range by now is not refused from an old view", async () => {
  const { topic, reader } = await written([0]);
  expect(await deleteOne(reader, topic, 7)).toEqual({ error: ErrorCode.NONE, logStartOffset: 7 });
});

test("a partition that was never written to begins and ends at 0", async () => {
  const { topic, writer } = await written([]);
  expect(await deleteOne(writer, topic, "high-watermark")).toEqual({ error: ErrorCode.NONE, logStartOffset: 0 });
  expect(await deleteOne(writer, topic, 0)).toEqual({ error: ErrorCode.NONE, logStartOffset: 0 });
  expect((await deleteOne(writer, topic, 1)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
});

test("the partitions of a request cost one strong read and one record a journal, and fail one by one", async () => {
  const calls: string[] = [];
  let isCounting = false;
  const journalFaults = {
    next({ method, journal }: JournalCall): undefined {
      if (isCounting) calls.push(`${method} ${journal}`);
    },
  };
  const { topic, reader } = await written([0, 1, 2, 3], { journalFaults });
  isCounting = true;
  const answers = await deleteAll(
    reader,
    [3, 99, 10, 4].map((beforeOffset, partitionIndex) => ({ topic, partitionIndex, beforeOffset })),
  );
  expect(answers).toEqual([
    { error: ErrorCode.NONE, logStartOffset: 3 },
    { error: ErrorCode.OFFSET_OUT_OF_RANGE, ...REFUSED },
    { error: ErrorCode.NONE, logStartOffset: 10 },
    { error: ErrorCode.NONE, logStartOffset: 4 },
  ]);
  expect(calls.toSorted()).toEqual(["append log-0", "append log-1", "read log-0", "read log-1"]);
});

test("two processes that delete at once both succeed, and the further one counts", async () => {
  const { world, topic, writer, reader } = await written([0]);
  const deletion = { topic, partitionIndex: 0 };
  const answers = await world.run(
    Promise.all([
      deletionsOf(writer).deleteRecords([{ ...deletion, beforeOffset: 9 }], NEVER),
      deletionsOf(reader).deleteRecords([{ ...deletion, beforeOffset: 4 }], NEVER),
    ]),
  );
  const [further, nearer] = answers.flat();
  expect(further).toEqual({ error: ErrorCode.NONE, logStartOffset: 9 });
  expect(nearer?.error).toBe(ErrorCode.NONE);
  expect([4, 9]).toContain(nearer?.logStartOffset);
  expect(await deleteOne(reader, topic, 0)).toEqual({ error: ErrorCode.NONE, logStartOffset: 9 });
});

test("a lost answer to the record is asked for again, and the records are gone once", async () => {
  let isLost = false;
  const journalFaults = {
    next({ method }: JournalCall): JournalFault | undefined {
      if (!isLost || method !== "append") return undefined;
      isLost = false;
      return { kind: "lost-answer" };
    },
  };
  const { topic, reader } = await written([0], { journalFaults });
  isLost = true;
  expect(await deleteOne(reader, topic, 6)).toEqual({ error: ErrorCode.NONE, logStartOffset: 6 });
  expect(isLost).toBe(false);
  expect((await reader.fetchOne(topic, 0, 5)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
});

test("a topic that was deleted meanwhile is unknown", async () => {
  const { world, topic, writer, reader } = await written([0]);
  world.topics.delete(topic.topicId);
  await world.run(writer.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 20 }));
  expect(await deleteOne(reader, topic, 5)).toEqual({ error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ...REFUSED });
});

test("a topic that is dropped between the strong read and the command is unknown", async () => {
  let drop: (() => Promise<unknown>) | undefined;
  const journalFaults = {
    next({ method }: JournalCall): JournalFault | undefined {
      if (method !== "append" || drop === undefined) return undefined;
      const run = drop;
      drop = undefined;
      void run();
      return { kind: "freeze", ms: 1_000 };
    },
  };
  const { topic, writer, reader } = await written([0], { journalFaults });
  drop = () => writer.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 20 });
  expect(await deleteOne(reader, topic, 5)).toEqual({ error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ...REFUSED });
});

test.each(["read", "append"] as const)("a journal whose %s takes too long is a time-out", async (slow) => {
  let isSlow = false;
  const journalFaults = {
    next: ({ method }: JournalCall): JournalFault | undefined =>
      isSlow && method === slow ? { kind: "slow", ms: 60_000 } : undefined,
  };
  const { world, topic, reader } = await written([0], { journalFaults });
  isSlow = true;
  const giveUp = new AbortController();
  world.clock.schedule(2_000, () => giveUp.abort(new Error("the client's time is over")));
  const answers = await deleteAll(reader, [{ topic, partitionIndex: 0, beforeOffset: 5 }], giveUp.signal);
  expect(answers).toEqual([{ error: ErrorCode.REQUEST_TIMED_OUT, ...REFUSED }]);
});
