import { describe, expect, test } from "vitest";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { journalId } from "#lib/util/branded.ts";
import { CostWorld } from "../../bench/cost/cost-world.ts";
import { FunctionFleet, functionSettings } from "../../bench/cost/function-fleet.ts";
import { Meter, MeteredJournal } from "../../bench/cost/meter.ts";
import { ProvisionedTable } from "../../bench/cost/provisioned-table.ts";
import { ScaledCapacity } from "../../bench/cost/scaled-capacity.ts";
import { ManualClock } from "../support/manual-clock.ts";

const NEVER = new AbortController().signal;
const SECOND_MS = 1_000;

/** A load of so many units each second. */
async function useFor(capacity: ScaledCapacity, clock: ManualClock, load: { seconds: number; units: number }) {
  for (let second = 0; second < load.seconds; second++) {
    if (capacity.admits()) capacity.use(load.units);
    await clock.advance(SECOND_MS);
  }
}

describe("a capacity paid by the hour", () => {
  test("lends what it did not need in the last five minutes, and then no more than it has", async () => {
    const clock = new ManualClock();
    const capacity = new ScaledCapacity(clock, { min: 10, max: 10, targetPercent: 70 });
    // 300 s of 10 units are saved, of which each second takes 10 more than it earns.
    await useFor(capacity, clock, { seconds: 300, units: 20 });
    expect(capacity.throttled).toBe(0);
    await useFor(capacity, clock, { seconds: 60, units: 20 });
    expect(capacity.throttled).toBeGreaterThan(25);
    expect(capacity.throttled).toBeLessThan(35);
    expect(capacity.peakUnits).toBe(10);
  });

  test("grows to what makes the load its target, when that has lasted for minutes", async () => {
    const clock = new ManualClock();
    const capacity = new ScaledCapacity(clock, { min: 20, max: 100, targetPercent: 50 });
    await useFor(capacity, clock, { seconds: 180, units: 20 });
    expect(capacity.peakUnits).toBe(20);
    await useFor(capacity, clock, { seconds: 180, units: 20 });
    expect(capacity.peakUnits).toBe(40);
  });

  test("does not grow by one busy minute", async () => {
    const clock = new ManualClock();
    const capacity = new ScaledCapacity(clock, { min: 20, max: 100, targetPercent: 50 });
    for (let time = 0; time < 5; time++) {
      await useFor(capacity, clock, { seconds: 60, units: 50 });
      await useFor(capacity, clock, { seconds: 60, units: 1 });
    }
    expect(capacity.peakUnits).toBe(20);
  });

  test("shrinks after a quarter of an hour far below its target, not below its least", async () => {
    const clock = new ManualClock();
    const capacity = new ScaledCapacity(clock, { min: 5, max: 100, targetPercent: 50 });
    await useFor(capacity, clock, { seconds: 360, units: 10 });
    await useFor(capacity, clock, { seconds: 10 * 60, units: 1 });
    capacity.reset();
    expect(capacity.peakUnits).toBe(20);
    await useFor(capacity, clock, { seconds: 15 * 60, units: 1 });
    capacity.reset();
    expect(capacity.peakUnits).toBe(5);
  });
});

test("a journal whose table has nothing left throttles, and what it refuses is not charged", async () => {
  const clock = new ManualClock();
  const meter = new Meter();
  const bounds = { minWrites: 1, maxWrites: 1, minReads: 1, maxReads: 1, targetPercent: 70 };
  const capacity = new ProvisionedTable(clock, bounds);
  const journal = new MeteredJournal(new MemoryJournalService(clock).connect(), { meter, capacity });
  const id = journalId("j");
  capacity.use("writes", 300);
  const refused = clock.run(journal.append(id, 1, new Uint8Array(1), NEVER));
  await expect(refused).rejects.toThrow(JournalUnavailableError);
  await expect(refused).rejects.toMatchObject({ throttled: true });
  expect(meter.lines()).toEqual([]);
  await clock.advance(SECOND_MS);
  expect(await clock.run(journal.append(id, 1, new Uint8Array(1), NEVER))).toMatchObject({ kind: "appended" });
  expect(meter.lines()).toMatchObject([{ kind: "dynamodb:PutItem", requests: 1, units: 1 }]);
});

test("a function whose table is short of write units answers later, and refuses nothing", async () => {
  const fixed = { minWrites: 4, maxWrites: 4, minReads: 25, maxReads: 25, targetPercent: 70 };
  await using world = new CostWorld({ storeCount: 1, capacity: fixed, seed: 1 });
  const statuses: number[] = [];
  const tookMs = await world.run(
    (async () => {
      const settings = functionSettings(1);
      const fleet = new FunctionFleet(world, settings);
      await world.createTopic(await world.start(settings), "t", 6);
      world.table?.use("writes", 300 * fixed.minWrites);
      const startedAtMs = world.clock.monotonicMs();
      for (let record = 0; record < 20; record++) {
        const body = JSON.stringify({ records: [{ value: "AA==" }] });
        const headers = { "content-type": "application/vnd.kafka.binary.v2+json" };
        const request = new Request("https://functions/topics/t", { method: "POST", headers, body });
        statuses.push((await fleet.call(request)).status);
      }
      return world.clock.monotonicMs() - startedAtMs;
    })(),
  );
  expect(statuses).toEqual(statuses.map(() => 200));
  expect(world.table?.writes.throttled).toBeGreaterThan(0);
  // Twenty records at four a second, where a record alone takes some 15 ms.
  expect(tookMs).toBeGreaterThan(4 * SECOND_MS);
});
