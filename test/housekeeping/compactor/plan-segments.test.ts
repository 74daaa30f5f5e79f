import { expect, test } from "vitest";
import {
  dueEntries,
  dueSegments,
  type SegmentSettings,
  segmentBytesMax,
} from "#lib/housekeeping/compactor/plan-segments.ts";
import {
  COMPACTION_BYTES_MIN,
  COMPACTION_ENTRIES_MIN,
  COMPACTION_INPUTS_MAX,
  KIB,
  MERGED_SEGMENTS_MIN,
  MIB,
  SEGMENT_BYTES_MAX,
} from "#lib/util/limits.ts";
import { DAY_MS, DEFAULTS, HOUR_MS, MINUTE_MS } from "./compactor-world.ts";
import { type EntryFields, entriesOf, NOW_MS, partitionOf, type SegmentFields, segmentsOf } from "./plan-fixtures.ts";

const FOR_EVER = { ...DEFAULTS, retentionMs: -1 };

/** How many entries become the next segment; 0 if none is due. */
function due(fields: readonly EntryFields[], settings: Partial<SegmentSettings> = {}, isForced = false): number {
  const partition = partitionOf({ entries: entriesOf(...fields) });
  return dueEntries(partition, { ...DEFAULTS, ...settings }, { nowMs: NOW_MS, isForced })?.length ?? 0;
}

/** Which segments become one, as `<first>-<last>`. */
function merged(
  fields: readonly SegmentFields[],
  settings: Partial<SegmentSettings> = {},
  isForced = false,
): string | undefined {
  const partition = partitionOf({ segments: segmentsOf(...fields) });
  const segments = dueSegments(partition, { ...FOR_EVER, ...settings }, { isForced });
  return segments && `${(segments[0]?.baseOffset ?? 0) / 10}-${(segments.at(-1)?.baseOffset ?? 0) / 10}`;
}

const times = <T>(count: number, value: T): readonly T[] => Array.from({ length: count }, () => value);

test("a few young entries are left alone", () => {
  expect(due([])).toBe(0);
  expect(due([{}, {}, {}])).toBe(0);
  expect(due(times(COMPACTION_ENTRIES_MIN, { byteLength: 100 }))).toBe(0);
  expect(due([{ byteLength: SEGMENT_BYTES_MAX - 1 }])).toBe(0);
  expect(due([{ byteLength: SEGMENT_BYTES_MAX }])).toBe(1);
});

test("entries that fill a segment are due, and not more of them than it holds", () => {
  expect(due(times(15, { byteLength: 8 * MIB, ageMs: 20_000 }))).toBe(0);
  expect(due(times(16, { byteLength: 8 * MIB, ageMs: 20_000 }))).toBe(16);
  expect(due(times(20, { byteLength: 8 * MIB, ageMs: 20_000 }))).toBe(16);
  expect(due(times(20, { byteLength: 8 * MIB, ageMs: 20_000 }), { segmentBytes: 20 * MIB })).toBe(2);
  expect(segmentBytesMax(DEFAULTS)).toBe(SEGMENT_BYTES_MAX);
});

test("entries from a clock that ran ahead are due at once, and do not hold back those behind them", () => {
  expect(due([{ ageMs: -9_000 * HOUR_MS }, { ageMs: HOUR_MS }])).toBe(2);
  expect(due([{ ageMs: DAY_MS }, { ageMs: -9_000 * HOUR_MS }, { ageMs: HOUR_MS }])).toBe(1);
  expect(due([{ ageMs: -MINUTE_MS }, { ageMs: DAY_MS }])).toBe(0);
});

test("one entry is due although it is larger than a segment, and is never split", () => {
  expect(due([{ byteLength: 5_000 }, { byteLength: 10 }], { segmentBytes: 1_000 })).toBe(1);
});

test("many entries are due once they hold enough, or after an hour", () => {
  const byteLength = COMPACTION_BYTES_MIN / COMPACTION_ENTRIES_MIN;
  expect(due(times(COMPACTION_ENTRIES_MIN - 1, { byteLength: byteLength + 100 }))).toBe(0);
  expect(due(times(COMPACTION_ENTRIES_MIN, { byteLength: byteLength - 1 }))).toBe(0);
  expect(due(times(COMPACTION_ENTRIES_MIN, { byteLength }))).toBe(COMPACTION_ENTRIES_MIN);
  expect(due([{ byteLength: 8 * MIB, ageMs: HOUR_MS - 1 }])).toBe(0);
  expect(due([{ byteLength: 8 * MIB, ageMs: HOUR_MS }])).toBe(1);
  expect(due([{ byteLength: 8 * MIB - 1, ageMs: HOUR_MS }])).toBe(0);
});

test("whatever there is becomes a segment after a day, or after segment.ms, or max.compaction.lag.ms where it is cleaned", () => {
  expect(due([{ ageMs: DAY_MS - 1 }])).toBe(0);
  expect(due([{ ageMs: DAY_MS }, { ageMs: 20_000 }])).toBe(2);
  expect(due([{ ageMs: 5 * MINUTE_MS }], { segmentMs: 5 * MINUTE_MS })).toBe(1);
  expect(due([{ ageMs: 5 * MINUTE_MS }], { maxCompactionLagMs: 5 * MINUTE_MS })).toBe(0);
  expect(due([{ ageMs: 5 * MINUTE_MS }], { maxCompactionLagMs: 5 * MINUTE_MS, isCompacted: true })).toBe(1);
});

