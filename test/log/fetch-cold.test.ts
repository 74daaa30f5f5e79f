import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { type AppendedBatches, FetchWorld, type ProcessOptions, topicOf } from "./fetch-harness.ts";

/** Some flushes written by one process, and another that has seen none of their bytes. */
async function cold(options: ProcessOptions = {}, flushes: { readonly inline: boolean }[] = [{ inline: false }]) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const served: Uint8Array[] = [];
  const keys = [];
  for (const { inline } of flushes) {
    const batches = [storedBatch({ valueBytes: 50 }), storedBatch({ valueBytes: 5_000 })];
    const parts: AppendedBatches[] = [
      { topic, partitionIndex: 2, batches: [storedBatch()] },
      { topic, partitionIndex: 0, batches },
    ];
    keys.push(await world.run(writer.append(parts, { inline })));
    for (const batch of batches) served.push(servedBatch(batch, served.length));
  }
  const reader = world.process({ journalPollMs: 0, ...options });
  return { world, topic, writer, reader, expected: joined(served), key: defined(keys[0]), keys };
}

function damagedLines(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith("error "));
}

test("what another process wrote is read from a store, once", async () => {
  const { reader, topic, expected, key } = await cold();
  for (let count = 0; count < 3; count++) {
    expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
  }
  expect(reader.storeReads).toEqual([key]);
});

test("inlined batches are read from the journal after a restart, and then from memory", async () => {
  const calls: string[] = [];
  const journalFaults = { next: (call: { readonly method: string }) => void calls.push(call.method) };
  const flushes = Array.from({ length: 20 }, () => ({ inline: true }));
  const { world, reader, topic, expected } = await cold({ journalFaults, tailCacheBytes: 1_000_000 }, flushes);
  await world.run(reader.journals.openAll(new AbortController().signal));
  // A snapshot would have been loaded instead of the records: none of their bytes is at hand.
  reader.tailCache.clear();
  calls.length = 0;
  for (let count = 0; count < 3; count++) {
    expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
  }
  expect(calls).toEqual(["read"]);
  expect(reader.storeReads).toEqual([]);
});

test("inlined batches are read even if the cache has no room for them", async () => {
  const flushes = Array.from({ length: 100 }, (_, index) => ({ inline: index % 3 > 0 }));
  const { reader, topic, expected } = await cold({ tailCacheBytes: 0 }, flushes);
  expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
});

test("inlined batches that other processes committed are at hand when the commit is folded", async () => {
  const { world, topic, reader, writer } = await cold();
  await reader.fetchOne(topic, 0, 0);
  const calls: string[] = [];
  const follower = world.process({ journalFaults: { next: (call) => void calls.push(call.method) } });
  await follower.fetchOne(topic, 0, 0);
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }], { inline: true }));
  await world.clock.advance(100);
  calls.length = 0;
  expect((await follower.fetchOne(topic, 0, 2)).recordsByteLength).toBeGreaterThan(0);
  // One poll, and no second read for the bytes.
  expect(calls).toEqual(["read"]);
});

test("a store that fails is passed over for another", async () => {
  let callCount = 0;
  const { reader, topic, expected } = await cold({
    storeFaults: () => (callCount++ === 0 ? { kind: "unavailable" } : undefined),
  });
  expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
});

test.each([
  ["behind the CRC", 28 + 200],
  ["in a length", 11],
])("a copy with a flipped bit %s is passed over for another", async (_where, at) => {
  const { world, reader, topic, expected, key } = await cold();
  world.storeServices[0].damage(key, storedBatch().byteLength + at);
  expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
});

test("bytes that are damaged in every store are not served, and told in one line", async () => {
  const { world, reader, topic, key } = await cold();
  for (const service of world.storeServices) service.damage(key, storedBatch().byteLength + 200);
  const fetched = await reader.fetchOne(topic, 0, 0);
  expect(fetched).toMatchObject({ error: ErrorCode.KAFKA_STORAGE_ERROR, highWatermark: -1, records: [] });
  expect(damagedLines(reader.logger.lines).length).toBe(1);
  expect((await reader.fetchOne(topic, 2, 0)).error).toBe(ErrorCode.NONE);
});

