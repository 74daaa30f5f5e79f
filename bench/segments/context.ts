import type { Measured } from "../support/statistics.ts";
import type { BenchContext } from "../support/suite.ts";
import type { Scratch } from "./scratch.ts";
import type { SegmentSizes } from "./sizes.ts";

export interface SegmentsContext extends BenchContext {
  readonly sizes: SegmentSizes;
  readonly scratch: Scratch;
}

/** Rows that one series of measurements gives. */
export interface SegmentRows {
  readonly rows: readonly string[];
  measure(context: SegmentsContext): Promise<readonly Measured[]>;
}
