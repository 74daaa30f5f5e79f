import { expect, test } from "vitest";
import { entryInput, segmentKey } from "#lib/log/segments.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { BLOCK_BYTES, FETCH_RANGES_MAX } from "#lib/util/limits.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, NEVER, topicOf } from "./fetch-harness.ts";
import { compact, replaceInputs, stateOf, storeSegment } from "./segment-fixtures.ts";

/** `segmentCount` segments of `batchCount` batches each. */
async function segments(segmentCount: number, batchCount: number, valueBytes: number) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const batch = storedBatch({ valueBytes });
  const count = segmentCount * batchCount;
  const stored = Array.from({ length: count }, () => batch);
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: stored }], { cache: false }));
  const batches = stored.map((each, offset) => servedBatch(each, offset));
  const made = [];
  for (let first = 0; first < count; first += batchCount) {
    made.push(await world.run(storeSegment(world, batches.slice(first, first + batchCount))));
  }
  const inputs = stateOf(writer, topic).entries.map(entryInput);
  expect(await world.run(replaceInputs(writer, topic, { inputs, segments: made }))).toEqual({ kind: "done" });
  return { world, topic, writer, batches, segments: made };
}

test("a reader in sequence finds the next segment's beginning loaded when it comes there", async () => {
  const parts = await segments(2, 30, 220_000);
  const { world, topic, batches } = parts;
  const [first, second] = parts.segments.map((segment) => segmentKey(segment, "log"));
  const reader = world.process({ readAheadBytes: 2 * BLOCK_BYTES });
  const read: Uint8Array[] = [];
  let wasLoaded = false;
  for (let fetchOffset = 0; fetchOffset < 60; ) {
    if (fetchOffset >= 30 && !wasLoaded) {
      expect(reader.storeReads).toContain(second);
      reader.storeReads.length = 0;
      wasLoaded = true;
    }
    const request = { topic, partitionIndex: 0, fetchOffset, bytesMax: BLOCK_BYTES };
    const { records } = defined((await world.run(reader.fetch([request])))[0]);
    if (fetchOffset < 12) expect(reader.storeReads.filter((key) => key !== first)).toEqual([]);
    const got = splitBatches(joined(records)).batches;
    read.push(...got);
    fetchOffset = lastOffsetOf(readBatchHeader(defined(got.at(-1)))) + 1;
  }
  expect(wasLoaded).toBe(true);
  expect(Buffer.compare(joined(read), joined(batches))).toBe(0);
  // Each block once, and more of them in one read.
  const blocks = Math.ceil(defined(parts.segments[1]).byteLength / BLOCK_BYTES);
  expect(reader.storeReads.filter((key) => key === second).length).toBeLessThan(blocks);
});

test("a single fetch from somewhere loads nothing ahead", async () => {
  const parts = await segments(2, 30, 220_000);
  const { world, topic } = parts;
  const keys = parts.segments.map((segment) => [segmentKey(segment, "index"), segmentKey(segment, "log")]);
  const reader = world.process({ readAheadBytes: 4 * BLOCK_BYTES });
  await world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset: 26, bytesMax: 1_000 }]));
  expect(reader.storeReads).toEqual(keys[0]);
});

test("one fetch reads no more segments than it may read entries", async () => {
  const { world, topic, batches } = await segments(FETCH_RANGES_MAX + 5, 1, 10);
  const reader = world.process();
  const { records } = await reader.fetchOne(topic, 0, 0);
  expect(Buffer.compare(joined(records), joined(batches.slice(0, FETCH_RANGES_MAX)))).toBe(0);
  const rest = await reader.fetchOne(topic, 0, FETCH_RANGES_MAX);
  expect(Buffer.compare(joined(rest.records), joined(batches.slice(FETCH_RANGES_MAX)))).toBe(0);
});

test("a search by time reads two indexes and one range of one log", async () => {
  const { world, topic, segments: made } = await segments(2, 30, 120_000);
  const reader = world.process();
  await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false });
  expect(await reader.offsetOf(topic, 0, { kind: "at-time", timestampMs: 1_000 })).toMatchObject({ offset: 0 });
  const first = defined(made[0]);
  expect(reader.storeReads.toSorted()).toEqual(
    [segmentKey(first, "index"), segmentKey(first, "log"), segmentKey(first, "timeindex")].toSorted(),
  );
});

test("a process that is caught up reads no journal for a fetch, and an offset behind its view makes it look once", async () => {
  const { world, topic, writer } = await segments(2, 5, 100);
  const calls: string[] = [];
  const reader = world.process({ journalFaults: { next: (call) => void calls.push(call.method) } });
  await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false });
  calls.length = 0;
  expect((await reader.fetchOne(topic, 0, 3)).error).toBe(ErrorCode.NONE);
  expect(calls).toEqual([]);
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [storedBatch(), storedBatch()] }]));
  await world.run(compact(writer, topic));
  const answer = await reader.fetchOne(topic, 0, 11);
  expect(readBatchHeader(joined(answer.records)).baseOffset).toBe(11);
  expect(calls).toEqual(["read"]);
});

test("a partition is as large as its segments and entries are", async () => {
  const { world, topic, writer, segments: made } = await segments(2, 5, 100);
  const batch = storedBatch({ valueBytes: 300 });
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [batch] }]));
  const sizes = await world.run(writer.describer.sizes([{ topic, partitionIndex: 0 }], NEVER));
  const inSegments = made.reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(sizes).toEqual([{ error: ErrorCode.NONE, byteLength: inSegments + batch.byteLength }]);
});
