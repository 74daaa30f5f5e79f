import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { wantedIsr } from "#lib/housekeeping/replication/isr-keeper.ts";

const wanted = (
  isr: readonly number[],
  about: { readonly bad?: readonly number[]; readonly whole?: readonly number[] },
) =>
  wantedIsr(
    { replicas: [2, 0, 1], isr },
    { isBad: (id) => about.bad?.includes(id) ?? false, isWhole: (id) => about.whole?.includes(id) ?? false },
  );

describe("the ISR that a journal should have", () => {
  test("is the one that it has while nothing is wrong", () => {
    expect(wanted([2, 0, 1], {})).toBeUndefined();
    expect(wanted([2, 1], {})).toBeUndefined();
  });

  test("leaves out what is bad, and takes in what is whole, in the order of the replicas", () => {
    expect(wanted([2, 0, 1], { bad: [0] })).toEqual([2, 1]);
    expect(wanted([1], { whole: [2] })).toEqual([2, 1]);
    expect(wanted([0, 1], { bad: [1], whole: [2] })).toEqual([2, 0]);
  });

  test("stays when all of it is bad, but lets one in that is whole", () => {
    expect(wanted([0, 1], { bad: [0, 1] })).toBeUndefined();
    expect(wanted([0, 1], { bad: [0, 1], whole: [2] })).toEqual([2, 0, 1]);
  });

  test("is never empty, names no strangers, and once it is there nothing more is wanted", () => {
    const ids = fc.subarray([0, 1, 2]);
    fc.assert(
      fc.property(fc.subarray([0, 1, 2], { minLength: 1 }), ids, ids, (unordered, bad, either) => {
        const isr = [2, 0, 1].filter((id) => unordered.includes(id));
        const whole = either.filter((id) => !bad.includes(id));
        const first = wanted(isr, { bad, whole });
        if (first === undefined) return;
        expect(first.length).toBeGreaterThan(0);
        expect([2, 0, 1]).toEqual(expect.arrayContaining([...first]));
        // What was kept for want of a good one may go in the second step.
        const second = wanted(first, { bad, whole }) ?? first;
        expect(wanted(second, { bad, whole })).toBeUndefined();
      }),
    );
  });
});
