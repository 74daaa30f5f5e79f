import { expect, test } from "vitest";
import { UploadSlots } from "#lib/log/upload-slots.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { UPLOAD_SLOT_MS_MAX, UPLOADS_STALLED_MAX } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

function newSlots(countMax: number) {
  const clock = new ManualClock();
  let freed = 0;
  const slots = new UploadSlots({ clock, countMax, onFree: () => freed++ });
  const hold = (mayStall = true) => {
    const upload = deferred<void>();
    slots.hold(upload.promise, { mayStall });
    return upload;
  };
  return { clock, slots, hold, freed: () => freed };
}

test("a slot is taken until its upload ends", async () => {
  const { clock, slots, hold, freed } = newSlots(2);
  const [first] = [hold(), hold()];
  expect(slots.isFree).toBe(false);
  first.resolve();
  await clock.advance(0);
  expect([slots.isFree, freed()]).toEqual([true, 1]);
  hold();
  expect(slots.isFree).toBe(false);
});

test("an upload that stalls loses its slot, and does not give back another one when it ends", async () => {
  const { clock, slots, hold, freed } = newSlots(1);
  const stalled = hold();
  await clock.advance(UPLOAD_SLOT_MS_MAX - 1);
  expect(slots.isFree).toBe(false);
  await clock.advance(1);
  expect([slots.isFree, freed()]).toEqual([true, 1]);
  hold();
  stalled.resolve();
  await clock.advance(0);
  expect(slots.isFree).toBe(false);
});

test("what must not stall keeps its slot", async () => {
  const { clock, slots, hold } = newSlots(1);
  hold(false);
  await clock.advance(10 * UPLOAD_SLOT_MS_MAX);
  expect([slots.isFree, clock.timerCount]).toEqual([false, 0]);
});

test("only so many may be stalled at once", async () => {
  const { clock, slots, hold } = newSlots(1);
  const stalled = Array.from({ length: UPLOADS_STALLED_MAX }, () => hold());
  await clock.advance(UPLOAD_SLOT_MS_MAX);
  expect(slots.isFree).toBe(true);
  const last = hold();
  await clock.advance(10 * UPLOAD_SLOT_MS_MAX);
  expect(slots.isFree).toBe(false);
  stalled[0]?.resolve();
  last.resolve();
  await clock.advance(0);
  expect(slots.isFree).toBe(true);
});
