import { describe, expect, test } from "vitest";
import { retainedFrom } from "#lib/housekeeping/retention/retained-from.ts";
import type { LogSegment, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { TOPIC } from "../../log/log-fixtures.ts";

const NOW_MS = 100_000;
const NO_LIMITS = { retentionMs: -1, retentionBytes: -1 };

interface UnitFacts {
  readonly maxTimestampMs?: number;
  readonly appendedAtMs?: number;
  readonly byteLength?: number;
}

/** Each segment and entry has ten offsets and 100 bytes. */
function partitionOf(
  segments: readonly UnitFacts[],
  entries: readonly UnitFacts[],
  logStartOffset = 0,
): PartitionState {
  const facts = (unit: UnitFacts, index: number) => ({
    ...{ baseOffset: 10 * index, nextOffset: 10 * index + 10 },
    ...{ byteLength: 100, maxTimestampMs: 0, appendedAtMs: 0, ...unit },
  });
  const files = { indexByteLength: 0, timeIndexByteLength: 0, txnIndexByteLength: 0, isCleaned: false, copies: [0] };
  const lost = { place: { kind: "lost" }, position: 0, batches: new Uint8Array(0) } as const;
  const segmentList: LogSegment[] = segments.map((unit, index) => ({
    ...facts(unit, index),
    ...files,
    directory: "d",
  }));
  const entryList: WriteAheadEntry[] = entries.map((unit, at) => ({ ...facts(unit, segments.length + at), ...lost }));
  return {
    ...{ topicId: TOPIC, partitionIndex: 0, replicationFactor: 1, minInsyncReplicas: 1, openedSeq: 1 },
    ...{ logStartOffset, logEndOffset: 10 * (segments.length + entries.length), maxTimestampMs: 0 },
    ...{ segments: segmentList, entries: entryList, producers: new Map() },
  };
}

describe("by time", () => {
  const limits = { ...NO_LIMITS, retentionMs: 1_000 };
  const old = { maxTimestampMs: NOW_MS - 1_001 };
  const young = { maxTimestampMs: NOW_MS - 1_000 };

  test("what is older than the limit goes, to the millisecond", () => {
    expect(retainedFrom(partitionOf([old, old], [old, young, young]), limits, NOW_MS)).toBe(30);
    expect(retainedFrom(partitionOf([], [old, young]), limits, NOW_MS)).toBe(10);
    expect(retainedFrom(partitionOf([young], [old]), limits, NOW_MS)).toBe(0);
  });

  test("all may go", () => {
    expect(retainedFrom(partitionOf([old], [old, old]), limits, NOW_MS)).toBe(30);
    expect(retainedFrom(partitionOf([old], []), limits, NOW_MS)).toBe(10);
  });

  test("a timestamp in the future holds what is behind it", () => {
    expect(retainedFrom(partitionOf([old, { maxTimestampMs: NOW_MS + 1 }, old], [old]), limits, NOW_MS)).toBe(10);
  });

  test("records without a timestamp count from when they were appended", () => {
    const unit = { maxTimestampMs: -1, appendedAtMs: NOW_MS - 1_001 };
    expect(retainedFrom(partitionOf([unit, { ...unit, appendedAtMs: NOW_MS }], []), limits, NOW_MS)).toBe(10);
  });

  test("a limit of 0 keeps the present moment only, -1 everything", () => {
    const now = { maxTimestampMs: NOW_MS };
    expect(retainedFrom(partitionOf([young], [now]), { ...NO_LIMITS, retentionMs: 0 }, NOW_MS)).toBe(10);
    expect(retainedFrom(partitionOf([old], [old]), NO_LIMITS, NOW_MS)).toBe(0);
  });
});

describe("by size", () => {
  const four = partitionOf([{}, {}], [{}, {}]);

  test("the oldest go while what remains is not below the limit", () => {
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 300 }, NOW_MS)).toBe(10);
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 301 }, NOW_MS)).toBe(0);
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 100 }, NOW_MS)).toBe(30);
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 99 }, NOW_MS)).toBe(30);
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 1_000 }, NOW_MS)).toBe(0);
    expect(retainedFrom(four, { ...NO_LIMITS, retentionBytes: 0 }, NOW_MS)).toBe(40);
  });

  test("one that is larger than the excess holds smaller ones behind it", () => {
    const partition = partitionOf([{ byteLength: 1_000 }, {}, {}], []);
    expect(retainedFrom(partition, { ...NO_LIMITS, retentionBytes: 500 }, NOW_MS)).toBe(0);
  });

  test("comes first: what it takes away holds nothing back by time", () => {
    const future = { maxTimestampMs: NOW_MS + 1 };
    const partition = partitionOf([future, {}], [{ maxTimestampMs: NOW_MS }]);
    expect(retainedFrom(partition, { retentionMs: 1_000, retentionBytes: 200 }, NOW_MS)).toBe(20);
  });
});

test("the log start never goes back, though the first segment begins below it", () => {
  const partition = partitionOf([{ maxTimestampMs: NOW_MS }], [], 7);
  expect(retainedFrom(partition, { ...NO_LIMITS, retentionMs: 1 }, NOW_MS)).toBe(7);
  expect(retainedFrom(partitionOf([], [], 0), { retentionMs: 0, retentionBytes: 0 }, NOW_MS)).toBe(0);
});
