import { expect, test } from "vitest";
import { readBatchHeader } from "#lib/record/record-batch.ts";
import { decodeTransactionIndex } from "#lib/storage/segments/transaction-index.ts";
import { defined } from "#lib/util/assert.ts";
import { NEVER } from "../../log/fetch-harness.ts";
import { markerBatch } from "../../storage/segments/crafted-batches.ts";
import { CleanerWorld } from "./cleaner-harness.ts";
import { keyed, NOON } from "./keyed-batches.ts";

const HOUR_MS = 3_600_000;
const A = 71;
const B = 72;

function marker(baseOffset: number, kind: "commit" | "abort", producerId: number): Uint8Array {
  return markerBatch(baseOffset, { kind, producerId, timestampMs: NOON }).bytes;
}

async function markersOf(world: CleanerWorld): Promise<readonly number[]> {
  const headers = (await world.batches()).map((batch) => readBatchHeader(batch));
  return headers.flatMap(({ isControl, baseOffset }) => (isControl ? [baseOffset] : []));
}

/** Cleans again what is clean already: something new is needed for that. */
async function cleanAgain(world: CleanerWorld, key: string): Promise<void> {
  await world.addSegment([keyed(world.endOffset(), `${key}=1`)]);
  await world.run();
}

test("records of aborted transactions go, and do not count as the last ones of their keys", async () => {
  const world = new CleanerWorld();
  await world.addSegment([
    keyed(0, "a=1 b=1"),
    keyed(2, "a=2", { producerId: A }),
    keyed(3, "b=2", { producerId: B }),
    marker(4, "abort", A),
    marker(5, "commit", B),
  ]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=2@3"]);
  expect(await markersOf(world)).toEqual([4, 5]);
});

test("an abort marker without batches stays for delete.retention.ms, a commit marker as long as its transaction's records", async () => {
  const world = new CleanerWorld({ settings: { deleteRetentionMs: HOUR_MS } });
  const { clock } = world.world;
  await world.addSegment([
    keyed(0, "a=1", { producerId: A }),
    keyed(1, "b=1", { producerId: B }),
    marker(2, "abort", A),
    marker(3, "commit", B),
    keyed(4, "c=1"),
  ]);
  await world.run();
  // The aborted batch was still there when its marker was read.
  expect((await world.batches()).map((batch) => readBatchHeader(batch).hasDeleteHorizon)).not.toContain(true);
  await cleanAgain(world, "d");
  const abort = (await world.batches()).map((batch) => readBatchHeader(batch)).find(({ isControl }) => isControl);
  expect(abort).toMatchObject({ baseOffset: 2, hasDeleteHorizon: true, baseTimestamp: clock.nowMs() + HOUR_MS });
  await clock.advance(HOUR_MS - 1_000);
  await cleanAgain(world, "e");
  expect(await markersOf(world)).toEqual([2, 3]);
  await clock.advance(1_000);
  await cleanAgain(world, "f");
  expect(await markersOf(world)).toEqual([3]);
  await cleanAgain(world, "b");
  await cleanAgain(world, "g");
  await clock.advance(HOUR_MS);
  await cleanAgain(world, "h");
  expect(await markersOf(world)).toEqual([]);
  expect(await world.records()).toEqual(["c=1@4", "d=1@5", "e=1@6", "f=1@7", "b=1@8", "g=1@9", "h=1@10"]);
});

test("nothing at or behind the beginning of an open transaction is cleaned, nor does it count", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 b=1 b=2")]);
  await world.addSegment([keyed(3, "a=2", { producerId: A }), keyed(4, "b=3 c=1 c=2")]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=2@2", "a=2@3", "b=3@4", "c=1@5", "c=2@6"]);
  expect(world.segments.map(({ isCleaned }) => isCleaned)).toEqual([true, false]);
  expect(await world.run()).toBe(0);
  await world.addSegment([marker(7, "abort", A)]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=3@4", "c=2@6"]);
});

test("a transaction over several segments is known for aborted where its marker is not cleaned yet", async () => {
  const world = new CleanerWorld({ keysMax: 2 });
  await world.addSegment([keyed(0, "a=1 b=1"), keyed(2, "a=2", { producerId: A }), keyed(3, "b=2")]);
  await world.addSegment([keyed(4, "c=1 d=1"), marker(6, "abort", A)]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=2@3", "c=1@4", "d=1@5"]);
  expect(world.segments.map(({ isCleaned }) => isCleaned)).toEqual([true, false]);
  await world.run();
  expect(await world.records()).toEqual(["a=1@0", "b=2@3", "c=1@4", "d=1@5"]);
  expect(await markersOf(world)).toEqual([6]);
});

test("the transaction index names aborted transactions only while batches of them are left", async () => {
  const world = new CleanerWorld();
  await world.addSegment([keyed(0, "a=1 a=2"), keyed(2, "b=1", { producerId: A }), marker(3, "abort", A)]);
  const [before] = world.segments;
  const entries = decodeTransactionIndex(await world.read(defined(before), "txnindex"), 0);
  expect(entries).toEqual([{ producerId: A, firstOffset: 2, lastOffset: 3, lastStableOffset: 4 }]);
  await world.run();
  expect(world.segments).toMatchObject([{ txnIndexByteLength: 0, nextOffset: 4 }]);
});

test("the end of a log of which nothing but an aborted transaction was there is kept by an empty batch of no producer", async () => {
  const world = new CleanerWorld({ settings: { deleteRetentionMs: 0 } });
  await world.addSegment([keyed(0, "a=1", { producerId: A }), marker(1, "abort", A)]);
  await world.run();
  for (let round = 0; round < 3; round++) await cleanAgain(world, "z");
  expect(await world.records()).toEqual(["z=1@4"]);
  expect(await world.batches()).toHaveLength(1);
});

test("an aborted transaction of segments that are clean is not taken for its producer's next one: what was deleted stays so", async () => {
  const world = new CleanerWorld({ settings: { deleteRetentionMs: HOUR_MS, segmentBytes: 1 } });
  await world.addSegment([keyed(0, "k=old"), keyed(1, "z=1", { producerId: A })]);
  await world.addSegment([marker(2, "abort", A), keyed(3, "x=1")]);
  await world.run();
  await world.addSegment([keyed(4, "k=", { producerId: A }), marker(5, "commit", A)]);
  await world.run();
  expect(await world.records()).toEqual(["x=1@3", "k=null@4"]);
  await world.world.clock.advance(2 * HOUR_MS);
  await cleanAgain(world, "y");
  await cleanAgain(world, "w");
  expect(await world.records()).toEqual(["x=1@3", "y=1@6", "w=1@7"]);
});

test("keys of a batch for which the map has no room do not count: it may be aborted yet", async () => {
  const world = new CleanerWorld({ keysMax: 3 });
  await world.addSegment([keyed(0, "k=1"), keyed(1, "x=1 y=1"), keyed(3, "k=2 new=1", { producerId: A })]);
  await world.run();
  expect(await world.records()).toEqual(["k=1@0", "x=1@1", "y=1@2", "k=2@3", "new=1@4"]);
  await world.addSegment([marker(5, "abort", A)]);
  while ((await world.run()) > 0);
  expect(await world.records()).toEqual(["k=1@0", "x=1@1", "y=1@2"]);
});

test("a pass that ends within a transaction comes to its end in another process too", async () => {
  let callsLeft = Number.POSITIVE_INFINITY;
  let stop = new AbortController();
  const world = new CleanerWorld({
    limits: { checkpointBytes: 1, dirtyBytesMax: 1 },
    settings: { segmentBytes: 1 },
    storeFaults: () => {
      if (--callsLeft < 0) stop.abort(new Error("stopped"));
      return undefined;
    },
  });
  await world.addSegment([keyed(0, "a=1 b=1")]);
  await world.addSegment([keyed(2, "c=1 d=1")]);
  while ((await world.run()) > 0);
  await world.addSegment([keyed(4, "a=2", { producerId: A }), keyed(5, "c=2")]);
  await world.addSegment([marker(6, "commit", A), keyed(7, "e=1")]);
  for (let calls = 1; world.partition().cleaning === undefined && calls < 60; calls++) {
    stop = new AbortController();
    callsLeft = calls;
    await world.world.run(
      world
        .newCleaner()
        .runOnce({ isForced: true, signal: stop.signal })
        .catch(() => 0),
    );
    callsLeft = Number.POSITIVE_INFINITY;
  }
  expect(world.partition().cleaning).toEqual({ cleanedUntil: 2, endOffset: 5 });
  while ((await world.world.run(world.newCleaner().runOnce({ isForced: true, signal: NEVER }))) > 0);
  expect(world.segments.every(({ isCleaned }) => isCleaned)).toBe(true);
  expect(await world.records()).toEqual(["b=1@1", "d=1@3", "a=2@4", "c=2@5", "e=1@7"]);
});
