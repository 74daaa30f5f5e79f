import { expect, test } from "vitest";
import { planGathers } from "#lib/housekeeping/compactor/plan-gather.ts";
import type { EntryPlace, PartitionState } from "#lib/log/log-state.ts";
import { defined } from "#lib/util/assert.ts";
import {
  COMPACTION_ENTRIES_MIN,
  COMPACTION_INPUTS_MAX,
  GATHERED_CRUMBS_MIN,
  GATHERED_INLINE_AGE_MS,
  GATHERED_OBJECT_AGE_MS,
  JOURNAL_ENTRIES_MAX,
  MIB,
} from "#lib/util/limits.ts";
import { HOUR_MS, MINUTE_MS } from "./compactor-world.ts";
import { type EntryFields, entriesOf, NOW_MS, objectOf, partitionOf, stateOf } from "./plan-fixtures.ts";

const inline = (seq: number): EntryPlace => ({ kind: "inline", seq, indexInRecord: 0 });
const times = <T>(count: number, value: T): readonly T[] => Array.from({ length: count }, () => value);

function quiet(partitionIndex: number, ...fields: readonly EntryFields[]): PartitionState {
  return partitionOf({ partitionIndex, entries: entriesOf(...fields) });
}

/** For each object its runs, as `<partition>:<first entry>+<entries>`. */
function gathered(partitions: readonly PartitionState[], canTake = (_: PartitionState): boolean => true) {
  return planGathers(stateOf(...partitions), { nowMs: NOW_MS, canTake }).map(({ runs }) =>
    runs.map(({ partition, entries }) => {
      const first = partition.entries.indexOf(defined(entries[0]));
      return `${partition.partitionIndex}:${first}+${entries.length}`;
    }),
  );
}

test("inlined entries are gathered when one of them has waited long enough, with all others that are not brand-new", () => {
  const young = quiet(0, { place: inline(1), ageMs: GATHERED_INLINE_AGE_MS - 1 }, { place: inline(2), ageMs: 20_000 });
  expect(gathered([young])).toEqual([]);
  const old = quiet(1, { place: inline(1), ageMs: GATHERED_INLINE_AGE_MS }, { place: inline(5), ageMs: 9_000 });
  expect(gathered([young, old])).toEqual([["0:0+2", "1:0+1"]]);
});

test("what is left of an old object is gathered once the journal needs less than half of it", () => {
  const object = objectOf(1, 1_000);
  const rest = (byteLength: number, ageMs: number) => quiet(0, { place: object, byteLength, ageMs });
  expect(gathered([rest(499, GATHERED_OBJECT_AGE_MS)])).toEqual([["0:0+1"]]);
  expect(gathered([rest(500, GATHERED_OBJECT_AGE_MS)])).toEqual([]);
  expect(gathered([rest(499, GATHERED_OBJECT_AGE_MS - 1)])).toEqual([]);
  const other = quiet(1, { place: object, byteLength: 1, ageMs: GATHERED_OBJECT_AGE_MS });
  expect(gathered([rest(499, GATHERED_OBJECT_AGE_MS), other])).toEqual([]);
});

test("with what is old goes what is a quarter as old, so that it is not done for each object by itself", () => {
  const rest = (n: number, ageMs: number): EntryFields => ({ place: objectOf(n, 1_000), byteLength: 10, ageMs });
  const partition = quiet(0, rest(1, HOUR_MS), rest(2, 15 * MINUTE_MS), rest(3, 14 * MINUTE_MS));
  expect(gathered([partition])).toEqual([["0:0+2"]]);
});

test("entries become one only next to each other, and within an hour", () => {
  const hour = (seq: number, hours: number): EntryFields => ({ place: inline(seq), ageMs: hours * HOUR_MS });
  const whole: EntryFields = { place: objectOf(9, 100), byteLength: 100, ageMs: 2 * HOUR_MS };
  expect(gathered([quiet(0, hour(1, 2), hour(2, 2), whole, hour(4, 2))])).toEqual([["0:0+2", "0:3+1"]]);
  expect(gathered([quiet(0, hour(1, 3), hour(2, 2), hour(3, 1), hour(4, 0.9))])).toEqual([["0:0+2", "0:2+2"]]);
});

