import { beforeEach, expect, test } from "vitest";
import type { LogSegment } from "#lib/log/log-state.ts";
import { segmentKey } from "#lib/log/segments.ts";
import type { SegmentSuffix } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { COPIES_IN_DOUBT_MS, LATE_COPY_MS_MAX, REPLICATION_TICK_MS } from "#lib/util/limits.ts";
import { compactByHand, gatherByHand } from "./compact-by-hand.ts";
import { LAG_MS, type ReplicaProcess, type ReplicaWorld, replicatedTopic, startLed } from "./replica-world.ts";

const topic = replicatedTopic(1);
const never = new AbortController().signal;
const SOON_MS = 5 * REPLICATION_TICK_MS;

let world: ReplicaWorld;
let leader: ReplicaProcess;

beforeEach(async () => {
  ({ world, leader } = await startLed(topic));
  // More than an index entry's interval, so that the offset index is not empty.
  for (let n = 0; n < 3; n++) await leader.append(topic, `${n}`.repeat(5_000));
  await leader.settle();
});

const compact = (...copies: StoreId[]) => compactByHand(world, { journal: leader.journal(), topic, copies });

function bytesAt(id: StoreId, segment: LogSegment, suffix: SegmentSuffix): Uint8Array | undefined {
  return world.service(id).objects.get(segmentKey(segment, suffix))?.bytes;
}

function noteLost(segment: LogSegment, suffix: SegmentSuffix, storeId: StoreId, kind: "missing" | "damaged"): void {
  const key = segmentKey(segment, suffix);
  const byteLength = { log: segment.byteLength, index: segment.indexByteLength, timeindex: 12, txnindex: 34 }[suffix];
  leader.tracker.noteLost({ object: { key, byteLength, copies: segment.copies }, storeId, kind, problem: "test" });
}

test("a store that a new segment's record does not name gets all files of it", async () => {
  await compact(0, 1);
  expect(world.segmentKeys(2)).toEqual([]);
  await world.clock.advance(LATE_COPY_MS_MAX + SOON_MS);
  expect(world.segmentKeys(0).length).toBe(3);
  expect(world.segmentKeys(2)).toEqual(world.segmentKeys(0));
  expect(leader.owed(2)).toBe(0);
});

test("files without a byte are brought as well", async () => {
  const other = replicatedTopic(2);
  await leader.append(other, "small");
  await leader.settle();
  const segment = await compactByHand(world, { journal: leader.journal(), topic: other, copies: [0, 1] });
  expect(segment.indexByteLength).toBe(0);
  await world.clock.advance(LATE_COPY_MS_MAX + SOON_MS);
  expect(bytesAt(2, segment, "index")).toEqual(new Uint8Array(0));
});

test("a store that lags with segments leaves the ISR, and comes back when it has them", async () => {
  leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined));
  await compact(0, 1);
  await world.clock.advance(LAG_MS + LATE_COPY_MS_MAX + SOON_MS);
  expect(leader.isr()).toEqual([0, 1]);
  leader.faults.clear();
  await world.clock.advance(60_000);
  expect(leader.isr()).toEqual([0, 1, 2]);
  expect(world.segmentKeys(2)).toEqual(world.segmentKeys(0));
});

test("a store that comes back empty gets segments, and not what they were made of", async () => {
  await compact(0, 1, 2);
  const replaced = world.keys(0);
  world.service(2).isDown = true;
  await leader.appendFor(topic, 10_000);
  world.empty(2);
  world.service(2).isDown = false;
  await world.clock.advance(10_000);
  expect(leader.isr()).toEqual([0, 1, 2]);
  expect(world.segmentKeys(2)).toEqual(world.segmentKeys(0));
  const newKeys = world.keys(0).filter((key) => !replaced.includes(key));
  expect(newKeys.length).toBeGreaterThan(5);
  expect(world.keys(2)).toEqual(newKeys);
});

test("a store that was away and has its segments still is seen to have them: none is read again", async () => {
  const segment = await compact(0, 1, 2);
  world.service(2).isDown = true;
  await leader.appendFor(topic, 10_000);
  leader.calls.length = 0;
  world.service(2).isDown = false;
  await world.clock.advance(10_000);
  expect(leader.isr()).toEqual([0, 1, 2]);
  expect(leader.calls.filter(({ key }) => key?.startsWith(segment.directory))).toEqual([]);
});

