import { describe, expect, test } from "vitest";
import { runSchedule } from "../schedule.ts";
import { PLANTED_WORKER_BUGS } from "./planted-worker-bugs.ts";
import PLANTED_SEEDS from "./planted-worker-seeds.json" with { type: "json" };
import { drawWorkerProfile } from "./worker-profile.ts";

// As in ../planted.sim.test.ts.

const SEEDS = new Map<string, number>(Object.entries(PLANTED_SEEDS));
const draw = drawWorkerProfile;

describe("a bug about workers that is planted is found", { timeout: 60_000 }, () => {
  test.each([...PLANTED_WORKER_BUGS])("%s", async (name, plant) => {
    const seed = SEEDS.get(name) ?? expect.fail("no seed is recorded");
    const { violations } = await runSchedule(seed, { draw, decorations: plant(), stopsEarly: true });
    expect(violations.length, `seed ${seed}`).toBeGreaterThan(0);
  });

  test("and without it the same seeds are sound", async () => {
    for (const seed of new Set(SEEDS.values())) {
      expect((await runSchedule(seed, { draw })).violations, `seed ${seed}`).toEqual([]);
    }
  });
});
