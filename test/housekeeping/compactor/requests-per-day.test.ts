import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AWS_PRICES } from "#lib/housekeeping/cost/aws-prices.ts";
import { CompactionModel, type Load } from "./compaction-model.ts";
import { DAY_MS, HOUR_MS } from "./compactor-world.ts";

// The table of docs/PERFORMANCE.md on what compaction asks of stores and journals, reckoned by the planner's own rules.

const MINUTE_MS = 60_000;

const LOADS: readonly (readonly [name: string, load: Omit<Load, "copies">, warmUpMs: number])[] = [
  ["nothing", { partitions: 50, flushEveryMs: Number.POSITIVE_INFINITY, entryBytes: 300, isInlined: true }, HOUR_MS],
  ["300 B an hour", { partitions: 50, flushEveryMs: HOUR_MS, entryBytes: 300, isInlined: true }, 2 * DAY_MS],
  ["300 B a minute", { partitions: 50, flushEveryMs: MINUTE_MS, entryBytes: 300, isInlined: true }, DAY_MS],
  ["300 B a second", { partitions: 5, flushEveryMs: 1_000, entryBytes: 300, isInlined: false }, 8 * HOUR_MS],
  ["10 KB a second", { partitions: 5, flushEveryMs: 1_000, entryBytes: 10_000, isInlined: false }, 4 * HOUR_MS],
  ["1 MB a second", { partitions: 1, flushEveryMs: 1_000, entryBytes: 1_000_000, isInlined: false }, HOUR_MS],
];

function inTable(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString("en-US") : String(Math.round(value * 10) / 10);
}

function rowOf(name: string, load: Omit<Load, "copies">, warmUpMs: number): string {
  const model = new CompactionModel({ ...load, copies: 1 });
  model.pass(warmUpMs);
  const day = model.pass(DAY_MS);
  const [puts, gets, journalWrites] = [day.puts, day.gets, day.journalWrites].map((each) => each / load.partitions);
  const { s3, dynamodb } = AWS_PRICES;
  const cents = (copies: number): string => {
    const usd = 30 * ((puts ?? 0) * copies * s3.put + (gets ?? 0) * s3.get + (journalWrites ?? 0) * dynamodb.writeUnit);
    return (100 * usd).toFixed(2);
  };
  const cells = [name, load.partitions, ...[puts, gets, journalWrites].map((each) => inTable(each ?? 0))];
  return `| ${[...cells, cents(1), cents(3)].join(" | ")} |`;
}

const page = readFileSync(new URL("../../../docs/PERFORMANCE.md", import.meta.url), "utf8");

test.each(LOADS)("the row for partitions with %s is what the planner's rules come to", (name, load, warmUpMs) => {
  const written = page.split("\n").find((line) => line.startsWith(`| ${name} |`));
  expect(written).toBe(rowOf(name, load, warmUpMs));
});
