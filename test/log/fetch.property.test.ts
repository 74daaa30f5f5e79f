import fc from "fast-check";
import { expect, test } from "vitest";
import { partitionKey } from "#lib/log/log-state.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { type AppendedBatches, FetchWorld, topicOf } from "./fetch-harness.ts";

const PARTITIONS = [0, 2];

const anyBatch = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 40, 1_990, 6_000));
const anyFlush = fc.record({
  inline: fc.boolean(),
  cache: fc.boolean(),
  parts: fc.array(fc.tuple(fc.constantFrom(...PARTITIONS), fc.array(anyBatch, { minLength: 1, maxLength: 3 })), {
    minLength: 1,
    maxLength: 3,
  }),
});
const anyLosses = fc.array(fc.tuple(fc.nat(5), fc.constantFrom(...PARTITIONS)), { maxLength: 4 });
const anyLimits = fc.record({
  partitionBytes: fc.integer({ min: 1, max: 20_000 }),
  bytesMax: fc.integer({ min: 1, max: 40_000 }),
  isCold: fc.boolean(),
});

/** Reads the partitions to their ends, as a consumer does: each fetch from where the one before ended. */
async function readAll(
  world: FetchWorld,
  topic: ReturnType<typeof topicOf>,
  limits: readonly { partitionBytes: number; bytesMax: number; isCold: boolean }[],
  writer: ReturnType<FetchWorld["process"]>,
) {
  const coldReader = world.process({ tailCacheBytes: 5_000 });
  const positions = new Map(PARTITIONS.map((partition) => [partition, 0]));
  const read = new Map<number, Uint8Array[]>(PARTITIONS.map((partition) => [partition, []]));
  let order = PARTITIONS;
  for (let count = 0, idle = 0; idle < 1; count++) {
    expect(count).toBeLessThan(200);
    const { partitionBytes, bytesMax, isCold } = defined(limits[count % limits.length]);
    const process = isCold ? coldReader : writer;
    const requests = order.map((partitionIndex) => ({
      topic,
      partitionIndex,
      fetchOffset: positions.get(partitionIndex) ?? 0,
      bytesMax: partitionBytes,
    }));
    const answers = await world.run(process.fetch(requests, { bytesMax }));
    let isFirst = true;
    let left = bytesMax;
    for (const [index, answer] of answers.entries()) {
      expect(answer.error).toBe(ErrorCode.NONE);
      const bytes = joined(answer.records);
      expect(bytes.byteLength).toBe(answer.recordsByteLength);
      const { batches, tailBytes } = splitBatches(bytes);
      expect(tailBytes).toBe(0);
      // At least one batch for the first that has any, else never beyond a limit.
      if (!isFirst || batches.length > 1) expect(bytes.byteLength).toBeLessThanOrEqual(Math.min(left, partitionBytes));
      if (batches.length > 0) isFirst = false;
      left = Math.max(0, left - bytes.byteLength);
      const partition = defined(order[index]);
      read.get(partition)?.push(bytes);
      for (const batch of batches) {
        const header = readBatchHeader(batch);
        expect(header.crc).toBe(sumBatch(batch));
        positions.set(partition, header.baseOffset + header.lastOffsetDelta + 1);
      }
    }
    if (isFirst) idle++;
    // Clients rotate, so that the one that came short comes first next time.
    order = [...order.slice(1), ...order.slice(0, 1)];
  }
  return read;
}

