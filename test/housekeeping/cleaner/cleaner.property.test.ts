import { expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { COMPRESSION_CODECS } from "#lib/record/compression-codec.ts";
import type { NewRecord, StoredRecord } from "#lib/record/record.ts";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { defined } from "#lib/util/assert.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { CleanerWorld } from "./cleaner-harness.ts";

const HOUR_MS = 3_600_000;
const DELETE_RETENTION_MS = 10 * HOUR_MS;

/** What Kafka promises of a compacted log, record by record. */
class Model {
  readonly #records: (StoredRecord & { readonly batchAt: number })[] = [];
  /** By the offset of the batch. */
  readonly #horizons = new Map<number, number>();

  add(batch: Uint8Array): void {
    const batchAt = readBatchHeader(batch).baseOffset;
    for (const record of readRecords(batch)) this.#records.push({ ...record, batchAt });
  }

  clean(nowMs: number): void {
    const last = new Map(this.#records.map(({ key, offset }) => [hex(key), offset]));
    const left = this.#records.filter(({ key, value, offset, batchAt }) => {
      const isPast = (this.#horizons.get(batchAt) ?? Number.POSITIVE_INFINITY) <= nowMs;
      return key !== null && last.get(hex(key)) === offset && (value !== null || !isPast);
    });
    for (const { value, batchAt } of left) {
      if (value === null && !this.#horizons.has(batchAt)) this.#horizons.set(batchAt, nowMs + DELETE_RETENTION_MS);
    }
    this.#records.splice(0, this.#records.length, ...left);
  }

  get records(): readonly StoredRecord[] {
    return this.#records.map(({ batchAt, ...record }) => record);
  }
}

function hex(key: Uint8Array | null): string {
  return key === null ? "none" : Buffer.from(key).toString("hex");
}

function randomRecord(random: SeededRandom, nowMs: number): NewRecord {
  const key = random.chance(0.03) ? null : Buffer.from(`key-${random.below(40)}`);
  const value = random.chance(0.2) ? null : Buffer.from(random.bytes(random.below(60)));
  const headers = Array.from({ length: random.below(3) }, (_, index) => ({
    key: `h${index}`,
    value: random.chance(0.3) ? null : random.bytes(3),
  }));
  const timestampMs = random.chance(0.05) ? -1 : nowMs - random.below(2 * HOUR_MS);
  return { timestampMs, key, value, headers };
}

function randomBatch(random: SeededRandom, baseOffset: number, nowMs: number): Uint8Array {
  const records = Array.from({ length: 1 + random.below(12) }, () => randomRecord(random, nowMs));
  return buildBatch(records, {
    codec: defined(COMPRESSION_CODECS[random.below(COMPRESSION_CODECS.length)]),
    baseOffset,
    partitionLeaderEpoch: 0,
    ...(random.chance(0.2) ? { logAppendTimeMs: nowMs } : {}),
    ...(random.chance(0.3) ? { producer: { producerId: 7, producerEpoch: 1, baseSequence: random.below(1_000) } } : {}),
  });
}

/** What is read has other classes of byte arrays. */
function plain(records: readonly StoredRecord[]): readonly unknown[] {
  return records.map(({ offset, timestampMs, key, value, headers }) => ({
    offset,
    timestampMs,
    key: hex(key),
    value: hex(value),
    headers: headers.map((header) => `${header.key}=${hex(header.value)}`),
  }));
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("rounds of cleaning leave what a model says, seed %i", async (seed) => {
  const random = new SeededRandom(seed);
  const world = new CleanerWorld({
    settings: { deleteRetentionMs: DELETE_RETENTION_MS, segmentBytes: 500 + random.below(20_000) },
  });
  const { clock } = world.world;
  const model = new Model();
  for (let round = 0; round < 12; round++) {
    for (let count = 1 + random.below(3); count > 0; count--) {
      const batches: Uint8Array[] = [];
      for (let at = world.endOffset(), left = 1 + random.below(6); left > 0; left--) {
        const batch = randomBatch(random, at, clock.nowMs());
        at += readBatchHeader(batch).lastOffsetDelta + 1;
        batches.push(batch);
        model.add(batch);
      }
      await world.addSegment(batches);
    }
    const nowMs = clock.nowMs();
    await world.run();
    expect(clock.nowMs()).toBe(nowMs);
    model.clean(nowMs);
    const left = (await world.batches()).flatMap((batch) => [...readRecords(batch)]);
    expect(plain(left)).toEqual(plain(model.records));
    expect(world.segments.at(-1)?.nextOffset).toBe(world.endOffset());
    expect(world.segments.every(({ isCleaned }) => isCleaned)).toBe(true);
    await clock.advance(random.below(6) * HOUR_MS);
  }
});

test.each([11, 12, 13, 14])("a map that is much too small only takes more runs, seed %i", async (seed) => {
  const random = new SeededRandom(seed);
  const world = new CleanerWorld({ keysMax: 13, settings: { segmentBytes: 4_000 } });
  const lastOffsets = new Map<string, number>();
  const tombstones = new Set<number>();
  for (let count = 0; count < 5; count++) {
    const batches: Uint8Array[] = [];
    for (let at = world.endOffset(), left = 8; left > 0; left--) {
      const batch = randomBatch(random, at, world.world.clock.nowMs());
      at += readBatchHeader(batch).lastOffsetDelta + 1;
      batches.push(batch);
      for (const { key, value, offset } of readRecords(batch)) {
        if (key !== null) lastOffsets.set(hex(key), offset);
        if (value === null) tombstones.add(offset);
      }
    }
    await world.addSegment(batches);
  }
  let runs = 0;
  while ((await world.run()) > 0) runs++;
  expect(runs).toBeGreaterThan(3);
  const left = (await world.batches()).flatMap((batch) => [...readRecords(batch)].map(({ offset }) => offset));
  expect(left).toEqual([...lastOffsets.values()].sort((a, b) => a - b));
  expect(tombstones.size).toBeGreaterThan(0);
});

test.each([21, 22, 23, 24, 25, 26])("whoever stops it leaves the last record of each key, seed %i", async (seed) => {
  const random = new SeededRandom(seed);
  let callsLeft = Number.POSITIVE_INFINITY;
  let stop = new AbortController();
  const world = new CleanerWorld({
    keysMax: 30,
    limits: { checkpointBytes: seed % 2 === 0 ? 1 : 2_000 },
    settings: { segmentBytes: 3_000 },
    storeFaults: () => {
      if (--callsLeft === 0) stop.abort(new Error("killed"));
      return undefined;
    },
  });
  const lastRecords = new Map<string, unknown>();
  for (let count = 0; count < 6; count++) {
    const batches: Uint8Array[] = [];
    for (let at = world.endOffset(), left = 8; left > 0; left--) {
      const batch = randomBatch(random, at, world.world.clock.nowMs());
      at += readBatchHeader(batch).lastOffsetDelta + 1;
      batches.push(batch);
      const records = [...readRecords(batch)];
      for (const [index, record] of plain(records).entries()) {
        const { key } = defined(records[index]);
        if (key !== null) lastRecords.set(hex(key), record);
      }
    }
    await world.addSegment(batches);
    for (let tries = 0; tries < 3; tries++) {
      stop = new AbortController();
      callsLeft = 1 + random.below(40);
      await world.world.run(world.cleaner.runOnce({ isForced: true, signal: stop.signal }).catch(() => 0));
      callsLeft = Number.POSITIVE_INFINITY;
      const left = (await world.batches()).flatMap((batch) => [...readRecords(batch)]);
      const found = new Map(plain(left).map((record, index) => [hex(defined(left[index]).key), record]));
      for (const [key, record] of lastRecords) expect(found.get(key)).toEqual(record);
    }
  }
  while ((await world.run()) > 0);
  expect((await world.batches()).flatMap((batch) => [...readRecords(batch)])).toHaveLength(lastRecords.size);
});

/** Processes that are each stopped after so many of their calls of stores; answers how many it took until nothing was left. */
async function cleanInShortCalls(checkpointBytes: number, seed: number) {
  const random = new SeededRandom(seed);
  let callsLeft = Number.POSITIVE_INFINITY;
  let stop = new AbortController();
  const world = new CleanerWorld({
    limits: { checkpointBytes },
    settings: { segmentBytes: 2_000 },
    storeFaults: () => {
      if (--callsLeft < 0) stop.abort(new Error("the call's time is over"));
      return undefined;
    },
  });
  const lastOffsets = new Map<string, number>();
  const add = async () => {
    const batches: Uint8Array[] = [];
    for (let at = world.endOffset(), left = 6; left > 0; left--) {
      // Keys that come once make a clean part that is long.
      const key = random.chance(0.7) ? `once-${at}` : `key-${random.below(10)}`;
      const batch = buildBatch([{ timestampMs: 1, key: Buffer.from(key), value: random.bytes(300), headers: [] }], {
        codec: "none",
        baseOffset: at,
        partitionLeaderEpoch: 0,
      });
      lastOffsets.set(key, at++);
      batches.push(batch);
    }
    await world.addSegment(batches);
  };
  for (let count = 0; count < 30; count++) await add();
  await world.run();
  await add();
  let processes = 0;
  for (; processes < 60 && world.segments.some(({ isCleaned }) => !isCleaned); processes++) {
    // What comes in between is for the next pass.
    if (processes === 2) await add();
    stop = new AbortController();
    callsLeft = 12;
    const run = world.newCleaner().runOnce({ isForced: true, signal: stop.signal });
    await world.world.run(run.catch(() => 0));
    callsLeft = Number.POSITIVE_INFINITY;
  }
  const left = (await world.batches()).flatMap((batch) => [...readRecords(batch)].map(({ offset }) => offset));
  return { processes, left, lastOffsets: [...lastOffsets.values()].sort((a, b) => a - b) };
}

test.each([31, 32])(
  "a pass that is cut short goes on in another process, however short each is, seed %i",
  async (seed) => {
    const { processes, left, lastOffsets } = await cleanInShortCalls(1, seed);
    expect(processes).toBeGreaterThan(3);
    expect(left).toEqual(lastOffsets);
    // None comes to the end of the log if each begins anew.
    const anew = await cleanInShortCalls(Number.POSITIVE_INFINITY, seed);
    expect(anew.processes).toBe(60);
  },
);
