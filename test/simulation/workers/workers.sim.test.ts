import { describe, expect, test } from "vitest";
import { runSchedule } from "../schedule.ts";
import { drawWorkerProfile } from "./worker-profile.ts";

/** Of `npm run sim -- --world workers`, which runs as many as one likes. */
const SEEDS = Array.from({ length: 16 }, (_, index) => index + 1);

/** Some ten times what it takes on an idle machine. */
const TEST_MS_MAX = 60_000;

describe("workers, several of each, beside clients that write and read", { timeout: TEST_MS_MAX }, () => {
  test("keep every promise", async () => {
    const broken: string[] = [];
    const done = new Map<string, number>();
    const onTrace = (line: string) => {
      const [, kind] = /log-\d (replace|gather|retire): \{"kind":"(?:done|gathered)"/.exec(line) ?? [];
      const [, call] = /(deleteAll|composeLog) (?:wal|segments)\/.*: ok$/.exec(line) ?? [];
      const what = kind ?? call;
      if (what !== undefined) done.set(what, (done.get(what) ?? 0) + 1);
    };
    for (const seed of SEEDS) {
      const result = await runSchedule(seed, { draw: drawWorkerProfile, onTrace });
      broken.push(...result.violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(broken).toEqual([]);
    for (const what of ["replace", "gather", "retire", "deleteAll", "composeLog"])
      expect(done.get(what) ?? 0, what).toBeGreaterThan(10);
  });

  test("take the same course for the same seed", async () => {
    for (const seed of SEEDS.slice(0, 2)) {
      const first = await runSchedule(seed, { draw: drawWorkerProfile });
      expect(await runSchedule(seed, { draw: drawWorkerProfile })).toEqual(first);
    }
  });
});
