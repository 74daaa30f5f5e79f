import { describe, expect, test } from "vitest";
import { segmentKey } from "#lib/log/segments.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { BLOCK_BYTES } from "#lib/util/limits.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, topicOf } from "./fetch-harness.ts";
import { compact, stateOf } from "./segment-fixtures.ts";

/** One batch of two records a flush, each with its own length; the first `compacted` flushes become one segment. */
async function compacted(flushes: number, options: { compacted?: number; valueBytes?: number } = {}) {
  const { compacted: entryCount = flushes, valueBytes = 1_000 } = options;
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const batches: Uint8Array[] = [];
  for (let flush = 0; flush < flushes; flush++) {
    const batch = storedBatch({ recordCount: 2, valueBytes: valueBytes + flush });
    await world.run(writer.append([{ topic, partitionIndex: 0, batches: [batch] }], { cache: false }));
    batches.push(servedBatch(batch, 2 * flush));
  }
  const segment = defined(await world.run(compact(writer, topic, { entryCount })));
  return { world, topic, writer, batches, segment };
}

async function openedReader(world: FetchWorld, topic: ReturnType<typeof topicOf>): Promise<FetchProcess> {
  const reader = world.process();
  await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false });
  reader.storeReads.length = 0;
  return reader;
}

test("batches of a segment come as they came before it was one, from every offset", async () => {
  const { world, topic, batches } = await compacted(20);
  const reader = world.process();
  for (let offset = 0; offset < 40; offset++) {
    const answer = await reader.fetchOne(topic, 0, offset);
    expect(answer).toMatchObject({ error: ErrorCode.NONE, highWatermark: 40, logStartOffset: 0 });
    expect(joined(answer.records)).toEqual(joined(batches.slice(Math.floor(offset / 2))));
    expect(answer.recordsByteLength).toBe(joined(answer.records).byteLength);
  }
});

test("one answer goes on from a segment into the entries behind it", async () => {
  const { world, topic, batches, writer } = await compacted(12, { compacted: 7 });
  expect(stateOf(writer, topic)).toMatchObject({ segments: [{ baseOffset: 0, nextOffset: 14 }] });
  const answer = await world.process().fetchOne(topic, 0, 9);
  expect(joined(answer.records)).toEqual(joined(batches.slice(4)));
});

test("a cold fetch reads one index and one range of one log", async () => {
  const { world, topic, segment, batches } = await compacted(30, { valueBytes: 120_000 });
  expect(segment.byteLength).toBeGreaterThan(6 * BLOCK_BYTES);
  const reader = await openedReader(world, topic);
  const answer = await reader.fetchOne(topic, 0, 31);
  expect(readBatchHeader(joined(answer.records)).baseOffset).toBe(30);
  expect(splitBatches(joined(answer.records)).batches[0]).toEqual(Buffer.from(defined(batches[15])));
  expect(reader.storeReads).toEqual([segmentKey(segment, "index"), segmentKey(segment, "log")]);
});

test("who reads on from where the last answer ended needs no index", async () => {
  const { world, topic, segment, batches } = await compacted(30, { valueBytes: 120_000 });
  const reader = await openedReader(world, topic);
  const read: Uint8Array[] = [];
  for (let fetchOffset = 0; fetchOffset < 60; ) {
    const request = { topic, partitionIndex: 0, fetchOffset, bytesMax: 700_000 };
    const [answer] = await world.run(reader.fetch([request]));
    read.push(...defined(answer).records);
    const last = defined(splitBatches(joined(defined(answer).records)).batches.at(-1));
    fetchOffset = lastOffsetOf(readBatchHeader(last)) + 1;
  }
  expect(joined(read)).toEqual(joined(batches));
  expect(new Set(reader.storeReads)).toEqual(new Set([segmentKey(segment, "log")]));
  const blocks = Math.ceil(segment.byteLength / BLOCK_BYTES);
  expect(reader.storeReads.length).toBeLessThanOrEqual(blocks);
});

describe("limits", () => {
  test("the first batch comes however large it is, and then whole ones that fit", async () => {
    const { world, topic, batches } = await compacted(6, { valueBytes: 100_000 });
    const size = defined(batches[2]).byteLength;
    const reader = world.process();
    const fetched = async (bytesMax: number) =>
      joined(
        defined((await world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset: 4, bytesMax }])))[0]).records,
      );
    expect(await fetched(1)).toEqual(joined(batches.slice(2, 3)));
    expect(await fetched(2 * size)).toEqual(joined(batches.slice(2, 3)));
    expect(await fetched(2 * size + 2)).toEqual(joined(batches.slice(2, 4)));
  });

  test("a later partition gets no batch beyond what is left of the request's bytes", async () => {
    const { world, topic, batches, writer } = await compacted(6);
    const other = storedBatch({ valueBytes: 3_000 });
    await world.run(writer.append([{ topic, partitionIndex: 2, batches: [other] }]));
    await world.run(compact(writer, topic, { partitionIndex: 2 }));
    const requests = [0, 2].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 0, bytesMax: 100_000 }));
    const size = joined(batches).byteLength;
    const sizes = async (bytesMax: number) =>
      (await world.run(world.process().fetch(requests, { bytesMax }))).map((answer) => answer.recordsByteLength);
    expect(await sizes(size + 100)).toEqual([size, 0]);
    expect(await sizes(size + 5_000)).toEqual([size, other.byteLength]);
    expect(await sizes(1)).toEqual([batches[0]?.byteLength, 0]);
  });

  test("only the first partition that has data gets a batch beyond its limit", async () => {
    const { world, topic, batches, writer } = await compacted(6);
    await world.run(writer.append([{ topic, partitionIndex: 2, batches: [storedBatch()] }]));
    await world.run(compact(writer, topic, { partitionIndex: 2 }));
    for (const fetchOffset of [0, 3]) {
      const requests = [0, 2].map((partitionIndex) => ({
        topic,
        partitionIndex,
        fetchOffset: partitionIndex === 0 ? fetchOffset : 0,
        bytesMax: 0,
      }));
      const answers = await world.run(world.process().fetch(requests));
      expect(answers.map((answer) => answer.recordsByteLength)).toEqual([
        batches[Math.floor(fetchOffset / 2)]?.byteLength,
        0,
      ]);
    }
  });

  test("min.bytes counts what is in segments", async () => {
    const { world, topic } = await compacted(6);
    const reader = world.process();
    const request = { topic, partitionIndex: 0, fetchOffset: 1, bytesMax: 100_000 };
    const [answer] = await world.run(reader.fetch([request], { bytesMin: 3_000, waitMsMax: 0 }));
    expect(answer?.recordsByteLength).toBeGreaterThan(3_000);
  });
});
