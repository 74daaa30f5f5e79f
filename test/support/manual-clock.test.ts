import { expect, test } from "vitest";
import { ManualClock } from "./manual-clock.ts";
import { SeededRandom } from "./seeded-random.ts";

test("timers run in the order of their times, and each to its end", async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const note = async (name: string, ms: number) => {
    await clock.sleep(ms);
    seen.push(`${name} at ${clock.monotonicMs()}`);
    await Promise.resolve();
    seen.push(`${name} done`);
  };
  const all = Promise.all([note("b", 20), note("a", 10), note("c", 20)]);
  await clock.advance(19);
  expect(seen).toEqual(["a at 10", "a done"]);
  await clock.run(all);
  expect(seen.slice(2)).toEqual(["b at 20", "b done", "c at 20", "c done"]);
});

test("the wall clock may jump without the monotonic one", () => {
  const clock = new ManualClock(1_000);
  clock.jumpWall(-500);
  expect([clock.nowMs(), clock.monotonicMs()]).toEqual([500, 0]);
});

test("one seed gives one row of numbers, another seed another", () => {
  const row = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 20 }, () => random.below(1_000));
  };
  expect(row(1)).toEqual(row(1));
  expect(row(1)).not.toEqual(row(2));
});

test("draws spread evenly", () => {
  const random = new SeededRandom(3);
  const counts = [0, 0, 0, 0];
  for (let draw = 0; draw < 4_000; draw++) {
    const at = random.below(4);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
