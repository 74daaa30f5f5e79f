import { describe, expect, test } from "vitest";
import { DYNAMODB, latencySampler, S3_STANDARD } from "../../bench/aws/latency.ts";
import { awsSuite } from "../../bench/aws/suite.ts";
import { percentile } from "../../bench/support/statistics.ts";
import { SeededRandom } from "../support/seeded-random.ts";

describe("a drawn latency", () => {
  const draw = (latency: { p50Ms: number; p99Ms: number }, seed = 1) => {
    const sample = latencySampler(latency, new SeededRandom(seed));
    return Array.from({ length: 20_000 }, sample);
  };

  test.each([S3_STANDARD.put, S3_STANDARD.get, DYNAMODB])("has the published percentiles %o", (latency) => {
    const samples = draw(latency);
    expect(percentile(samples, 0.5) / latency.p50Ms).toBeCloseTo(1, 1);
    expect(percentile(samples, 0.99) / latency.p99Ms).toBeCloseTo(1, 1);
    expect(Math.min(...samples)).toBeGreaterThan(0);
  });

  test("is the same for the same seed", () => {
    expect(draw(DYNAMODB, 7).slice(0, 5)).toEqual(draw(DYNAMODB, 7).slice(0, 5));
    expect(draw(DYNAMODB, 7)[0]).not.toBe(draw(DYNAMODB, 8)[0]);
  });
});

test("the aws benchmarks measure no ack that is faster than the services, and every record at its consumer", async () => {
  const lines: string[] = [];
  const measured = await awsSuite.run({
    isSmall: true,
    repeats: 1,
    wants: (row) => row.includes("10 MB/s"),
    say: (line) => lines.push(line),
  });
  expect(measured).toHaveLength(24);
  expect(lines).toHaveLength(4);
  for (const { name, ours } of measured)
    expect(
      ours.every((ms) => ms > (name.startsWith("Standard") ? 60 : 5)),
      name,
    ).toBe(true);
});
