import { assert } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";

/** A run of offsets: an entry, a segment. */
interface OffsetRun {
  /** One past its last offset. */
  readonly nextOffset: Offset;
}

/** Index of the run that holds `offset`, of runs in ascending order; 0 if it lies before all of them, their number if behind. */
export function findByOffset(runs: readonly OffsetRun[], offset: Offset): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const run = runs[middle];
    assert(run !== undefined, "a run's index is out of range");
    if (run.nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
