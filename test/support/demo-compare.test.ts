import { expect, test } from "vitest";
import { compare, isSame } from "../clients/demo/compare.ts";

const sent = ["a1", "b1", "a2", "b2", "a3", "a2"].map((name) => ({ key: name.charAt(0), value: name }));
const stored = (...values: readonly string[]): { offset: number; key: string; value: string }[] =>
  values.map((value, offset) => ({ offset, key: value.charAt(0), value }));

test("what was sent, by key and in order, is the same, with equal records too", () => {
  const difference = compare(sent, [stored("a1", "a2", "a3", "a2"), stored("b1", "b2")]);
  expect(difference).toEqual({ records: 6, lost: 0, duplicated: 0, reordered: 0, astray: 0, gaps: 0 });
  expect(isSame(difference)).toBe(true);
});

test("the order between keys of one partition is free", () => {
  expect(isSame(compare(sent, [stored("b1", "a1", "b2", "a2", "a3", "a2")]))).toBe(true);
});

test("every fault is found and counted under its name", () => {
  const faults = {
    lost: compare(sent, [stored("a1", "a2", "a3"), stored("b1", "b2")]),
    duplicated: compare(sent, [stored("a1", "a1", "a2", "a3", "a2"), stored("b1", "b2")]),
    reordered: compare(sent, [stored("a1", "a3", "a2", "a2"), stored("b1", "b2")]),
    astray: compare(sent, [stored("a1", "a2", "a3", "b2"), stored("b1", "a2")]),
    gaps: compare(sent, [
      stored("a1", "a2", "a3", "a2").map((one) => ({ ...one, offset: one.offset * 2 })),
      stored("b1", "b2"),
    ]),
  };
  expect(faults.lost.lost).toBe(1);
  expect(faults.duplicated.duplicated).toBe(1);
  expect(faults.reordered.reordered).toBe(1);
  expect(faults.astray.astray).toBe(2);
  expect(faults.gaps.gaps).toBe(3);
  expect(Object.values(faults).filter(isSame)).toEqual([]);
});

test("a record that nobody sent counts as duplicated", () => {
  expect(compare(sent, [stored("a1", "a2", "a3", "a2"), stored("b1", "b2", "c1")]).duplicated).toBe(1);
});