test("what is lost, and partitions that are seen to otherwise, are left out", () => {
  const lost = quiet(0, { place: { kind: "lost" }, ageMs: 9 * HOUR_MS }, { place: inline(4), ageMs: HOUR_MS });
  const other = quiet(1, { place: inline(5), ageMs: HOUR_MS });
  expect(gathered([lost, other], ({ partitionIndex }) => partitionIndex === 0)).toEqual([["0:1+1"]]);
  expect(gathered([other], () => false)).toEqual([]);
});

test("many small entries in a row are gathered at any age; large ones, and small ones between them, are not", () => {
  const small: EntryFields = { byteLength: 1_000, ageMs: 30_000 };
  const large: EntryFields = { byteLength: 100_000, ageMs: 30_000 };
  expect(gathered([quiet(0, ...times(COMPACTION_ENTRIES_MIN - 1, small))])).toEqual([]);
  expect(gathered([quiet(0, ...times(COMPACTION_ENTRIES_MIN, small))])).toEqual([["0:0+512"]]);
  expect(gathered([quiet(0, ...times(COMPACTION_ENTRIES_MIN, [large, small]).flat())])).toEqual([]);
  expect(gathered([quiet(0, large, ...times(600, small), large)])).toEqual([["0:1+600"]]);
});

test("the more partitions share what a journal may have in entries, the fewer small ones each may have", () => {
  const small: EntryFields = { byteLength: 1_000, ageMs: 30_000 };
  const countMax = JOURNAL_ENTRIES_MAX / 256;
  const partitions = (count: number, entries: number) =>
    Array.from({ length: count }, (_, index) => quiet(index, ...times(entries, small)));
  expect(gathered(partitions(256, countMax))).toEqual([]);
  const all = gathered(partitions(257, countMax)).flat();
  expect(all).toHaveLength(257);
  expect(all.slice(0, 2)).toEqual([`0:0+${countMax}`, `1:0+${countMax}`]);
  // What would be rewritten with every few entries that come is left alone, whatever it takes.
  expect(gathered(partitions(JOURNAL_ENTRIES_MAX / 4, GATHERED_CRUMBS_MIN - 1))).toEqual([]);
});

test("what a clock that ran ahead has stamped does not stay where it is until that time comes", () => {
  const ahead = (place: EntryPlace): EntryFields => ({ place, byteLength: 10, ageMs: -9_000 * HOUR_MS });
  expect(gathered([quiet(0, ahead(inline(1)), { place: inline(2), ageMs: MINUTE_MS })])).toEqual([["0:0+2"]]);
  expect(gathered([quiet(0, ahead(objectOf(1, 1_000)))])).toEqual([["0:0+1"]]);
  expect(gathered([quiet(0, { place: inline(1), ageMs: -MINUTE_MS })])).toEqual([]);
});

test("an object is closed when it is full, or its command has enough inputs", () => {
  const at = (byteLength: number): EntryFields => ({ place: inline(1), byteLength, ageMs: HOUR_MS });
  const partitions = [quiet(0, at(5 * MIB)), quiet(1, at(3 * MIB)), quiet(2, at(1), at(8 * MIB))];
  expect(gathered(partitions)).toEqual([["0:0+1", "1:0+1"], ["2:0+1"], ["2:1+1"]]);
  const many = [quiet(0, ...times(COMPACTION_INPUTS_MAX + 2, at(1))), quiet(1, at(1))];
  expect(gathered(many)).toEqual([["0:0+2048"], ["0:2048+2", "1:0+1"]]);
});

test("topics with different numbers of replicas do not share an object", () => {
  const entries = entriesOf({ place: inline(1), ageMs: HOUR_MS });
  const partition = (partitionIndex: number, replicationFactor: number) =>
    partitionOf({ partitionIndex, replicationFactor, entries });
  expect(gathered([partition(0, 1), partition(1, 3), partition(2, 1)])).toEqual([["0:0+1", "2:0+1"], ["1:0+1"]]);
});
