import { describe, expect, test } from "vitest";
import { planFetch } from "#lib/log/entry-index.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { scanRecords } from "#lib/record/record-reader.ts";
import { defined } from "#lib/util/assert.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, NEVER, topicOf } from "./fetch-harness.ts";
import {
  batchOf,
  encodedState,
  INLINE,
  objectSource,
  open,
  openedLog,
  produced,
  reloaded,
  TOPIC,
} from "./log-fixtures.ts";

function lose(n: number, partitionIndex = 0): LogCommand {
  return { kind: "declare-lost", topicId: TOPIC, partitionIndex, key: objectKey(`wal/${n}`) };
}

describe("in the fold", () => {
  const offsets = (count: number, maxTimestampMs = 1_000) => batchOf({ offsetCount: count, maxTimestampMs });

  test("an object's entries of one partition are lost, and offsets and timestamps stay", () => {
    const log = openedLog();
    log.append([offsets(3, 5_000), offsets(2)], { source: objectSource(1) });
    log.append([offsets(4)], { source: objectSource(2) });
    expect(log.fold(lose(1))).toEqual({ kind: "done" });
    const { entries, logEndOffset, maxTimestampMs } = log.partition();
    expect(entries.map(({ place, baseOffset, nextOffset }) => [place.kind, baseOffset, nextOffset])).toEqual([
      ["lost", 0, 5],
      ["object", 5, 9],
    ]);
    expect(entries[0]).toMatchObject({ position: 0, byteLength: 61, maxTimestampMs: 5_000 });
    expect({ logEndOffset, maxTimestampMs }).toEqual({ logEndOffset: 9, maxTimestampMs: 5_000 });
  });

  test("losses next to each other are one", () => {
    const log = openedLog();
    for (let n = 1; n <= 5; n++) log.append([offsets(n, n)], { source: objectSource(n) });
    for (const n of [2, 4, 3]) log.fold(lose(n));
    expect(log.partition().entries.map(({ place, nextOffset }) => [place.kind, nextOffset])).toEqual([
      ["object", 1],
      ["lost", 10],
      ["object", 15],
    ]);
    expect(log.partition().entries[1]).toMatchObject({ byteLength: 61, maxTimestampMs: 4 });
  });

  test("a loss longer than a batch can be has several", () => {
    const log = openedLog();
    for (let count = 0; count < 3; count++) log.append([offsets(2 ** 31 - 1)], { source: objectSource(1) });
    log.fold(lose(1));
    const [entry, ...others] = log.partition().entries;
    expect([entry?.byteLength, others.length]).toEqual([3 * 61, 0]);
  });

  test("other partitions of the object, other objects and inlined batches stay", () => {
    const log = openedLog();
    log.fold(open([1]));
    for (const partitionIndex of [0, 1]) log.append([offsets(1)], { source: objectSource(1), partitionIndex });
    log.append([offsets(1)], { source: INLINE });
    const before = encodedState(log.state);
    expect(log.fold(lose(7))).toEqual({ kind: "done" });
    expect(encodedState(log.state)).toEqual(before);
    log.fold(lose(1));
    expect(log.partition(0).entries.map((entry) => entry.place.kind)).toEqual(["lost", "inline"]);
    expect(log.partition(1).entries.map((entry) => entry.place.kind)).toEqual(["object"]);
  });

  test("an unknown partition loses nothing", () => {
    expect(openedLog().fold(lose(1, 5))).toEqual({
      kind: "refused",
      error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
  });

  test("producers are known as before", () => {
    const log = openedLog();
    log.append([produced(0)], { source: objectSource(1) });
    log.fold(lose(1));
    expect(log.append([produced(0), produced(1)]).map((one) => one.kind)).toEqual(["duplicate", "appended"]);
  });

  test("inlined records before and after a loss are still needed", () => {
    const log = openedLog();
    log.append([offsets(1)], { source: objectSource(1) });
    log.append([offsets(1)], { source: INLINE });
    const { seq } = log;
    log.fold(lose(1));
    expect(logStateMachine.oldestNeededSeq(log.state)).toBe(seq);
  });

  test("a snapshot keeps a loss, in version 2, and forgets its object", () => {
    const log = openedLog();
    log.append([offsets(2)], { source: objectSource(1) });
    log.append([offsets(1)], { source: INLINE });
    expect(encodedState(log.state)[0]).toBe(1);
    log.fold(lose(1));
    const bytes = encodedState(log.state);
    expect(bytes[0]).toBe(2);
    expect(Buffer.from(bytes).includes("wal/1")).toBe(false);
    log.state = reloaded(log.state);
    expect(encodedState(log.state)).toEqual(bytes);
    expect(log.partition().entries.map((entry) => entry.place.kind)).toEqual(["lost", "inline"]);
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 2 });
    expect(encodedState(log.state)[0]).toBe(1);
  });

  test("the log start may lie within a loss", () => {
    const log = openedLog();
    log.append([offsets(5)], { source: objectSource(1) });
    log.fold(lose(1));
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 3 });
    expect(log.partition()).toMatchObject({ logStartOffset: 3, logEndOffset: 5 });
    expect(log.partition().entries).toHaveLength(1);
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 5 });
    expect(log.partition().entries).toHaveLength(0);
  });

  test("a fetch walks a loss with the batches around it", () => {
    const log = openedLog();
    for (let n = 1; n <= 3; n++) log.append([offsets(2)], { source: objectSource(n) });
    log.fold(lose(2));
    const limits = { endOffset: 6, bytesMax: 1_000, atLeastOneBatch: true };
    const plan = planFetch(log.partition().entries, 0, limits);
    expect(plan.map(({ baseOffset, byteLength }) => [baseOffset, byteLength])).toEqual([
      [0, 100],
      [2, 61],
      [4, 100],
    ]);
  });
});

