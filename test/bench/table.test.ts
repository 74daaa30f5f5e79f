import { expect, test } from "vitest";
import type { Measured } from "../../bench/support/statistics.ts";
import { formatJson, formatTable } from "../../bench/support/table.ts";

const MEASURED: readonly Measured[] = [
  { name: "produce 1 KiB", unit: "MB/s", better: "higher", ours: [100, 300, 200], reference: [90, 110, 100] },
  { name: "decode", unit: "us", better: "lower", ours: [5.5], reference: [] },
];

test("the table has a line a row, text on the left and figures on the right", () => {
  expect(formatTable(MEASURED)).toBe(
    [
      "row            unit  ours  reference  ratio  better  ours min..max  reference min..max",
      "produce 1 KiB  MB/s   200        100      2  higher       100..300             90..110",
      "decode         us     5.5          -      -   lower              -                   -",
      "",
    ].join("\n"),
  );
});

test("the JSON has name, unit, ours, reference and ratio of each row, and nothing else", () => {
  expect(JSON.parse(formatJson(MEASURED))).toEqual([
    { name: "produce 1 KiB", unit: "MB/s", ours: 200, reference: 100, ratio: 2 },
    { name: "decode", unit: "us", ours: 5.5, reference: null, ratio: null },
  ]);
});
