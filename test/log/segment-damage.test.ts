import { describe, expect, test } from "vitest";
import type { LogSegment } from "#lib/log/log-state.ts";
import { segmentInput, segmentKey } from "#lib/log/segments.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { lastOffsetOf, readBatchHeader } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { BLOCK_BYTES } from "#lib/util/limits.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, topicOf } from "./fetch-harness.ts";
import { compact, replaceInputs, stateOf, storeSegment } from "./segment-fixtures.ts";

const { NONE, KAFKA_STORAGE_ERROR } = ErrorCode;

/**
 * Ten batches of two records each: segments of the offsets 0 to 5, 6 to 13, and the rest in entries. Every batch but a segment's first
 * one is in its index. Partition 2 has one batch in a segment.
 */
async function threeParts(valueBytes = 500) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const batches: Uint8Array[] = [];
  const append = async (batch: Uint8Array, partitionIndex: number) =>
    world.run(writer.append([{ topic, partitionIndex, batches: [batch] }], { cache: false }));
  for (let flush = 0; flush < 10; flush++) {
    const batch = storedBatch({ recordCount: 2, valueBytes: valueBytes + 3 * flush });
    await append(batch, 0);
    batches.push(servedBatch(batch, 2 * flush));
  }
  await append(storedBatch(), 2);
  const options = { indexIntervalBytes: 100 };
  const first = defined(await world.run(compact(writer, topic, { ...options, entryCount: 3 })));
  const second = defined(await world.run(compact(writer, topic, { ...options, entryCount: 4 })));
  await world.run(compact(writer, topic, { ...options, partitionIndex: 2 }));
  return { world, topic, writer, batches, first, second, reader: world.process() };
}

type World = Awaited<ReturnType<typeof threeParts>>;

/** What a fetch of one batch answers at each batch's offset: whether it is the right one. */
async function verdicts({ topic, batches, world }: World, reader: FetchProcess): Promise<string> {
  const letters: string[] = [];
  for (const batch of batches) {
    const { baseOffset } = readBatchHeader(batch);
    const request = { topic, partitionIndex: 0, fetchOffset: baseOffset, bytesMax: 1 };
    const { error, records } = defined((await world.run(reader.fetch([request])))[0]);
    if (error === KAFKA_STORAGE_ERROR) letters.push("x");
    else letters.push(error === NONE && Buffer.compare(joined(records), batch) === 0 ? "." : "?");
  }
  return letters.join("");
}

function inBoth({ world }: World, change: (service: World["world"]["storeServices"][0]) => void): void {
  for (const service of world.storeServices) change(service);
}

function errorLines(reader: FetchProcess): number {
  return reader.logger.lines.filter((line) => line.startsWith("error")).length;
}

test("a log that is cut short is an error for its segment, and all the rest is served", async () => {
  const parts = await threeParts();
  const key = segmentKey(parts.second, "log");
  inBoth(parts, (service) => service.truncate(key, parts.second.byteLength - 1));
  expect(await verdicts(parts, parts.reader)).toBe("...xxxx...");
  expect((await parts.reader.fetchOne(parts.topic, 2, 0)).error).toBe(NONE);
  expect(parts.reader.lostCopies.map(({ object, storeId, kind }) => [object.key, storeId, kind])).toContainEqual([
    key,
    1,
    "damaged",
  ]);
});

test("of a long log that is cut short the blocks before the cut are served", async () => {
  const parts = await threeParts(BLOCK_BYTES / 2);
  inBoth(parts, (service) => service.truncate(segmentKey(parts.second, "log"), 3.5 * BLOCK_BYTES));
  const answer = await parts.reader.fetchOne(parts.topic, 0, 6, { bytesMax: 8 * BLOCK_BYTES });
  expect(joined(answer.records)).toEqual(joined(parts.batches.slice(3, 4)));
  expect(await verdicts(parts, parts.reader)).toBe(".....xx...");
});

test("a log that is deleted is an error for its segment, told in one line for each fetch", async () => {
  const parts = await threeParts();
  inBoth(parts, (service) => service.delete(segmentKey(parts.second, "log")));
  expect(await verdicts(parts, parts.reader)).toBe("...xxxx...");
  expect(errorLines(parts.reader)).toBe(4);
});

test("an answer ends before what cannot be read, and the next one is the error", async () => {
  const parts = await threeParts();
  inBoth(parts, (service) => service.delete(segmentKey(parts.second, "log")));
  const answer = await parts.reader.fetchOne(parts.topic, 0, 0);
  expect(answer.error).toBe(NONE);
  expect(joined(answer.records)).toEqual(joined(parts.batches.slice(0, 3)));
  expect((await parts.reader.fetchOne(parts.topic, 0, 6)).error).toBe(KAFKA_STORAGE_ERROR);
});

