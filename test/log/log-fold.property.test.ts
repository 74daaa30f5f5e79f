import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchCursor } from "#lib/log/entry-index.ts";
import type { AppendBatch, LogCommand } from "#lib/log/log-command.ts";
import type { LogSegment, LogState, PartitionState } from "#lib/log/log-state.ts";
import { entryInput, isLost, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { PRODUCER_BATCHES_KEPT } from "#lib/util/limits.ts";
import {
  batchOf,
  encodedOutcome,
  encodedState,
  FoldedLog,
  flushIdOf,
  INLINE,
  open,
  recoded,
  reloaded,
  topicIdOf,
} from "./log-fixtures.ts";
import { directoryOf, segmentOf, walKeyOf } from "./segment-commands.ts";

// Random histories over few topics, partitions, producers and sequences, so that they collide all the time.

const topicIds = fc.integer({ min: 1, max: 3 }).map(topicIdOf);
const partitionIndexes = fc.integer({ min: 0, max: 2 });
const clusterSeqs = fc.integer({ min: 1, max: 6 });
const storeIds = fc.subarray([0, 1, 2]);
const flushes = fc.integer({ min: 1, max: 8 });
const epochs = fc.integer({ min: 1, max: 4 });

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
    flush: flushes,
    epoch: epochs,
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
  .map(({ flush, epoch, copies, parts }) => ({
    kind: "append",
    flushId: flushIdOf(flush),
    source: copies === null ? INLINE : { kind: "object", key: walKeyOf(flush, epoch), byteLength: 1_000_000, copies },
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
      key: fc.tuple(flushes, epochs).map(([flush, epoch]) => walKeyOf(flush, epoch)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retire" as const), floor: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("expire-producers" as const),
      topicId: topicIds,
      partitionIndex: partitionIndexes,
      idleSinceMs: fc.integer({ min: 0, max: 3_000_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("note-cleaning" as const),
      topicId: topicIds,
      partitionIndex: partitionIndexes,
      pass: fc.record({ cleanedUntil: fc.nat(10), endOffset: fc.nat(20) }),
    }),
  },
);

/** What a worker does with what it sees: inputs that were made up would hardly ever be there. */
const works = fc.record({
  kind: fc.constantFrom("replace" as const, "gather" as const, "lose" as const),
  partition: fc.nat(8),
  first: fc.nat(5),
  count: fc.integer({ min: 1, max: 4 }),
  outputs: fc.integer({ min: 1, max: 3 }),
  epoch: epochs,
  attempt: fc.integer({ min: 1, max: 1_000 }),
  copies: fc.oneof({ weight: 4, arbitrary: fc.constant([0, 1, 2]) }, fc.subarray([0, 1, 2], { minLength: 1 })),
  /** Offsets that the first input is said to have beyond its own. */
  lie: fc.constantFrom(0, 0, 0, 0, 1),
});
type Work = typeof works extends fc.Arbitrary<infer T> ? T : never;

function commandOf(work: Work, { partitions }: LogState): LogCommand {
  const all = [...partitions.values()].filter(({ segments, entries }) => segments.length + entries.length > 0);
  const partition = all[work.partition % Math.max(1, all.length)];
  if (partition === undefined) return { kind: "retire", floor: 0 };
  const { topicId, partitionIndex, segments, entries } = partition;
  const { count, attempt, epoch, copies } = work;
  const first = work.first % Math.max(1, segments.length + entries.length);
  if (work.kind === "lose") {
    const segment = segments[first];
    const key = segment === undefined ? walKeyOf(1) : segmentKey(segment, "log");
    return { kind: "declare-lost", topicId, partitionIndex, key };
  }
  if (work.kind === "gather") {
    const from = first % Math.max(1, entries.length);
    const inputs = entries.slice(from, from + count).map(entryInput);
    const part = { topicId, partitionIndex, inputs, position: 28 };
    const key = walKeyOf(attempt, epoch);
    return { kind: "gather", flushId: flushIdOf(attempt), key, byteLength: 1_000, copies, parts: [part] };
  }
  const held = [...segments.map(segmentInput), ...entries.map(entryInput)];
  const [head, ...others] = held.slice(first, first + count);
  const inputs = head === undefined ? [] : [{ ...head, nextOffset: head.nextOffset + work.lie }, ...others];
  const outputs = cutSegments(work, inputs[0]?.baseOffset ?? 0, inputs.at(-1)?.nextOffset ?? 0);
  return { kind: "replace", topicId, partitionIndex, inputs, segments: outputs };
}

function cutSegments({ outputs, attempt, epoch, copies }: Work, from: number, to: number): readonly LogSegment[] {
  const size = Math.max(1, Math.ceil((to - from) / outputs));
  const segments: LogSegment[] = [];
  for (let base = from; base < to; base += size) {
    segments.push(segmentOf(base, Math.min(to, base + size), { directory: directoryOf(attempt, epoch), copies }));
  }
  return segments;
}

interface Step {
  readonly command: LogCommand | Work;
  readonly elapsedMs: number;
  readonly reload: boolean;
}

const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    command: fc.oneof({ weight: 2, arbitrary: commands }, { weight: 1, arbitrary: works }),
    elapsedMs: fc.oneof(fc.nat(1_000), fc.integer({ min: -400_000, max: 400_000 })),
    reload: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
  }),
  { minLength: 1, maxLength: 60, size: "max" },
);

/** Replicas, and one topic that is open, so that histories come to something soon. */
function begunLog(): FoldedLog {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [0, 1, 2] });
  log.fold(open([0, 1]));
  return log;
}

function resolved(command: LogCommand | Work, log: FoldedLog): LogCommand {
  return "attempt" in command ? commandOf(command, log.state) : command;
}

function checkPartition(partition: PartitionState): void {
  const { logStartOffset, logEndOffset, segments, entries, producers } = partition;
  expect(logStartOffset).toBeLessThanOrEqual(logEndOffset);
  let nextOffset = segments[0]?.baseOffset ?? entries[0]?.baseOffset ?? logEndOffset;
  // The log start lies in the first segment, in the first entry, or at the end of an empty log.
  expect(nextOffset).toBeLessThanOrEqual(logStartOffset);
  for (const segment of segments) {
    expect(segment.baseOffset).toBe(nextOffset);
    expect(segment.nextOffset).toBeGreaterThan(Math.max(segment.baseOffset, logStartOffset));
    expect(isLost(segment)).toBe(segment.directory === "");
    nextOffset = segment.nextOffset;
  }
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
      const log = begunLog();
      const ends = new Map<string, number>();
      for (const { command, elapsedMs } of steps) {
        log.nowMs += elapsedMs;
        checkOffsets(log, resolved(command, log), ends);
        for (const partition of log.state.partitions.values()) checkPartition(partition);
      }
    }),
    { numRuns: 300, seed: 20 },
  );
});

test("a state read back from its snapshot folds on alike and encodes to the same bytes", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const straight = begunLog();
      const resumed = begunLog();
      for (const { command, elapsedMs, reload } of steps) {
        straight.nowMs += elapsedMs;
        resumed.nowMs += elapsedMs;
        if (reload) resumed.state = reloaded(resumed.state);
        const one = resolved(command, straight);
        expect(encodedOutcome(resumed.fold(recoded(one)))).toEqual(encodedOutcome(straight.fold(one)));
      }
      const bytes = encodedState(straight.state);
      expect(encodedState(resumed.state)).toEqual(bytes);
      expect(encodedState(reloaded(straight.state))).toEqual(bytes);
    }),
    { numRuns: 300, seed: 21 },
  );
});
