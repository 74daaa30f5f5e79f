import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runSchedule } from "./schedule.ts";

/** Of `npm run sim`, which runs as many as one likes: enough to notice a broken rule, few enough for every change. */
const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);

/** Some ten times what it takes on an idle machine. */
const TEST_MS_MAX = 60_000;

describe("processes in a simulated world", { timeout: TEST_MS_MAX }, () => {
  test("keep every promise", async () => {
    const broken: string[] = [];
    let acknowledged = 0;
    for (const seed of SEEDS) {
      const result = await runSchedule(seed);
      acknowledged += result.acknowledged;
      broken.push(...result.violations.map((violation) => `seed ${seed}: ${violation}`));
    }
    expect(broken).toEqual([]);
    expect(acknowledged).toBeGreaterThan(20 * SEEDS.length);
  });

  test("take the same course for the same seed", async () => {
    for (const seed of SEEDS.slice(0, 8)) {
      const first = await runSchedule(seed);
      expect(await runSchedule(seed)).toEqual(first);
      expect(first.events).toBeGreaterThan(100);
    }
  });

  test("take the same course in another process, and others for other seeds", async () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const printed = execFileSync(process.execPath, [main, "--world", "log", "--seeds", "6", "--hashes"], {
      encoding: "utf8",
    });
    const hashes = [...printed.matchAll(/^seed (\d+) ([0-9a-f]{16})$/gm)].map(([, seed, hash]) => `${seed} ${hash}`);
    const own = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (seed) => `${seed} ${(await runSchedule(seed)).traceHash}`),
    );
    expect(hashes).toEqual(own);
    expect(new Set(own.map((line) => line.slice(2))).size).toBe(own.length);
  });
});
