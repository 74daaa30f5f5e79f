import { describe, expect, test } from "vitest";
import { type Measured, median, percentile, rounded, rowOf } from "../../bench/support/statistics.ts";

const measured = (ours: readonly number[], reference: readonly number[]): Measured => ({
  name: "row",
  unit: "MB/s",
  better: "higher",
  ours,
  reference,
});

describe("a median", () => {
  test("is the middle of an odd number of samples, whatever their order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4])).toBe(4);
  });

  test("is the mean of the two in the middle of an even number", () => {
    expect(median([8, 1, 4, 2])).toBe(3);
  });

  test("does not exist for no samples", () => {
    expect(median([])).toBeNaN();
  });

  test("leaves the samples in their order", () => {
    const samples = [3, 1, 2];
    median(samples);
    expect(samples).toEqual([3, 1, 2]);
  });
});

test("a percentile is the sample that so many do not exceed", () => {
  const samples = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([percentile(samples, 0.5), percentile(samples, 0.99), percentile(samples, 1)]).toEqual([50, 99, 100]);
  expect(percentile([7], 0.01)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

describe("a row", () => {
  test("holds medians and the ratio of ours to the reference", () => {
    expect(rowOf(measured([1, 300, 200], [100, 90, 400]))).toEqual({
      name: "row",
      unit: "MB/s",
      ours: 200,
      reference: 100,
      ratio: 2,
    });
  });

  test("has neither reference nor ratio where nothing was measured beside us", () => {
    expect(rowOf(measured([1], []))).toMatchObject({ ours: 1, reference: null, ratio: null });
  });

  test("has no ratio to a reference of zero", () => {
    expect(rowOf(measured([1], [0]))).toMatchObject({ reference: 0, ratio: null });
  });

  test("takes its ratio before figures are rounded", () => {
    expect(rowOf(measured([1_234.4], [1_233.6])).ratio).toBe(1.001);
  });
});

test("figures keep four digits, or all before the point", () => {
  expect([rounded(0.123456), rounded(12.3456), rounded(1_234.5678), rounded(123_456.7)]).toEqual([
    0.1235, 12.35, 1_235, 123_457,
  ]);
});
