import { expect, test } from "vitest";
import { canReplace, copiesToReplace } from "#lib/log/commit-rule.ts";
import { initialLogState } from "#lib/log/log-state-machine.ts";

const stateOf = (isr: readonly number[]) => ({ ...initialLogState(), replicas: [0, 1, 2], isr });
const settingsOf = (replicationFactor: number, minInsyncReplicas: number) => ({ replicationFactor, minInsyncReplicas });

test("what replaces committed records needs the copies of acks=all, whichever stores are in sync", () => {
  const needed = (isr: readonly number[], minInsync: number) => copiesToReplace(stateOf(isr), settingsOf(3, minInsync));
  expect([needed([0, 1, 2], 1), needed([0, 1, 2], 2), needed([0, 1, 2], 3)]).toEqual([2, 2, 3]);
  expect([needed([0], 1), needed([0], 2), needed([], 2)]).toEqual([1, 2, 2]);
});

test("it waits until so many stores are in sync, but never for more than there are", () => {
  expect([[0, 1, 2], [0, 1], [0], []].map((isr) => canReplace(stateOf(isr), settingsOf(3, 2)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect([copiesToReplace(stateOf([0]), settingsOf(1, 2)), canReplace(stateOf([0]), settingsOf(1, 2))]).toEqual([
    1,
    true,
  ]);
  expect(canReplace(stateOf([1, 2]), settingsOf(1, 1))).toBe(false);
});