test("an object that is replaced before its copy is due is owed no more", async () => {
  leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined));
  await leader.append(topic, "late");
  await leader.settle();
  leader.faults.clear();
  await compact(0, 1, 2);
  leader.calls.length = 0;
  await world.clock.advance(LATE_COPY_MS_MAX + SOON_MS);
  expect(world.keys(2).length).toBe(world.keys(0).length - 1);
  expect(leader.owed(2)).toBe(0);
  const asked = leader.calls.filter(({ key }) => key?.startsWith("wal/") && key !== "wal/");
  expect(asked).toEqual([]);
});

test("an object that entries were gathered in is brought, and what they lay in before is owed no more", async () => {
  leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined));
  await leader.append(topic, "late");
  await leader.settle();
  leader.faults.clear();
  const scattered = world.keys(0).filter((key) => !world.keys(2).includes(key));
  const gathered = await gatherByHand(world, { journal: leader.journal(), topic, copies: [0, 1] });
  await world.clock.advance(LATE_COPY_MS_MAX + SOON_MS);
  expect(world.keys(2)).toContain(gathered);
  for (const key of scattered) expect(world.keys(2)).not.toContain(key);
  expect(leader.owed(2)).toBe(0);
});

test("an index that no store has is made again from the log, byte for byte, and put everywhere", async () => {
  const segment = await compact(0, 1, 2);
  expect(segment.indexByteLength).toBeGreaterThan(0);
  const before = defined(bytesAt(0, segment, "index")).slice();
  for (const id of [0, 1, 2]) world.service(id).delete(segmentKey(segment, "index"));
  noteLost(segment, "index", 1, "missing");
  await world.clock.advance(SOON_MS);
  for (const id of [0, 1, 2]) expect(bytesAt(id, segment, "index")).toEqual(before);
});

test("a log that is damaged is written anew from a copy whose checksums hold", async () => {
  const segment = await compact(0, 1, 2);
  const good = defined(bytesAt(2, segment, "log")).slice();
  world.service(0).damage(segmentKey(segment, "log"), 6_000);
  world.service(1).damage(segmentKey(segment, "log"), 100);
  noteLost(segment, "log", 1, "damaged");
  await world.clock.advance(SOON_MS);
  for (const id of [0, 1, 2]) expect(bytesAt(id, segment, "log")).toEqual(good);
});

test("a log that no store has is told once, and holds no store back", async () => {
  const segment = await compact(0, 1, 2);
  for (const id of [0, 1, 2]) world.service(id).delete(segmentKey(segment, "log"));
  noteLost(segment, "log", 1, "missing");
  await world.clock.advance(LAG_MS + SOON_MS);
  expect(leader.isr()).toEqual([0, 1, 2]);
  const told = leader.log.filter(({ message }) => message.startsWith("no store has"));
  expect(told).toMatchObject([{ fields: { key: segmentKey(segment, "log") } }]);
});

test("a process on a schedule looks for the copies of a young segment, and for those of an old one no more", async () => {
  leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined));
  await compact(0, 1);
  leader.stopping.abort();
  const scheduled = await world.start(8, { isOnDemand: true });
  await world.clock.run(scheduled.replication.runOnce(never));
  expect(world.segmentKeys(2)).toEqual(world.segmentKeys(0));
  await world.clock.advance(COPIES_IN_DOUBT_MS + 60_000);
  const later = await world.start(9, { isOnDemand: true });
  await world.clock.run(later.replication.runOnce(never));
  expect(later.calls).toEqual([]);
});

test("who asks for a look at everything gets what somebody has removed long after it was written", async () => {
  const segment = await compact(0, 1, 2);
  leader.stopping.abort();
  await world.clock.advance(COPIES_IN_DOUBT_MS + 60_000);
  world.service(2).delete(segmentKey(segment, "log"));
  const byHand = await world.start(8, { isOnDemand: true });
  await world.clock.run(byHand.replication.runOnce(never));
  expect(world.segmentKeys(2)).not.toEqual(world.segmentKeys(0));
  byHand.replication.listAll();
  await world.clock.run(byHand.replication.runOnce(never));
  expect(world.segmentKeys(2)).toEqual(world.segmentKeys(0));
});
