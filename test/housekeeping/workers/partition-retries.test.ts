import { expect, test } from "vitest";
import { PartitionRetries } from "#lib/housekeeping/workers/partition-retries.ts";
import { WORKER_RETRY_MS_MAX, WORKER_RETRY_MS_MIN } from "#lib/util/limits.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** How long a partition rests from now on, in steps of a second. */
async function restOf(retries: PartitionRetries, clock: ManualClock): Promise<number> {
  const beganAtMs = clock.monotonicMs();
  while (retries.isResting("a")) await clock.advance(1_000);
  return clock.monotonicMs() - beganAtMs;
}

test("a partition that fails rests twice as long each time, an hour at most, and others do not", async () => {
  const clock = new ManualClock();
  const retries = new PartitionRetries(clock);
  expect(retries.isResting("a")).toBe(false);
  const rests: number[] = [];
  for (let count = 0; count < 8; count++) {
    retries.noteFailure("a", { passes: false });
    expect(retries.isResting("b")).toBe(false);
    rests.push((await restOf(retries, clock)) / WORKER_RETRY_MS_MIN);
  }
  expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(60 * WORKER_RETRY_MS_MIN).toBe(WORKER_RETRY_MS_MAX);
});

test("a failure that passes is tried again soon, and a success forgets those before", async () => {
  const clock = new ManualClock();
  const retries = new PartitionRetries(clock);
  for (let count = 0; count < 3; count++) {
    retries.noteFailure("a", { passes: true });
    expect(await restOf(retries, clock)).toBe(WORKER_RETRY_MS_MIN);
  }
  retries.noteFailure("a", { passes: false });
  retries.noteSuccess("a");
  expect(retries.isResting("a")).toBe(false);
  retries.noteFailure("a", { passes: false });
  expect(await restOf(retries, clock)).toBe(WORKER_RETRY_MS_MIN);
});
