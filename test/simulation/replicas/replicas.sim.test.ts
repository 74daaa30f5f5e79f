import { describe, expect, test } from "vitest";
import { runSchedule } from "../schedule.ts";
import { drawReplicaProfile } from "./replica-profile.ts";

/** Of `npm run sim -- --world replicas`, which runs as many as one likes. */
const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);

/** Some ten times what it takes on an idle machine. */
const TEST_MS_MAX = 60_000;

describe("processes whose stores fail, lose what they held and cannot be reached", { timeout: TEST_MS_MAX }, () => {
  test("keep every promise", async () => {
    const broken: string[] = [];
    let acknowledged = 0;
    let losses = 0;
    const onTrace = (line: string) => {
      if (/store \d+ loses [1-9]/.test(line)) losses++;
    };
    for (const seed of SEEDS) {
      const result = await runSchedule(seed, { draw: drawReplicaProfile, onTrace });
      acknowledged += result.acknowledged;
      broken.push(...result.violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(broken).toEqual([]);
    expect(acknowledged).toBeGreaterThan(15 * SEEDS.length);
    expect(losses).toBeGreaterThan(0);
  });

  test("take the same course for the same seed", async () => {
    for (const seed of SEEDS.slice(0, 2)) {
      const first = await runSchedule(seed, { draw: drawReplicaProfile });
      expect(await runSchedule(seed, { draw: drawReplicaProfile })).toEqual(first);
    }
  });
});
