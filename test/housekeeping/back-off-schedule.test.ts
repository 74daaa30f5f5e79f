import { expect, test } from "vitest";
import { BackOffSchedule } from "#lib/housekeeping/back-off-schedule.ts";
import { HOUSEKEEPING_PERIOD_MS, HOUSEKEEPING_PERIOD_MS_MAX } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Minutes, of `minutes` calls a minute apart, in which the work was run. */
async function runsIn(
  minutes: number,
  {
    schedule,
    clock,
    found,
  }: { readonly schedule: BackOffSchedule; readonly clock: ManualClock; readonly found: number },
): Promise<readonly number[]> {
  const runs: number[] = [];
  for (let minute = 0; minute < minutes; minute++) {
    const run = await schedule.run(async () => found);
    if (run.kind === "ran") runs.push(minute);
    // Schedules are not exact.
    await clock.advance(HOUSEKEEPING_PERIOD_MS - (minute % 2 === 0 ? 900 : -900));
  }
  return runs;
}

test("a schedule whose runs find nothing comes ever less often, four times an hour in the end", async () => {
  const clock = new ManualClock();
  const schedule = new BackOffSchedule(clock);
  expect(await runsIn(80, { schedule, clock, found: 0 })).toEqual([0, 2, 6, 14, 30, 46, 62, 78]);
  expect(HOUSEKEEPING_PERIOD_MS_MAX).toBe(16 * HOUSEKEEPING_PERIOD_MS);
});

test("a run that finds something makes the next call run again", async () => {
  const clock = new ManualClock();
  const schedule = new BackOffSchedule(clock);
  await runsIn(31, { schedule, clock, found: 0 });
  await clock.advance(HOUSEKEEPING_PERIOD_MS_MAX);
  expect(await runsIn(5, { schedule, clock, found: 1 })).toEqual([0, 1, 2, 3, 4]);
});

test("a run that fails is due again at the next call", async () => {
  const clock = new ManualClock();
  const schedule = new BackOffSchedule(clock);
  const failing = schedule.run(async () => {
    throw new Error("the table is away");
  });
  await expect(failing).rejects.toThrow("the table is away");
  expect((await schedule.run(async () => 0)).kind).toBe("ran");
});

test("the longest pause is a schedule's own", async () => {
  const clock = new ManualClock();
  const schedule = new BackOffSchedule(clock, { periodMsMax: 60 * HOUSEKEEPING_PERIOD_MS });
  expect(await runsIn(190, { schedule, clock, found: 0 })).toEqual([0, 2, 6, 14, 30, 62, 122, 182]);
});