test("an index that is missing is an error where it is needed", async () => {
  const parts = await threeParts();
  inBoth(parts, (service) => service.delete(segmentKey(parts.second, "index")));
  expect(await verdicts(parts, parts.world.process())).toMatch(/^\.{4}/);
  for (const fetchOffset of [8, 10, 12]) {
    expect((await parts.world.process().fetchOne(parts.topic, 0, fetchOffset)).error).toBe(KAFKA_STORAGE_ERROR);
  }
  expect(joined((await parts.reader.fetchOne(parts.topic, 0, 6)).records)).toEqual(joined(parts.batches.slice(3)));
});

test.each(["forwards", "backwards"])(
  "an index of another segment that leads %s gives no wrong batch",
  async (where) => {
    const parts = await threeParts();
    const { second, world, topic, batches } = parts;
    // The same offsets, but other bytes before them.
    const sizes = where === "forwards" ? [900, 900, 900, 900] : [100, 100, 100, 100];
    const others = sizes.map((valueBytes, at) => servedBatch(storedBatch({ recordCount: 2, valueBytes }), 6 + 2 * at));
    const other = await storeSegment(world, others, { indexIntervalBytes: 100 });
    expect(other.indexByteLength).toBe(second.indexByteLength);
    inBoth(parts, ({ objects }) => {
      objects.set(segmentKey(second, "index"), defined(objects.get(segmentKey(other, "index"))));
    });
    for (let fetchOffset = 8; fetchOffset < 14; fetchOffset++) {
      const { error, records } = await world.process().fetchOne(topic, 0, fetchOffset);
      if (error === KAFKA_STORAGE_ERROR) continue;
      expect(error).toBe(NONE);
      const expected = batches.filter((batch) => lastOffsetOf(readBatchHeader(batch)) >= fetchOffset);
      expect(Buffer.compare(joined(records), joined(expected))).toBe(0);
    }
    expect((await world.process().fetchOne(topic, 0, 13)).error).toBe(KAFKA_STORAGE_ERROR);
    expect(await verdicts(parts, parts.world.process())).toMatch(/^\.{4}[.x]{3}\.{3}$/);
  },
);

test("an index that names a later batch than the right one is found out", async () => {
  const parts = await threeParts();
  const { second, world, topic } = parts;
  // Entry 1 says of the batch with the offsets 10 and 11 that it ends at 9.
  inBoth(parts, ({ objects }) => {
    const index = Buffer.from(defined(objects.get(segmentKey(second, "index"))).bytes);
    const sizes = parts.batches.slice(3, 7).map((batch) => batch.byteLength);
    index.writeInt32BE(defined(sizes[0]) + defined(sizes[1]), 4);
    index.writeInt32BE(defined(sizes[0]) + defined(sizes[1]) + defined(sizes[2]), 12);
    defined(objects.get(segmentKey(second, "index"))).bytes.set(index.subarray(0, 16));
  });
  expect((await world.process().fetchOne(topic, 0, 9)).error).toBe(KAFKA_STORAGE_ERROR);
});

describe("with one good copy", () => {
  test.each([
    ["a flipped bit in a batch", (service, second) => service.damage(segmentKey(second, "log"), 1_500), "log"],
    ["a log that is cut", (service, second) => service.truncate(segmentKey(second, "log"), 900), "log"],
    ["no log", (service, second) => service.delete(segmentKey(second, "log")), "log"],
    ["an index that is out of order", (service, second) => service.damage(segmentKey(second, "index"), 8), "index"],
    [
      "a position in the index that is none",
      (service, second) => service.damage(segmentKey(second, "index"), 15),
      "index",
    ],
    ["no index", (service, second) => service.delete(segmentKey(second, "index")), "index"],
  ] satisfies [string, (service: World["world"]["storeServices"][0], second: LogSegment) => void, "log" | "index"][])(
    "%s is passed over, and the copy reported",
    async (_what, damage, suffix) => {
      const parts = await threeParts();
      damage(parts.world.storeServices[0], parts.second);
      const lost = new Set<string>();
      for (let fetchOffset = 6; fetchOffset < 14; fetchOffset++) {
        const reader = parts.world.process();
        const answer = await reader.fetchOne(parts.topic, 0, fetchOffset);
        const expected = parts.batches.slice(Math.floor(fetchOffset / 2));
        expect([answer.error, Buffer.compare(joined(answer.records), joined(expected))]).toEqual([NONE, 0]);
        for (const { object, storeId } of reader.lostCopies) lost.add(`${object.key} ${storeId}`);
      }
      expect([...lost]).toContain(`${segmentKey(parts.second, suffix)} 0`);
      if (suffix === "index") expect(lost.size).toBe(1);
    },
  );
});

