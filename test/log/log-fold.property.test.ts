import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchCursor } from "#lib/log/entry-index.ts";
import type { AppendBatch, LogCommand } from "#lib/log/log-command.ts";
import type { PartitionState } from "#lib/log/log-state.ts";
import { objectKey } from "#lib/util/branded.ts";
import { PRODUCER_BATCHES_KEPT } from "#lib/util/limits.ts";
import {
  batchOf,
  encodedOutcome,
  encodedState,
  FoldedLog,
  flushIdOf,
  INLINE,
  objectSource,
  recoded,
  reloaded,
  topicIdOf,
} from "./log-fixtures.ts";

// Random histories over few topics, partitions, producers and sequences, so that they collide all the time.

const topicIds = fc.integer({ min: 1, max: 3 }).map(topicIdOf);
const partitionIndexes = fc.integer({ min: 0, max: 2 });
const clusterSeqs = fc.integer({ min: 1, max: 6 });
const storeIds = fc.subarray([0, 1, 2]);

const batches: fc.Arbitrary<AppendBatch> = fc
  .record({
    byteLength: fc.integer({ min: 61, max: 300 }),
    offsetCount: fc.integer({ min: 1, max: 3 }),
    maxTimestampMs: fc.integer({ min: -1, max: 2_000_000_000_000 }),
    producerId: fc.integer({ min: -1, max: 2 }),
    producerEpoch: fc.integer({ min: 0, max: 1 }),
    baseSequence: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(0x7fff_fffe)),
    isTransactional: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    requireMinInsync: fc.boolean(),
  })
  .map((one) => batchOf(one.producerId >= 0 ? one : { ...one, producerEpoch: -1, baseSequence: -1 }));

const appends: fc.Arbitrary<LogCommand> = fc
  .record({
    flush: fc.integer({ min: 1, max: 8 }),
    copies: fc.option(storeIds),
    parts: fc.array(
      fc.record({
        topicId: topicIds,
        partitionIndex: partitionIndexes,
        position: fc.nat(10_000),
        batches: fc.array(batches, { maxLength: 4 }),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ flush, copies, parts }) => ({
    kind: "append",
    flushId: flushIdOf(flush),
    source: copies === null ? INLINE : objectSource(flush, copies),
    parts,
  }));

const opens: fc.Arbitrary<LogCommand> = fc.record({
  kind: fc.constant("open" as const),
  topicId: topicIds,
  partitionIndexes: fc.constant([0, 1]),
  replicationFactor: fc.integer({ min: 1, max: 3 }),
  minInsyncReplicas: fc.integer({ min: 1, max: 2 }),
  clusterSeq: clusterSeqs,
});

const commands: fc.Arbitrary<LogCommand> = fc.oneof(
  { weight: 8, arbitrary: appends },
  { weight: 3, arbitrary: opens },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("drop" as const), topicId: topicIds, clusterSeq: clusterSeqs }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("advance-log-start" as const),
      topicId: topicIds,
      partitionIndex: partitionIndexes,
      logStartOffset: fc.nat(30),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("place-replicas" as const), replicas: storeIds }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("add-replicas" as const), replicas: storeIds }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("elect" as const),
      expectedEpoch: fc.nat(3),
      brokerId: fc.integer({ min: -1, max: 2 }),
      brokerEpoch: fc.nat(9),
      clusterSeq: clusterSeqs,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("alter-isr" as const), expectedIsrEpoch: fc.nat(3), isr: storeIds }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("declare-lost" as const),
      topicId: topicIds,
      partitionIndex: partitionIndexes,
      key: fc.integer({ min: 1, max: 8 }).map((flush) => objectKey(`wal/${flush}`)),
    }),
  },
);

interface Step {
  readonly command: LogCommand;
  readonly elapsedMs: number;
  readonly reload: boolean;
}

const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    command: commands,
    elapsedMs: fc.oneof(fc.nat(1_000), fc.integer({ min: -400_000, max: 400_000 })),
    reload: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
  }),
  { minLength: 1, maxLength: 60 },
);

function checkPartition(partition: PartitionState): void {
  const { logStartOffset, logEndOffset, entries, producers } = partition;
  expect(logStartOffset).toBeLessThanOrEqual(logEndOffset);
  let nextOffset = entries[0]?.baseOffset ?? logEndOffset;
  // The log start lies in the first entry, or at the end of an empty log.
  expect(nextOffset).toBeLessThanOrEqual(logStartOffset);
  for (const entry of entries) {
    expect(entry.baseOffset).toBe(nextOffset);
    expect(entry.nextOffset).toBeGreaterThan(Math.max(entry.baseOffset, logStartOffset));
    const cursor = BatchCursor.ofEntry(entry);
    let byteLength = 0;
    while (cursor.next()) byteLength += cursor.byteLength;
    expect({ byteLength, nextOffset: cursor.nextOffset }).toEqual({
      byteLength: entry.byteLength,
      nextOffset: entry.nextOffset,
    });
    nextOffset = entry.nextOffset;
  }
  expect(nextOffset).toBe(logEndOffset);
  for (const producer of producers.values()) {
    expect(producer.batches.length).toBeGreaterThan(0);
    expect(producer.batches.length).toBeLessThanOrEqual(PRODUCER_BATCHES_KEPT);
  }
}

/** Every batch that a flush appended got the offset where the log ended before it. */
function checkOffsets(log: FoldedLog, command: LogCommand, ends: Map<string, number>): void {
  const outcome = log.fold(command);
  if (command.kind === "drop") ends.clear();
  if (command.kind === "append" && outcome.kind === "appended") {
    for (const [at, part] of command.parts.entries()) {
      const name = `${part.topicId}:${part.partitionIndex}`;
      for (const [index, one] of (outcome.parts[at] ?? []).entries()) {
        if (one.kind !== "appended") continue;
        expect(one.baseOffset).toBe(ends.get(name) ?? 0);
        ends.set(name, one.baseOffset + (part.batches[index]?.offsetCount ?? 0));
      }
    }
  }
  for (const [key, partition] of log.state.partitions) ends.set(key, partition.logEndOffset);
}

test("offsets have no gaps and are given once, whatever comes", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const log = new FoldedLog();
      log.fold({ kind: "place-replicas", replicas: [0, 1, 2] });
      const ends = new Map<string, number>();
      for (const { command, elapsedMs } of steps) {
        log.nowMs += elapsedMs;
        checkOffsets(log, command, ends);
        for (const partition of log.state.partitions.values()) checkPartition(partition);
      }
    }),
    { numRuns: 300, seed: 20 },
  );
});

test("a state read back from its snapshot folds on alike and encodes to the same bytes", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const straight = new FoldedLog();
      const resumed = new FoldedLog();
      for (const { command, elapsedMs, reload } of steps) {
        straight.nowMs += elapsedMs;
        resumed.nowMs += elapsedMs;
        if (reload) resumed.state = reloaded(resumed.state);
        expect(encodedOutcome(resumed.fold(recoded(command)))).toEqual(encodedOutcome(straight.fold(command)));
      }
      const bytes = encodedState(straight.state);
      expect(encodedState(resumed.state)).toEqual(bytes);
      expect(encodedState(reloaded(straight.state))).toEqual(bytes);
    }),
    { numRuns: 300, seed: 21 },
  );
});
