import fc from "fast-check";
import { expect, test } from "vitest";
import type { OffsetSpec } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import { CRC_AT, RECORD_COUNT_AT, sumBatch } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { type FetchProcess, FetchWorld, topicOf } from "./fetch-harness.ts";

interface TimedBatch {
  readonly times: readonly number[];
  readonly codec?: CompressionCodec;
  readonly logAppendTimeMs?: number;
}

function timedBatch({ times, codec = "none", logAppendTimeMs }: TimedBatch): Uint8Array {
  const records = times.map((timestampMs) => ({ timestampMs, key: null, value: Buffer.from("value") }));
  return buildBatch(records, {
    codec,
    partitionLeaderEpoch: 0,
    ...(logAppendTimeMs === undefined ? {} : { logAppendTimeMs }),
  });
}

/** Partition 0 holds the flushes; a second process reads it. */
async function written(flushes: readonly (readonly TimedBatch[])[], logStartOffset = 0) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  for (const [index, flush] of flushes.entries()) {
    const batches = flush.map(timedBatch);
    await world.run(writer.append([{ topic, partitionIndex: 0, batches }], { inline: index % 2 === 1 }));
  }
  if (logStartOffset > 0) {
    const advance = { kind: "advance-log-start", topicId: topic.topicId, partitionIndex: 0, logStartOffset } as const;
    await world.run(writer.propose(topic, 0, advance));
  }
  const ask = async (spec: OffsetSpec, process: FetchProcess = writer) => {
    const { error, offset, timestampMs } = await process.offsetOf(topic, 0, spec);
    expect(error).toBe(ErrorCode.NONE);
    return [offset, timestampMs];
  };
  const atTime = (timestampMs: number, process?: FetchProcess) => ask({ kind: "at-time", timestampMs }, process);
  return { world, topic, writer, reader: world.process(), ask, atTime };
}

const LATEST = { kind: "latest", readCommitted: false } as const;
const EARLIEST = { kind: "earliest" } as const;
const MAX = { kind: "max-timestamp" } as const;

test("earliest and latest are the log's ends, without a timestamp", async () => {
  const { ask } = await written([[{ times: [10, 20, 30] }], [{ times: [40] }]], 1);
  expect(await ask(EARLIEST)).toEqual([1, -1]);
  expect(await ask(LATEST)).toEqual([4, -1]);
  expect(await ask({ kind: "latest", readCommitted: true })).toEqual([4, -1]);
});

test("the earliest offset is the newest log start, also for a process that knows an older one", async () => {
  const { world, topic, writer, reader, ask } = await written([[{ times: [10, 20, 30] }]]);
  expect(await ask(EARLIEST, reader)).toEqual([0, -1]);
  const advance = { kind: "advance-log-start", topicId: topic.topicId, partitionIndex: 0, logStartOffset: 2 } as const;
  await world.run(writer.propose(topic, 0, advance));
  expect(await ask(EARLIEST, reader)).toEqual([2, -1]);
});

test("an empty log begins and ends at 0 and has no record by time", async () => {
  const { ask, atTime } = await written([]);
  expect(await ask(EARLIEST)).toEqual([0, -1]);
  expect(await ask(LATEST)).toEqual([0, -1]);
  expect(await ask(MAX)).toEqual([-1, -1]);
  expect(await atTime(0)).toEqual([-1, -1]);
});

test.each(["none", "gzip", "snappy", "lz4", "zstd"] as const)(
  "times are found within batches under codec %s",
  async (codec) => {
    const { atTime, ask } = await written([
      [
        { times: [100, 110, 120], codec },
        { times: [130, 90, 140], codec },
      ],
      [{ times: [200], codec }],
    ]);
    expect(await atTime(0)).toEqual([0, 100]);
    expect(await atTime(101)).toEqual([1, 110]);
    expect(await atTime(121)).toEqual([3, 130]);
    expect(await atTime(131)).toEqual([5, 140]);
    expect(await atTime(141)).toEqual([6, 200]);
    expect(await atTime(201)).toEqual([-1, -1]);
    expect(await ask(MAX)).toEqual([6, 200]);
  },
);

test("the first record by offset counts, though later ones are older", async () => {
  const { atTime, ask } = await written([[{ times: [500, 100] }], [{ times: [300, 500] }]]);
  expect(await atTime(200)).toEqual([0, 500]);
  expect(await atTime(500)).toEqual([0, 500]);
  expect(await ask(MAX)).toEqual([0, 500]);
});

test("the maximum may stand in the middle of the log", async () => {
  const { ask } = await written([[{ times: [1, 2] }], [{ times: [7, 9, 9] }, { times: [9] }], [{ times: [3] }]]);
  expect(await ask(MAX)).toEqual([3, 9]);
});

test("all records of a LogAppendTime batch have its time", async () => {
  const { atTime, ask } = await written([[{ times: [5, 6] }], [{ times: [1, 900, 2], logAppendTimeMs: 50 }]]);
  expect(await atTime(7)).toEqual([2, 50]);
  expect(await atTime(51)).toEqual([-1, -1]);
  expect(await ask(MAX)).toEqual([2, 50]);
});

