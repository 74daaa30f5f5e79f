import { expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { journalId } from "#lib/util/branded.ts";
import {
  addressesAMonthUsd,
  capacityAMonthUsd,
  loadBalancerAMonthUsd,
  namesAMonthUsd,
  requestsAMonthUsd,
  requestsBesideTableAMonthUsd,
  storageAMonthUsd,
  trimsAMonthUsd,
} from "../../bench/cost/counted.ts";
import { Meter, MeteredJournal } from "../../bench/cost/meter.ts";
import { costSuite } from "../../bench/cost/suite.ts";
import { ManualClock } from "../support/manual-clock.ts";

const NEVER = new AbortController().signal;

test("the cost benchmarks count something for every row", async () => {
  const context = { isSmall: true, repeats: 1, wants: () => true, say: () => {} };
  const measured = await costSuite.run(context);
  expect(measured.map(({ ours }) => ours.length)).toEqual(measured.map(() => 1));
  const free = measured.filter(({ ours }) => !(ours.at(0) ?? Number.NaN) || !Number.isFinite(ours[0]));
  // Inlined records need no object, and nobody reads or writes one while nothing happens.
  expect(free.every(({ name }) => name.endsWith(": S3"))).toBe(true);
});

test("a journal's requests are metered as DynamoDB charges them", async () => {
  const meter = new Meter();
  const journal = new MeteredJournal(new MemoryJournalService(new ManualClock()).connect(), { meter });
  const id = journalId("j");
  await journal.append(id, 1, new Uint8Array(1_024 - 40), NEVER);
  await journal.append(id, 2, new Uint8Array(1_024), NEVER);
  // Refused, and charged by the record that stands there.
  await journal.append(id, 2, new Uint8Array(1), NEVER);
  const limits = { from: 1, recordsMax: 10, bytesMax: 1e6 };
  await journal.read(id, { ...limits, consistency: "strong" }, NEVER);
  await journal.read(id, { ...limits, consistency: "eventual" }, NEVER);
  await journal.read(id, { ...limits, from: 3, consistency: "eventual" }, NEVER);
  expect(meter.lines().map(({ kind, requests, units }) => [kind, requests, units])).toEqual([
    ["dynamodb:PutItem", 3, 5],
    ["dynamodb:Query", 3, 2],
  ]);
  // A lost put leaves nothing that would be deleted one day.
  expect(meter.appendedUnits).toBe(3);
});

test("a stretch of time is priced for a month of it", () => {
  const meter = new Meter();
  for (let put = 0; put < 10; put++) meter.count("s3:PutObject", { sent: 1, received: 0 });
  const counted = { lines: meter.lines(), appendedUnits: 0, producedBytes: 1e6, seconds: 10 };
  // A put a second for 730 hours, at half a cent a thousand.
  expect(requestsAMonthUsd(counted)).toBeCloseTo(13.14, 6);
  // 100 kB a second for a day, twice.
  expect(storageAMonthUsd(counted, { days: 1, copies: 2 })).toBeCloseTo(8.64 * 2 * 0.023, 6);
});

test("capacity is priced by the hour, with the alarms that move it, in place of the table's requests", () => {
  const meter = new Meter();
  meter.count("dynamodb:PutItem", { sent: 1, received: 0 }, { target: "t", units: 1e9 });
  meter.count("s3:PutObject", { sent: 1, received: 0 });
  const provisioned = { writes: 10, reads: 10, throttled: 0, alarms: 8 };
  const counted = { lines: meter.lines(), appendedUnits: 0, provisioned, producedBytes: 1e6, seconds: 1 };
  expect(capacityAMonthUsd(counted)).toBeCloseTo(730 * 10 * (0.00065 + 0.00013) + 0.8, 6);
  expect(requestsBesideTableAMonthUsd(counted)).toBeCloseTo(13.14, 6);
});

test("trims are priced by what was appended", () => {
  const counted = { lines: [], appendedUnits: 10, producedBytes: 1e6, seconds: 1 };
  expect(trimsAMonthUsd(counted)).toBeCloseTo((10 * 730 * 3_600 * 0.625) / 1e6, 6);
});

test("a load balancer is charged for each gigabyte of producers and consumers, beside its own hours", () => {
  const counted = { lines: [], appendedUnits: 0, producedBytes: 10e6, seconds: 1 };
  // 10 MB/s in and 30 MB/s out are 144 units of a GB an hour each.
  expect(loadBalancerAMonthUsd(counted, 3)).toBeCloseTo(730 * (0.0225 + 144 * 0.006), 6);
});

test("names are charged for their zone and by the query, and addresses by the hour", () => {
  // A month of 730 hours is 262,800 times ten seconds.
  expect(namesAMonthUsd({ brokers: 3, clients: 4 })).toBeCloseTo(0.5 + (12 * 262_800 * 0.4) / 1e6, 9);
  expect(addressesAMonthUsd(3)).toBeCloseTo(3 * 3.65, 9);
});

test("the goals of 10 MB/s are borne by the brokers that are reached by their names", async () => {
  const wants = (name: string): boolean => /^10 MB.s/.test(name) && name.includes("goal");
  const measured = await costSuite.run({ isSmall: true, repeats: 1, wants, say: () => {} });
  const goals = measured.map(({ name, reference }) => [name.replace(/^.*: /, ""), reference]);
  expect(goals).toEqual([
    ["requests, trims, brokers, names and addresses; goal", [430]],
    ["the same through a load balancer; not the goal's", []],
    ["requests, trims, brokers, names and addresses; goal", [900]],
    ["the same through a load balancer; not the goal's", []],
  ]);
});