test("a segment.ms or max.compaction.lag.ms below a minute counts as one, for the age and for what a segment spans", () => {
  const isCompacted = true;
  for (const settings of [{ segmentMs: 1 }, { maxCompactionLagMs: 1, isCompacted }]) {
    expect(due([{ ageMs: MINUTE_MS - 1 }], settings)).toBe(0);
    expect(due([{ ageMs: MINUTE_MS }, { ageMs: 50_000 }, { ageMs: 10_000 }], settings)).toBe(3);
  }
  expect(due([{ ageMs: 2 * MINUTE_MS }, { ageMs: MINUTE_MS }, { ageMs: MINUTE_MS - 1 }], { segmentMs: 1 })).toBe(2);
  const minutely = Array.from({ length: 9 }, (_, index) => ({ ageMs: (9 - index) * 7_500 }));
  expect(merged(minutely, { segmentMs: 1, isCompacted, isDeleted: false })).toBe("0-8");
});

test("what readers of the tail may still want is left, unless the run is forced", () => {
  expect(due([{ ageMs: 2 * DAY_MS }, { ageMs: 10_000 }, { ageMs: 9_999 }])).toBe(2);
  expect(due([{ ageMs: 9_999, byteLength: SEGMENT_BYTES_MAX }])).toBe(0);
  expect(due([{ ageMs: 0 }, { ageMs: -5_000 }], {}, true)).toBe(2);
});

test("a segment ends where a command has enough inputs, or where its indexes can name no later offset", () => {
  expect(due(times(COMPACTION_INPUTS_MAX + 9, { ageMs: 2 * DAY_MS }))).toBe(COMPACTION_INPUTS_MAX);
  expect(due([{}, { offsetCount: 0x8000_0000 - 10 }, {}], {}, true)).toBe(2);
  expect(due([{}, { offsetCount: 0x8000_0000 - 9 }, {}], {}, true)).toBe(1);
  expect(due([{ offsetCount: 0x8000_0001 }, {}], {}, true)).toBe(1);
});

test("a segment ends where records are segment.ms younger than its first ones, as Kafka rolls it", () => {
  const settings = { segmentMs: HOUR_MS };
  expect(due([{ ageMs: 3 * HOUR_MS }, { ageMs: 2 * HOUR_MS }, { ageMs: HOUR_MS }], settings)).toBe(2);
  const at = (maxTimestampMs: number): EntryFields => ({ maxTimestampMs });
  expect(due([at(0), at(HOUR_MS), at(HOUR_MS + 1)], settings, true)).toBe(2);
  expect(due([at(9 * HOUR_MS), at(0), at(HOUR_MS)], settings, true)).toBe(3);
  expect(due([at(-1), at(9 * HOUR_MS)], settings, true)).toBe(2);
});

test("eight small segments in a row become one, and seven do not", () => {
  expect(merged(times(MERGED_SEGMENTS_MIN - 1, {}))).toBe(undefined);
  expect(merged(times(MERGED_SEGMENTS_MIN, {}))).toBe("0-7");
  expect(merged(times(11, {}))).toBe("0-10");
  expect(merged([...times(5, {}), { isCleaned: true }, ...times(7, {})])).toBe(undefined);
  expect(merged([...times(5, {}), { isCleaned: true }, ...times(8, {})])).toBe("6-13");
});

test("a large segment is not written again for the sake of small ones", () => {
  expect(merged([{ byteLength: 1_000 }, ...times(8, { byteLength: 100 })])).toBe("1-8");
  expect(merged([{ byteLength: 1_000 }, ...times(7, { byteLength: 100 })])).toBe(undefined);
  expect(merged([{ byteLength: 800 }, ...times(8, { byteLength: 100 })])).toBe("0-8");
});

test("a merged segment is no larger than another, and a forced run merges whatever fits", () => {
  expect(merged(times(8, { byteLength: 16 * MIB }))).toBe("0-7");
  expect(merged(times(8, { byteLength: 16 * MIB + 1 }))).toBe(undefined);
  expect(merged(times(8, { byteLength: 100 }), { segmentBytes: 700 })).toBe(undefined);
  expect(merged([{ byteLength: 100 * MIB }, { byteLength: 20 * MIB }, { byteLength: 9 * MIB }], {}, true)).toBe("0-1");
  expect(merged([{ byteLength: 100 * MIB }, { byteLength: 29 * MIB }], {}, true)).toBe(undefined);
  expect(merged([{ byteLength: 100 * MIB }, { byteLength: 29 * MIB }, {}], {}, true)).toBe("1-2");
});

test("a merged segment does not hold records back from retention or from the cleaner for long", () => {
  const daily = Array.from({ length: 40 }, (_, index) => ({ ageMs: (40 - index) * DAY_MS }));
  expect(merged(daily)).toBe("0-39");
  expect(merged(daily, { retentionMs: 7 * DAY_MS })).toBe("0-7");
  expect(merged(daily, { retentionMs: 80 * DAY_MS })).toBe("0-10");
  expect(merged(daily, { retentionMs: -1, isCompacted: true, isDeleted: false, segmentMs: 9 * DAY_MS })).toBe("0-9");
  expect(merged(times(8, { byteLength: KIB }), { retentionBytes: 64 * KIB })).toBe("0-7");
  expect(merged(times(8, { byteLength: KIB }), { retentionBytes: 63 * KIB })).toBe(undefined);
});
