import { describe, expect, test } from "vitest";
import type { Decorations } from "./decorations.ts";
import { runSchedule, type ScheduleOptions } from "./schedule.ts";

export interface PlantedTests {
  /** Ends "a bug … that is planted is found". */
  readonly about: string;
  readonly bugs: ReadonlyMap<string, () => Decorations>;
  /** By bug: the seed that finds it. */
  readonly seeds: Readonly<Record<string, number>>;
  /** Of the world's schedules; left out for the first world's. */
  readonly draw?: NonNullable<ScheduleOptions["draw"]>;
}

/**
 * The seeds are those that `npm run sim -- --planted all --record` found first. When a change of the product or of the
 * simulation gives them another course, they are looked for again.
 */
export function testPlantedBugs({ about, bugs, seeds: recorded, draw }: PlantedTests): void {
  const seeds = new Map(Object.entries(recorded));
  const world = draw === undefined ? {} : { draw };
  describe(`a bug ${about}that is planted is found`, { timeout: 60_000 }, () => {
    test.each([...bugs])("%s", async (name, plant) => {
      const seed = seeds.get(name) ?? expect.fail("no seed is recorded");
      const { violations } = await runSchedule(seed, { ...world, decorations: plant(), stopsEarly: true });
      expect(violations.length, `seed ${seed}`).toBeGreaterThan(0);
    });

    test("and without it the same seeds are sound", async () => {
      for (const seed of new Set(seeds.values())) {
        expect((await runSchedule(seed, world)).violations, `seed ${seed}`).toEqual([]);
      }
    });
  });
}
