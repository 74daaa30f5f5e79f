import { describe, expect, test } from "vitest";
import { runSchedule } from "../schedule.ts";
import { PLANTED_REPLICA_BUGS } from "./planted-replica-bugs.ts";
import PLANTED_SEEDS from "./planted-replica-seeds.json" with { type: "json" };
import { drawReplicaProfile } from "./replica-profile.ts";

// As in ../planted.sim.test.ts.

const SEEDS = new Map<string, number>(Object.entries(PLANTED_SEEDS));
const draw = drawReplicaProfile;

describe("a bug about stores or brokers that is planted is found", { timeout: 60_000 }, () => {
  test.each([...PLANTED_REPLICA_BUGS])("%s", async (name, plant) => {
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
