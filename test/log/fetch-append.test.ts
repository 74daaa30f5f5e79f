import { expect, test } from "vitest";
import type { PartitionAppend } from "#lib/log/log-api.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { joined, servedBatch, storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, topicOf } from "./fetch-harness.ts";

const PARTITIONS = [0, 1, 2, 3];

test.each([
  ["inlined", 8_192],
  ["in objects", 0],
])("consumers at the tail see every append as it is committed, flushes %s", async (_how, inlineBytesMax) => {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ journalPollMs: 0, tailCacheBytes: 10_000_000 });
  const appender = process.appendPath({ inlineBytesMax });
  const random = new SeededRandom(7);
  const written = new Map(PARTITIONS.map((partition): [number, Uint8Array[]] => [partition, []]));
  const read = new Map(PARTITIONS.map((partition): [number, Uint8Array[]] => [partition, []]));
  const positions = new Map(PARTITIONS.map((partition) => [partition, 0]));
  const total = 200;
  let seen = 0;
  const follow = async () => {
    while (seen < total) {
      const requests = PARTITIONS.map((partitionIndex) => ({
        topic,
        partitionIndex,
        fetchOffset: positions.get(partitionIndex) ?? 0,
        bytesMax: 1_000_000,
      }));
      for (const [partition, answer] of (await process.fetch(requests, { waitMsMax: 10_000 })).entries()) {
        expect(answer.error).toBe(ErrorCode.NONE);
        const { batches } = splitBatches(joined(answer.records));
        for (const batch of batches) {
          positions.set(partition, readBatchHeader(batch).baseOffset + 1);
          read.get(partition)?.push(batch);
          seen++;
        }
      }
    }
  };
  const produce = async () => {
    for (let count = 0; count < total / 4; count++) {
      const appends: PartitionAppend[] = Array.from({ length: 4 }, () => {
        const bytes = storedBatch({ valueBytes: random.below(4_000) });
        return { topic, partitionIndex: random.below(4), header: readBatchHeader(bytes), bytes };
      });
      const answers = await appender.append(appends, {
        signal: new AbortController().signal,
        requireMinInsync: true,
      });
      for (const [index, answer] of answers.entries()) {
        const { partitionIndex, bytes } = defined(appends[index]);
        if (answer.kind !== "appended") throw new Error(`append was ${answer.kind}`);
        written.get(partitionIndex)?.push(servedBatch(bytes, answer.baseOffset));
      }
    }
  };
  // The clock stands still: only commits wake anybody.
  await Promise.all([follow(), produce()]);
  for (const partition of PARTITIONS) {
    expect(Buffer.compare(joined(read.get(partition) ?? []), joined(written.get(partition) ?? []))).toBe(0);
  }
  expect(process.storeReads).toEqual([]);
});
