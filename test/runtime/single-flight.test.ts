import { describe, expect, test } from "vitest";
import type { Deferred } from "#lib/runtime/deferred.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { FreshFlight, SingleFlight } from "#lib/runtime/single-flight.ts";

function countedWork() {
  const runs: Deferred<number>[] = [];
  const work = () => {
    const run = deferred<number>();
    runs.push(run);
    return run.promise;
  };
  return { runs, work };
}

describe("single flight", () => {
  test("callers of one key share the run, and the next caller starts another", async () => {
    const { runs, work } = countedWork();
    const flight = new SingleFlight<string, number>();
    const all = Promise.all([flight.run("a", work), flight.run("a", work), flight.run("b", work)]);
    expect(runs).toHaveLength(2);
    runs[0]?.resolve(1);
    runs[1]?.resolve(2);
    expect(await all).toEqual([1, 1, 2]);
    expect(flight.size).toBe(0);
    const again = flight.run("a", work);
    runs[2]?.resolve(3);
    expect(await again).toBe(3);
  });

  test("a failure reaches all who share it and is not kept", async () => {
    const { runs, work } = countedWork();
    const flight = new SingleFlight<string, number>();
    const both = Promise.allSettled([flight.run("a", work), flight.run("a", work)]);
    runs[0]?.reject(new Error("failed"));
    expect((await both).map((result) => result.status)).toEqual(["rejected", "rejected"]);
    expect(flight.size).toBe(0);
  });
});

describe("fresh flight", () => {
  test("who asks during a run shares the next one, which begins after it", async () => {
    const { runs, work } = countedWork();
    const flight = new FreshFlight(work);
    const first = flight.run();
    const second = flight.run();
    const third = flight.run();
    expect(runs).toHaveLength(1);
    runs[0]?.resolve(1);
    expect(await first).toBe(1);
    await Promise.resolve();
    expect(runs).toHaveLength(2);
    runs[1]?.resolve(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
  });

  test("never has two runs at once", async () => {
    let running = 0;
    let most = 0;
    const flight = new FreshFlight(async () => {
      running++;
      most = Math.max(most, running);
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      running--;
    });
    const all: Promise<void>[] = [];
    for (let count = 0; count < 50; count++) {
      all.push(flight.run());
      for (let turn = 0; turn < count % 5; turn++) await Promise.resolve();
    }
    await Promise.all(all);
    expect(most).toBe(1);
  });

  test("a failed run does not spoil the next", async () => {
    const { runs, work } = countedWork();
    const flight = new FreshFlight(work);
    const first = flight.run();
    const second = flight.run();
    runs[0]?.reject(new Error("failed"));
    await expect(first).rejects.toThrow("failed");
    await Promise.resolve();
    runs[1]?.resolve(2);
    expect(await second).toBe(2);
  });
});
