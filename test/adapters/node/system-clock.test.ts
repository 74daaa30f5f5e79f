import { describe, expect, test } from "vitest";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";

const clock = new SystemClock();

describe("SystemClock", () => {
  test("sleeps for about as long as asked", async () => {
    const startMs = clock.monotonicMs();
    await clock.sleep(20);
    expect(clock.monotonicMs() - startMs).toBeGreaterThan(15);
  });

  test("ends a sleep with the signal's reason", async () => {
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);
    controller.abort(new Error("woken"));
    await expect(sleeping).rejects.toThrow("woken");
    await expect(clock.sleep(1, controller.signal)).rejects.toThrow("woken");
  });

  test("calls what is scheduled, unless cancelled", async () => {
    const calls: string[] = [];
    clock.schedule(1, () => calls.push("kept"));
    clock.schedule(1, () => calls.push("cancelled")).cancel();
    await clock.sleep(20);
    expect(calls).toEqual(["kept"]);
  });

  test("the end of the turn comes after what is already waiting", async () => {
    const order: string[] = [];
    const end = clock.endOfTurn().then(() => order.push("end"));
    void Promise.resolve().then(() => order.push("waiting"));
    await end;
    expect(order).toEqual(["waiting", "end"]);
  });
});

describe("SystemRandom", () => {
  test("draws numbers below the bound and bytes as many as asked", () => {
    const random = new SystemRandom();
    for (let draw = 0; draw < 100; draw++) {
      const value = random.below(3);
      expect([0, 1, 2]).toContain(value);
    }
    expect(random.below(2 ** 32)).toBeLessThan(2 ** 32);
    expect(random.bytes(16)).toHaveLength(16);
    expect(Buffer.compare(random.bytes(16), random.bytes(16))).not.toBe(0);
  });
});