/** Three flushes of two records each, at 1000 and 1001, of which the middle one is lost from all stores. */
async function bereaved() {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  const batches = [0, 1, 2].map((n) => storedBatch({ recordCount: 2, valueBytes: 10 + n }));
  const keys: ObjectKey[] = [];
  for (const batch of batches) {
    const parts = [{ topic, partitionIndex: 0, batches: [batch] }];
    keys.push(await world.run(writer.append(parts, { cache: false })));
  }
  for (const service of world.storeServices) service.objects.delete(defined(keys[1]));
  const reader = world.process({ journalPollMs: 0 });
  const declare = (flush = 1) => {
    const command = {
      kind: "declare-lost",
      topicId: topic.topicId,
      partitionIndex: 0,
      key: defined(keys[flush]),
    } as const;
    return world.run(writer.propose(topic, 0, command));
  };
  return { world, topic, writer, reader, batches, declare };
}

describe("to readers", () => {
  test("what is lost is an error until somebody declares it lost, and then an empty batch", async () => {
    const { world, topic, reader, batches, declare } = await bereaved();
    const before = await reader.fetchOne(topic, 0, 0);
    expect(joined(before.records)).toEqual(joined([servedBatch(defined(batches[0]), 0)]));
    expect((await reader.fetchOne(topic, 0, 2)).error).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    await declare();
    const answer = await world.process().fetchOne(topic, 0, 0);
    expect(answer).toMatchObject({ error: ErrorCode.NONE, highWatermark: 6, logStartOffset: 0 });
    const [first, lost, last] = splitBatches(joined(answer.records)).batches;
    expect(first).toEqual(servedBatch(defined(batches[0]), 0));
    expect(last).toEqual(servedBatch(defined(batches[2]), 4));
    const empty = defined(lost);
    const header = readBatchHeader(empty);
    expect(header).toMatchObject({
      baseOffset: 2,
      lastOffsetDelta: 1,
      sizeBytes: 61,
      magic: 2,
      attributes: 0,
      baseTimestamp: -1,
      maxTimestamp: 1_001,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      recordCount: 0,
      partitionLeaderEpoch: 0,
    });
    expect(header.crc).toBe(sumBatch(empty));
    expect([...scanRecords(empty)]).toEqual([]);
  });

  test("a fetch from within a loss begins with its batch, and one before it ends there if no more fits", async () => {
    const { topic, reader, batches, declare } = await bereaved();
    await declare();
    const within = splitBatches(joined((await reader.fetchOne(topic, 0, 3)).records)).batches;
    expect(within.map((batch) => readBatchHeader(batch).baseOffset)).toEqual([2, 4]);
    const bytesMax = defined(batches[0]).byteLength + 60;
    const [short] = await reader.world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset: 0, bytesMax }], {}));
    expect(short?.recordsByteLength).toBe(batches[0]?.byteLength);
  });

  test("somebody who waits at a loss is woken by what comes after it", async () => {
    const { world, topic, writer, declare } = await bereaved();
    await declare();
    const waiting = writer.fetch([{ topic, partitionIndex: 0, fetchOffset: 6, bytesMax: 1_000 }], {
      waitMsMax: 10_000,
    });
    await world.run(writer.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]));
    expect((await world.run(waiting))[0]?.highWatermark).toBe(7);
  });

  test("a loss at the end of the log is told when the wait is over, and with records behind it at once", async () => {
    const { world, topic, reader, declare, writer } = await bereaved();
    await declare(2);
    const fetched = async () => {
      const beginMs = world.clock.monotonicMs();
      const answer = await reader.fetchOne(topic, 0, 4, { waitMsMax: 500 });
      return [world.clock.monotonicMs() - beginMs, answer.recordsByteLength];
    };
    expect(await fetched()).toEqual([500, 61]);
    const behind = storedBatch();
    await world.run(writer.append([{ topic, partitionIndex: 0, batches: [behind] }]));
    await world.run(reader.journals.opened(0)?.catchUp(NEVER) ?? expect.fail());
    expect(await fetched()).toEqual([0, 61 + behind.byteLength]);
  });

  test("offsets by time pass over a loss", async () => {
    const { topic, reader, declare, world, writer } = await bereaved();
    await declare();
    const atTime = (timestampMs: number) => reader.offsetOf(topic, 0, { kind: "at-time", timestampMs });
    expect(await atTime(1_001)).toMatchObject({ offset: 1, timestampMs: 1_001 });
    expect(await reader.offsetOf(topic, 0, { kind: "max-timestamp" })).toMatchObject({ offset: 1 });
    expect(await reader.offsetOf(topic, 0, { kind: "latest", readCommitted: false })).toMatchObject({ offset: 6 });
    const advance = {
      kind: "advance-log-start",
      topicId: topic.topicId,
      partitionIndex: 0,
      logStartOffset: 3,
    } as const;
    await world.run(writer.propose(topic, 0, advance));
    expect(await reader.offsetOf(topic, 0, { kind: "max-timestamp" })).toMatchObject({ offset: 5, timestampMs: 1_001 });
    expect(await atTime(1_000)).toMatchObject({ offset: 4, timestampMs: 1_000 });
    expect(await reader.offsetOf(topic, 0, { kind: "earliest" })).toMatchObject({ offset: 3 });
  });

  test("a log of nothing but losses has no record by time", async () => {
    const { topic, reader, declare } = await bereaved();
    for (const flush of [0, 2, 1]) await declare(flush);
    const nothing = { error: ErrorCode.NONE, offset: -1, timestampMs: -1 };
    expect(await reader.offsetOf(topic, 0, { kind: "at-time", timestampMs: 0 })).toEqual(nothing);
    expect(await reader.offsetOf(topic, 0, { kind: "max-timestamp" })).toEqual(nothing);
    expect((await reader.fetchOne(topic, 0, 0)).recordsByteLength).toBe(61);
  });
});
