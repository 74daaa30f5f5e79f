import { expect, test } from "vitest";
import { defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import { MIB } from "#lib/util/limits.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, type ProcessOptions, topicOf } from "./fetch-harness.ts";

const FLUSHES = 12;
/** Of one flush, so that a fetch of three takes three. */
const BATCH = storedBatch({ valueBytes: 300_000 });
const FETCH_BYTES = 3 * BATCH.byteLength;

/** A partition whose entries lie in an object each, and a process that has none of them in memory. */
async function flushed(options: ProcessOptions = {}) {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const keys = [];
  for (let n = 0; n < FLUSHES; n++) {
    keys.push(await world.run(writer.append([{ topic, partitionIndex: 0, batches: [BATCH] }], { cache: false })));
  }
  const reader = world.process({ readAheadBytes: 4 * MIB, ...options });
  const fetch = async (fetchOffset: number, borrowed?: Borrowed) => {
    const request = { topic, partitionIndex: 0, fetchOffset, bytesMax: FETCH_BYTES };
    const answers = await world.run(reader.fetch([request], borrowed === undefined ? {} : { borrowed }));
    await world.clock.endOfTurn();
    return joined(defined(answers[0]).records);
  };
  return { world, topic, writer, reader, keys, fetch };
}

const expected = (from: number, count: number) =>
  joined(Array.from({ length: count }, (_, index) => servedBatch(BATCH, from + index)));

test("a reader in sequence finds the objects that come next loaded, and each is read once", async () => {
  const { reader, keys, fetch } = await flushed();
  for (let fetchOffset = 0; fetchOffset < FLUSHES; fetchOffset += 3) {
    const readBefore = [...reader.storeReads];
    expect(Buffer.compare(await fetch(fetchOffset), expected(fetchOffset, 3)), `${fetchOffset}`).toBe(0);
    // The second fetch shows that it is a sequence.
    if (fetchOffset > 3) expect(readBefore).toEqual(expect.arrayContaining(keys.slice(fetchOffset, fetchOffset + 3)));
  }
  expect(reader.storeReads).toEqual(keys);
});

test("fetches from here and there load nothing ahead", async () => {
  const { reader, keys, fetch } = await flushed();
  for (const fetchOffset of [6, 0]) await fetch(fetchOffset);
  expect(reader.storeReads).toEqual([...keys.slice(6, 9), ...keys.slice(0, 3)]);
});

test("nothing is loaded ahead before the answer has left", async () => {
  const { world, reader, fetch } = await flushed();
  await fetch(0);
  const borrowed = new Borrowed();
  await fetch(3, borrowed);
  expect(reader.storeReads).toHaveLength(6);
  borrowed.release();
  await world.clock.endOfTurn();
  expect(reader.storeReads).toHaveLength(9);
});

test("nothing is loaded ahead for a client that is gone", async () => {
  const { world, topic, reader, fetch } = await flushed();
  await fetch(0);
  const borrowed = new Borrowed();
  const connection = new AbortController();
  const request = { topic, partitionIndex: 0, fetchOffset: 3, bytesMax: FETCH_BYTES };
  await world.run(reader.fetch([request], { borrowed, signal: connection.signal }));
  connection.abort();
  borrowed.release();
  await world.clock.endOfTurn();
  expect(reader.storeReads).toHaveLength(6);
});

test("what is loaded ahead is checked, and damage is passed over, before anybody asks for it", async () => {
  const { world, reader, keys, fetch } = await flushed();
  const damaged = defined(keys[7]);
  world.storeServices[0].damage(damaged, 5_000);
  await fetch(0);
  await fetch(3);
  expect(reader.lostCopies).toMatchObject([{ object: { key: damaged }, storeId: 0, kind: "damaged" }]);
  const readBefore = reader.storeReads.length;
  expect(Buffer.compare(await fetch(6), expected(6, 3))).toBe(0);
  expect(reader.storeReads.slice(0, readBefore)).toEqual([...keys.slice(0, 9), damaged]);
});

test("what cannot be loaded ahead is read by the fetch that asks for it", async () => {
  let isDown = false;
  const { reader, fetch } = await flushed({ storeFaults: () => (isDown ? { kind: "unavailable" } : undefined) });
  await fetch(0);
  const borrowed = new Borrowed();
  await fetch(3, borrowed);
  isDown = true;
  borrowed.release();
  await reader.world.clock.endOfTurn();
  isDown = false;
  expect(Buffer.compare(await fetch(6), expected(6, 3))).toBe(0);
});

test("partitions that share a large object have it read ahead by one read", async () => {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1, { journalCount: 1 }));
  const writer = world.process();
  const batches = Array.from({ length: 5 }, () => BATCH);
  const parts = [0, 1].map((partitionIndex) => ({ topic, partitionIndex, batches }));
  const keys = [];
  for (let n = 0; n < 4; n++) keys.push(await world.run(writer.append(parts, { cache: false })));
  const reader = world.process({ readAheadBytes: 4 * MIB });
  for (const fetchOffset of [0, 5, 10]) {
    const readBefore = reader.storeReads.length;
    const requests = [0, 1].map((partitionIndex) => ({
      topic,
      partitionIndex,
      fetchOffset,
      bytesMax: 5 * BATCH.byteLength,
    }));
    await world.run(reader.fetch(requests));
    await world.clock.endOfTurn();
    if (fetchOffset === 10) expect(reader.storeReads.slice(readBefore)).toEqual([keys[3]]);
  }
});