test("records below the log start do not count, though their entry is still there", async () => {
  const { atTime, ask } = await written([[{ times: [900, 10, 20] }], [{ times: [15] }]], 1);
  expect(await atTime(0)).toEqual([1, 10]);
  expect(await atTime(16)).toEqual([2, 20]);
  expect(await atTime(21)).toEqual([-1, -1]);
  expect(await ask(MAX)).toEqual([2, 20]);
});

test("within a cut LogAppendTime batch the log start is the first of its records", async () => {
  const { atTime, ask } = await written([[{ times: [1, 1, 1], logAppendTimeMs: 50 }]], 2);
  expect(await atTime(1)).toEqual([2, 50]);
  expect(await ask(MAX)).toEqual([2, 50]);
});

test("records without a timestamp are never found by time", async () => {
  const { atTime, ask } = await written([[{ times: [-1, -1] }]]);
  expect(await atTime(0)).toEqual([-1, -1]);
  expect(await ask(MAX)).toEqual([-1, -1]);
});

test("the answers are those of a plain search through all records", async () => {
  const anyTimes = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 4 });
  const anyBatch = fc.record({ times: anyTimes, codec: fc.constantFrom<CompressionCodec>("none", "gzip") });
  const anyFlushes = fc.array(fc.array(anyBatch, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 });
  const property = fc.asyncProperty(anyFlushes, fc.nat(10), async (flushes, start) => {
    const records = flushes.flat(2).flatMap((batch) => batch.times);
    const logStartOffset = Math.min(start, records.length);
    const { atTime, ask, reader } = await written(flushes, logStartOffset);
    const kept = records.map((timestampMs, offset) => [offset, timestampMs] as const).slice(logStartOffset);
    for (let timestampMs = 0; timestampMs <= 31; timestampMs += 3) {
      const expected = kept.find((record) => record[1] >= timestampMs) ?? [-1, -1];
      expect(await atTime(timestampMs, reader)).toEqual(expected);
    }
    const max = Math.max(-1, ...kept.map((record) => record[1]));
    expect(await ask(MAX, reader)).toEqual(kept.find((record) => record[1] === max) ?? [-1, -1]);
  });
  await fc.assert(property, { numRuns: 40 });
});

test("a process that has not seen the newest commits tells the log end and the maximum of today all the same", async () => {
  const { world, topic, writer, reader, ask, atTime } = await written([[{ times: [10] }]]);
  expect(await ask(LATEST, reader)).toEqual([1, -1]);
  const append = (time: number) =>
    world.run(writer.append([{ topic, partitionIndex: 0, batches: [timedBatch({ times: [time] })] }]));
  await append(20);
  expect(await ask(LATEST, reader)).toEqual([2, -1]);
  await append(30);
  expect(await ask(MAX, reader)).toEqual([2, 30]);
  await append(40);
  expect(await atTime(31, reader)).toEqual([3, 40]);
});

test("what does not exist is unknown, and answers keep the order of the questions", async () => {
  const { world, topic, writer } = await written([[{ times: [10] }]]);
  const queries = [4, 0, -1, 2].map((partitionIndex) => ({ topic, partitionIndex, spec: LATEST }));
  const answers = await world.run(writer.lister.listOffsets(queries, new AbortController().signal));
  const { NONE, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode;
  expect(answers.map(({ error, offset }) => [error, offset])).toEqual([
    [UNKNOWN_TOPIC_OR_PARTITION, -1],
    [NONE, 1],
    [UNKNOWN_TOPIC_OR_PARTITION, -1],
    [NONE, 0],
  ]);
});

test("a topic that is gone is unknown, also to a process that has not seen it go", async () => {
  const { world, topic, writer, reader } = await written([[{ times: [10] }]]);
  const ask = (spec: OffsetSpec) => reader.offsetOf(topic, 0, spec);
  expect(await ask(LATEST)).toMatchObject({ error: ErrorCode.NONE, offset: 1 });
  world.topics.delete(topic.topicId);
  await world.run(writer.propose(topic, 0, { kind: "drop", topicId: topic.topicId, clusterSeq: 11 }));
  for (const spec of [LATEST, EARLIEST, MAX]) {
    expect(await ask(spec)).toMatchObject({ error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, offset: -1 });
  }
});

test("a batch whose records are nonsense counts as a whole and does not spoil the search", async () => {
  const { world, topic, writer, atTime, ask } = await written([[{ times: [10] }]]);
  const broken = Buffer.from(timedBatch({ times: [50, 60] }));
  broken.writeInt32BE(1_000, RECORD_COUNT_AT);
  broken.writeUInt32BE(sumBatch(broken), CRC_AT);
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [broken, timedBatch({ times: [99] })] }]));
  expect(await atTime(20)).toEqual([1, 60]);
  expect(await atTime(61)).toEqual([3, 99]);
  expect(await ask(MAX)).toEqual([3, 99]);
});

test("a search in damaged bytes asks another store, and tells the damage if there is none", async () => {
  const { world, topic, reader, atTime } = await written([[{ times: [10, 20] }]]);
  const key = defined([...world.storeServices[0].objects.keys()][0]);
  world.storeServices[0].damage(key, 70);
  expect(await atTime(15, reader)).toEqual([1, 20]);
  world.storeServices[1].damage(key, 70);
  const late = await world.process().offsetOf(topic, 0, { kind: "at-time", timestampMs: 15 });
  expect(late).toEqual({ error: ErrorCode.KAFKA_STORAGE_ERROR, offset: -1, timestampMs: -1 });
});
