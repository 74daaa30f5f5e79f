import type { Measured } from "../support/statistics.ts";
import type { BenchContext } from "../support/suite.ts";
import type { ReplicaSizes } from "./sizes.ts";

export interface ReplicasContext extends BenchContext {
  readonly sizes: ReplicaSizes;
}

/** Rows that one series of measurements gives. */
export interface ReplicasGroup {
  readonly rows: readonly string[];
  measure(context: ReplicasContext): Promise<readonly Measured[]>;
}
