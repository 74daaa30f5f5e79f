import { expect, test } from "vitest";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { STORE_SUSPECT_MS } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

// A busy broker begins hundreds of uploads before the first has been silent for too long.

const UPLOADS_PER_SECOND = 500;

test("a store that hangs is suspect in time under many calls, though most of them are given up early", async () => {
  const clock = new ManualClock();
  const health = new StoreHealth(clock);
  for (let count = 0; count < (UPLOADS_PER_SECOND * STORE_SUSPECT_MS) / 1_000; count++) {
    const call = health.begin(0, "write", STORE_SUSPECT_MS);
    if (count % 2 === 1) health.noteAbandoned(0, call);
    await clock.advance(1_000 / UPLOADS_PER_SECOND);
  }
  expect(health.isSuspect(0)).toBe(true);
});

test("calls that never end do not hide that a store has come back and hangs again", async () => {
  const clock = new ManualClock();
  const health = new StoreHealth(clock);
  for (let count = 0; count < 1_000; count++) health.begin(0, "write", STORE_SUSPECT_MS);
  await clock.advance(1);
  health.noteSuccess(0, health.begin(0, "write", STORE_SUSPECT_MS));
  await clock.advance(1);
  for (let count = 0; count < 1_000; count++) health.begin(0, "write", STORE_SUSPECT_MS);
  await clock.advance(STORE_SUSPECT_MS - 1);
  expect(health.isSuspect(0)).toBe(false);
  await clock.advance(1);
  expect(health.isSuspect(0)).toBe(true);
});

test("a call given up at the end of its time tells of silence, one given up early does not", async () => {
  const clock = new ManualClock();
  const health = new StoreHealth(clock);
  const early = health.begin(0, "read", STORE_SUSPECT_MS);
  await clock.advance(STORE_SUSPECT_MS / 2);
  health.noteAbandoned(0, early);
  expect(health.isFailing(0)).toBe(false);
  // The caller's timer was set before the call began.
  const late = health.begin(0, "read", STORE_SUSPECT_MS);
  await clock.advance(STORE_SUSPECT_MS - 1);
  health.noteAbandoned(0, late);
  expect(health.isFailing(0)).toBe(true);
});
