import type { Measured } from "../support/statistics.ts";
import type { BenchContext } from "../support/suite.ts";
import { type Contestant, quick, type Running, startAll } from "./contestants.ts";
import type { Sizes } from "./sizes.ts";

export interface KafkaContext extends BenchContext {
  readonly sizes: Sizes;
}

/** Rows that one series of measurements gives. */
export interface RowGroup {
  readonly rows: readonly string[];
  measure(context: KafkaContext): Promise<readonly Measured[]>;
}

/** Starts the brokers of a group; in a small run those that start fast. */
export function startBrokers(
  contestants: readonly Contestant[],
  context: BenchContext,
  stack: AsyncDisposableStack,
): Promise<readonly Running[]> {
  return startAll(context.isSmall ? contestants.map(quick) : contestants, stack);
}

/**
 * Measures each item once for each repeat, after a warm-up of each, one item at a time. The order is swapped from repeat
 * to repeat: whoever comes first meets another machine than who comes last.
 */
export async function alternate<T, R>(
  items: readonly T[],
  context: BenchContext,
  how: { readonly measure: (item: T) => Promise<R>; readonly keep: (item: T, result: R) => void },
): Promise<void> {
  if (!context.isSmall) for (const item of items) await how.measure(item);
  for (let repeat = 0; repeat < context.repeats; repeat++) {
    for (const item of repeat % 2 === 0 ? items : [...items].reverse()) how.keep(item, await how.measure(item));
  }
}