test("stores that do not answer are an error that passes", async () => {
  const { world, reader, topic, expected } = await cold();
  for (const service of world.storeServices) service.isDown = true;
  expect((await reader.fetchOne(topic, 0, 0)).error).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  expect(damagedLines(reader.logger.lines)).toEqual([]);
  for (const service of world.storeServices) service.isDown = false;
  expect(Buffer.compare(joined((await reader.fetchOne(topic, 0, 0)).records), expected)).toBe(0);
});

test("an object that is gone and that the newest state refers to is lost, and told in one line", async () => {
  const { world, reader, topic, key } = await cold();
  for (const service of world.storeServices) service.delete(key);
  expect((await reader.fetchOne(topic, 0, 0)).error).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  expect(damagedLines(reader.logger.lines).length).toBe(1);
});

test("an object that is gone because its records are makes the offset out of range, not damage", async () => {
  const { world, reader, writer, topic, keys } = await cold({}, [{ inline: false }, { inline: false }]);
  await world.run(reader.journals.openAll(new AbortController().signal));
  const advance = { kind: "advance-log-start", topicId: topic.topicId, partitionIndex: 0, logStartOffset: 2 } as const;
  await world.run(writer.propose(topic, 0, advance));
  for (const service of world.storeServices) service.delete(defined(keys[0]));
  expect((await reader.fetchOne(topic, 0, 0)).error).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
  expect(damagedLines(reader.logger.lines)).toEqual([]);
});

test("a lost object does not take other partitions' answers with it", async () => {
  const { world, reader, writer, topic, key } = await cold();
  await world.run(writer.append([{ topic, partitionIndex: 1, batches: [storedBatch()] }]));
  for (const service of world.storeServices) service.delete(key);
  const requests = [0, 1].map((partitionIndex) => ({ topic, partitionIndex, fetchOffset: 0, bytesMax: 1_000_000 }));
  const errors = (await world.run(reader.fetch(requests))).map((partition) => partition.error);
  expect(errors).toEqual([ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NONE]);
});

test("reads beyond the budget wait for those before them", async () => {
  const { world, reader, topic, expected } = await cold(
    { readBytesInFlightMax: 6_000, storeFaults: () => ({ kind: "slow", delayMs: 100 }) },
    [{ inline: false }],
  );
  await world.run(reader.journals.openAll(new AbortController().signal));
  const request = [{ topic, partitionIndex: 0, fetchOffset: 0, bytesMax: 1_000_000 }];
  const fetches = [1, 2, 3].map(() => reader.fetch(request));
  await world.clock.endOfTurn();
  expect(reader.budget.usedBytes).toBeLessThanOrEqual(6_000);
  for (const fetched of await world.run(Promise.all(fetches))) {
    expect(Buffer.compare(joined(defined(fetched[0]).records), expected)).toBe(0);
  }
  expect(reader.budget.usedBytes).toBe(0);
});

test("a fetch that gives up while it waits for the budget leaves it to others", async () => {
  const { world, reader, topic } = await cold({
    readBytesInFlightMax: 6_000,
    storeFaults: () => ({ kind: "slow", delayMs: 100 }),
  });
  await world.run(reader.journals.openAll(new AbortController().signal));
  const request = [{ topic, partitionIndex: 0, fetchOffset: 0, bytesMax: 1_000_000 }];
  const controller = new AbortController();
  const first = reader.fetch(request);
  await world.clock.endOfTurn();
  const second = reader.fetch(request, { signal: controller.signal });
  await world.clock.endOfTurn();
  const third = reader.fetch(request);
  controller.abort(new Error("connection closed"));
  await expect(second).rejects.toThrow("connection closed");
  const [one, three] = await world.run(Promise.all([first, third]));
  expect([one, three].map((fetched) => fetched?.[0]?.error)).toEqual([ErrorCode.NONE, ErrorCode.NONE]);
  expect(reader.budget.usedBytes).toBe(0);
});
