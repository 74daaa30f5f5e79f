import { expect, test } from "vitest";
import { groupBy } from "#lib/util/group-by.ts";

test("groups hold their items in order, and come in the order of their first item", () => {
  const groups = groupBy([3, 1, 4, 1, 5, 9, 2, 6], (item) => (item % 2 === 0 ? "even" : "odd"));
  expect([...groups]).toEqual([
    ["odd", [3, 1, 1, 5, 9]],
    ["even", [4, 2, 6]],
  ]);
});

test("nothing has no groups", () => {
  expect(groupBy([], () => 0).size).toBe(0);
});
