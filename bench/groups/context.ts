import { type Contestant, quick, type Running, startAll } from "../kafka/contestants.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchContext } from "../support/suite.ts";
import type { GroupSizes } from "./sizes.ts";

export interface GroupsContext extends BenchContext {
  readonly sizes: GroupSizes;
}

/** Rows that one series of measurements gives. */
export interface GroupRows {
  readonly rows: readonly string[];
  measure(context: GroupsContext): Promise<readonly Measured[]>;
}

/** What a group waits for before its first generation is the same everywhere: nothing. */
const CONFIGS = { "group.initial.rebalance.delay.ms": "0" };

export function startBrokers(
  contestants: readonly Contestant[],
  context: GroupsContext,
  stack: AsyncDisposableStack,
): Promise<readonly Running[]> {
  const ready = contestants.map((contestant) => {
    const { configs, ...rest } = context.isSmall ? quick(contestant) : contestant;
    return { ...rest, configs: { ...configs, ...CONFIGS } };
  });
  return startAll(ready, stack);
}
