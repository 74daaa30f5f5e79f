import { describe, expect, test } from "vitest";
import { backOffMs, retry } from "#lib/runtime/back-off.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const RANGE = { minMs: 10, maxMs: 1_000 };
const NEVER = new AbortController().signal;

function ports() {
  return { clock: new ManualClock(), random: new SeededRandom(7) };
}

function failing(times: number, error = new Error("busy")) {
  let calls = 0;
  const work = async () => {
    calls++;
    if (calls <= times) throw error;
    return calls;
  };
  return { work, calls: () => calls };
}

describe("back-off", () => {
  test("stays between its bounds, which double up to the maximum", () => {
    const random = new SeededRandom(1);
    for (let attempt = 1; attempt < 100; attempt++) {
      const boundMs = Math.min(RANGE.maxMs, RANGE.minMs * 2 ** attempt);
      for (let draw = 0; draw < 20; draw++) {
        const ms = backOffMs(attempt, RANGE, random);
        expect(ms).toBeGreaterThanOrEqual(RANGE.minMs);
        expect(ms).toBeLessThan(boundMs + 1);
      }
    }
  });
});

describe("retry", () => {
  const options = { ...RANGE, attemptsMax: 4, isRetriable: (error: unknown) => String(error).includes("busy") };

  test("repeats what may pass until it succeeds", async () => {
    const { clock, random } = ports();
    const { work } = failing(3);
    expect(await clock.run(retry(work, options, { clock, random }, NEVER))).toBe(4);
    expect(clock.monotonicMs()).toBeGreaterThan(0);
  });

  test("gives up after its tries with the last error", async () => {
    const { clock, random } = ports();
    const { work, calls } = failing(100);
    await expect(clock.run(retry(work, options, { clock, random }, NEVER))).rejects.toThrow("busy");
    expect(calls()).toBe(4);
  });

  test("does not repeat what will fail again", async () => {
    const { clock, random } = ports();
    const { work, calls } = failing(100, new Error("broken"));
    await expect(clock.run(retry(work, options, { clock, random }, NEVER))).rejects.toThrow("broken");
    expect(calls()).toBe(1);
  });

  test("ends with the signal's reason during a wait", async () => {
    const { clock, random } = ports();
    const controller = new AbortController();
    const work = retry(failing(100).work, options, { clock, random }, controller.signal);
    await clock.endOfTurn();
    controller.abort(new Error("closed"));
    await expect(work).rejects.toThrow("closed");
    expect(clock.timerCount).toBe(0);
  });
});