test("a batch that is damaged everywhere is an error, and those before and behind it are served", async () => {
  const parts = await threeParts();
  const { second, batches } = parts;
  const position = joined(batches.slice(3, 5)).byteLength + 100;
  inBoth(parts, (service) => service.damage(segmentKey(second, "log"), position));
  const answer = await parts.reader.fetchOne(parts.topic, 0, 6);
  expect(joined(answer.records)).toEqual(joined(batches.slice(3, 5)));
  expect(await verdicts(parts, parts.world.process())).toMatch(/^\.{5}xx?\.{3}/);
  const behind = await parts.world.process().fetchOne(parts.topic, 0, 13);
  expect([NONE, KAFKA_STORAGE_ERROR]).toContain(behind.error);
});

test("a segment without copies gives empty batches once somebody has declared it lost", async () => {
  const parts = await threeParts();
  const { second, topic, world, writer, batches } = parts;
  inBoth(parts, (service) => service.delete(segmentKey(second, "log")));
  const key = segmentKey(second, "log");
  await world.run(writer.propose(topic, 0, { kind: "declare-lost", topicId: topic.topicId, partitionIndex: 0, key }));
  const records = joined((await parts.reader.fetchOne(topic, 0, 2)).records);
  const before = joined(batches.slice(1, 3));
  const after = joined(batches.slice(7));
  expect(Buffer.compare(records.subarray(0, before.byteLength), before)).toBe(0);
  expect(Buffer.compare(records.subarray(records.byteLength - after.byteLength), after)).toBe(0);
  const empty = records.subarray(before.byteLength, records.byteLength - after.byteLength);
  expect(readBatchHeader(empty)).toMatchObject({ baseOffset: 6, lastOffsetDelta: 7, recordCount: 0, sizeBytes: 61 });
  expect(empty.byteLength).toBe(61);
});

test.each(["log", "index"] as const)(
  "a segment whose %s is replaced and removed meanwhile is planned anew",
  async (suffix) => {
    const parts = await threeParts();
    const { world, topic, writer, batches, first, second } = parts;
    const calls: string[] = [];
    const reader = world.process({
      journalFaults: { next: (call) => void calls.push(call.method) },
    });
    await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false });
    const merged = await storeSegment(world, batches.slice(0, 7));
    const inputs = [first, second].map(segmentInput);
    expect(await world.run(replaceInputs(writer, topic, { inputs, segments: [merged] }))).toEqual({ kind: "done" });
    inBoth(parts, (service) => service.delete(segmentKey(second, suffix)));
    expect(stateOf(reader, topic).segments).toEqual([first, second]);
    calls.length = 0;
    const answer = await reader.fetchOne(topic, 0, 9);
    expect(joined(answer.records)).toEqual(joined(batches.slice(4)));
    expect(calls).toEqual(["read"]);
    expect(errorLines(reader)).toBe(0);
    calls.length = 0;
    await reader.fetchOne(topic, 0, 11);
    expect(calls).toEqual([]);
  },
);

describe("searches by time", () => {
  const ask = (parts: World, timestampMs: number, reader = parts.world.process()) =>
    reader.offsetOf(parts.topic, 0, { kind: "at-time", timestampMs });

  test("a time index that is missing is an error for a search alone", async () => {
    const parts = await threeParts();
    expect(await ask(parts, 1_001)).toMatchObject({ error: NONE, offset: 1 });
    inBoth(parts, (service) => service.delete(segmentKey(parts.first, "timeindex")));
    expect(await ask(parts, 1_001)).toEqual({ error: KAFKA_STORAGE_ERROR, offset: -1, timestampMs: -1 });
    expect(await verdicts(parts, parts.reader)).toBe("..........");
  });

  test("a damaged time index is passed over for another copy", async () => {
    const parts = await threeParts();
    parts.world.storeServices[0].damage(segmentKey(parts.first, "timeindex"), 8);
    const reader = parts.world.process();
    expect(await ask(parts, 1_001, reader)).toMatchObject({ error: NONE, offset: 1 });
    expect(reader.lostCopies.map(({ object }) => object.key)).toContain(segmentKey(parts.first, "timeindex"));
  });

  test("a segment that is replaced meanwhile is searched anew", async () => {
    const parts = await threeParts();
    const { world, topic, writer, batches, first, second, reader } = parts;
    await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false });
    const merged = await storeSegment(world, batches.slice(0, 7));
    await world.run(replaceInputs(writer, topic, { inputs: [first, second].map(segmentInput), segments: [merged] }));
    inBoth(parts, (service) => service.delete(segmentKey(first, "timeindex")));
    expect(await ask(parts, 1_001, reader)).toMatchObject({ error: NONE, offset: 1 });
  });
});