test("a reader gets every byte that was written, once and in order, whatever the limits and wherever the bytes are", async () => {
  const property = fc.asyncProperty(
    fc.array(anyFlush, { maxLength: 6 }),
    fc.array(anyLimits, { minLength: 1, maxLength: 4 }),
    async (flushes, limits) => {
      const world = new FetchWorld();
      const topic = world.addTopic(topicOf(1));
      const writer = world.process({ tailCacheBytes: 30_000 });
      const written = new Map<number, Uint8Array[]>(PARTITIONS.map((partition) => [partition, []]));
      const ends = new Map<number, number>();
      for (const { inline, cache, parts } of flushes) {
        const appended: AppendedBatches[] = [];
        for (const [partitionIndex, sizes] of parts) {
          const batches = sizes.map(([recordCount, valueBytes]) => storedBatch({ recordCount, valueBytes }));
          appended.push({ topic, partitionIndex, batches });
          for (const [index, batch] of batches.entries()) {
            const end = ends.get(partitionIndex) ?? 0;
            written.get(partitionIndex)?.push(servedBatch(batch, end));
            ends.set(partitionIndex, end + defined(sizes[index])[0]);
          }
        }
        await world.run(writer.append(appended, { inline, cache }));
      }
      const read = await readAll(world, topic, limits, writer);
      for (const partition of PARTITIONS) {
        const [got, expected] = [joined(read.get(partition) ?? []), joined(written.get(partition) ?? [])];
        expect(Buffer.compare(got, expected)).toBe(0);
      }
      expect(writer.tailCache.retainedBytes).toBeLessThanOrEqual(30_000);
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

/** Each offset that holds a record, with the batch that it comes in; every offset is in some batch. */
function offsetsOf(chunks: readonly Uint8Array[]): {
  readonly recordAt: ReadonlyMap<number, Buffer>;
  readonly end: number;
} {
  const recordAt = new Map<number, Buffer>();
  let end = 0;
  for (const batch of splitBatches(joined(chunks)).batches) {
    const { baseOffset, lastOffsetDelta, recordCount } = readBatchHeader(batch);
    expect(baseOffset).toBe(end);
    end = baseOffset + lastOffsetDelta + 1;
    if (recordCount === 0) continue;
    for (let offset = baseOffset; offset < end; offset++) recordAt.set(offset, Buffer.from(batch));
  }
  return { recordAt, end };
}

test("a reader gets everything but what is declared lost, and every offset, whatever the limits", async () => {
  const property = fc.asyncProperty(
    fc.array(anyFlush, { minLength: 1, maxLength: 6 }),
    anyLosses,
    fc.array(anyLimits, { minLength: 1, maxLength: 4 }),
    async (flushes, losses, limits) => {
      const world = new FetchWorld();
      const topic = world.addTopic(topicOf(1));
      const writer = world.process({ tailCacheBytes: 30_000 });
      const keys: ObjectKey[] = [];
      for (const { inline, cache, parts } of flushes) {
        const appended = parts.map(([partitionIndex, sizes]) => {
          const batches = sizes.map(([recordCount, valueBytes]) => storedBatch({ recordCount, valueBytes }));
          return { topic, partitionIndex, batches };
        });
        keys.push(await world.run(writer.append(appended, { inline, cache })));
      }
      const everything = await readAll(world, topic, limits, writer);
      const isLost = new Set<string>();
      for (const [flush, partitionIndex] of losses) {
        const key = defined(keys[flush % keys.length]);
        const entries = writer.journals
          .opened(0)
          ?.state.partitions.get(partitionKey(topic.topicId, partitionIndex))?.entries;
        for (const { place, baseOffset, nextOffset } of entries ?? []) {
          if (place.kind !== "object" || place.key !== key) continue;
          for (let offset = baseOffset; offset < nextOffset; offset++) isLost.add(`${partitionIndex}:${offset}`);
        }
        const { topicId } = topic;
        await world.run(writer.propose(topic, 0, { kind: "declare-lost", topicId, partitionIndex, key }));
      }
      const rest = await readAll(world, topic, limits, writer);
      for (const partition of PARTITIONS) {
        const before = offsetsOf(everything.get(partition) ?? []);
        const after = offsetsOf(rest.get(partition) ?? []);
        const expected = [...before.recordAt].filter(([offset]) => !isLost.has(`${partition}:${offset}`));
        expect([...after.recordAt]).toEqual(expected);
        expect(after.end).toBe(before.end);
      }
    },
  );
  await fc.assert(property, { numRuns: 40 });
});
