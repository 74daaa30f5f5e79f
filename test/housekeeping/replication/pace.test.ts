import { expect, test } from "vitest";
import { Pace } from "#lib/housekeeping/replication/pace.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const never = new AbortController().signal;

test("bytes are spread over time, in the order of coming", async () => {
  const clock = new ManualClock();
  const pace = new Pace(clock, 1_000);
  const begun: [name: string, atMs: number][] = [];
  const take = async (name: string, bytes: number) => {
    await pace.take(bytes, never);
    begun.push([name, clock.monotonicMs()]);
  };
  await clock.run(Promise.all([take("first", 500), take("second", 2_000), take("third", 1)]));
  expect(begun).toEqual([
    ["first", 0],
    ["second", 500],
    ["third", 2_500],
  ]);
});

test("time in which nothing moved is not made up for", async () => {
  const clock = new ManualClock();
  const pace = new Pace(clock, 1_000);
  await pace.take(1_000, never);
  await clock.advance(60_000);
  await pace.take(1_000, never);
  const waiting = pace.take(1, never);
  await clock.advance(999);
  expect(await Promise.race([waiting.then(() => "begun"), clock.endOfTurn().then(() => "waits")])).toBe("waits");
  await clock.run(waiting);
});

test("whoever waits may give up", async () => {
  const clock = new ManualClock();
  const pace = new Pace(clock, 1_000);
  await pace.take(10_000, never);
  const controller = new AbortController();
  const waiting = pace.take(1, controller.signal);
  controller.abort(new Error("the broker stops"));
  await expect(waiting).rejects.toThrow("the broker stops");
  expect(clock.timerCount).toBe(0);
});
