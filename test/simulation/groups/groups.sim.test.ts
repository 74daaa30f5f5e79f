import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runGroupSchedule } from "./group-schedule.ts";
import { PLANTED_GROUP_BUGS } from "./planted-group-bugs.ts";
import PLANTED_SEEDS from "./planted-group-seeds.json" with { type: "json" };

// Of `npm run sim`, which runs as many as one likes. The planted seeds are those that
// `npm run sim -- --planted all --record` found first.

const SEEDS = Array.from({ length: 4 }, (_, index) => index + 1);
const RECORDED = new Map<string, number>(Object.entries(PLANTED_SEEDS));

describe("groups in a simulated world", { timeout: 60_000 }, () => {
  test("keep every promise", async () => {
    const broken: string[] = [];
    let commits = 0;
    for (const seed of SEEDS) {
      const result = await runGroupSchedule(seed);
      commits += result.commits;
      broken.push(...result.violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(broken).toEqual([]);
    expect(commits).toBeGreaterThan(10 * SEEDS.length);
  });

  test("take the same course for the same seed, and another for another", async () => {
    const [one, two] = [await runGroupSchedule(1), await runGroupSchedule(2)];
    expect(await runGroupSchedule(1)).toEqual(one);
    expect(one.traceHash).not.toBe(two.traceHash);
    expect(one.events).toBeGreaterThan(100);
  });

  test("take the same course in another process", async () => {
    const main = fileURLToPath(new URL("../main.ts", import.meta.url));
    const options = ["--world", "groups", "--seeds", "2", "--hashes"];
    const printed = execFileSync(process.execPath, [main, ...options], { encoding: "utf8" });
    const hashes = [...printed.matchAll(/^groups seed \d ([0-9a-f]{16})$/gm)].map(([, hash]) => hash);
    expect(hashes).toEqual([(await runGroupSchedule(1)).traceHash, (await runGroupSchedule(2)).traceHash]);
  });
});

describe("a bug that is planted in groups is found", { timeout: 60_000 }, () => {
  test.each([...PLANTED_GROUP_BUGS])("%s", async (name, plant) => {
    const seed = RECORDED.get(name) ?? expect.fail("no seed is recorded");
    const { violations } = await runGroupSchedule(seed, { decorations: plant(), stopsEarly: true });
    expect(violations.length, `seed ${seed}`).toBeGreaterThan(0);
  });

  test("and without it the same seeds are sound", async () => {
    for (const seed of new Set(RECORDED.values())) {
      expect((await runGroupSchedule(seed)).violations, `seed ${seed}`).toEqual([]);
    }
  });
});
