import { SEGMENT_PROBLEMS_MAX } from "#lib/util/limits.ts";
import type { SegmentSuffix } from "../object-keys.ts";

/** One thing that is wrong with a segment. */
export interface SegmentProblem {
  readonly file: SegmentSuffix;
  /** Where in that file, in bytes. */
  readonly position: number;
  readonly problem: string;
}

/** Gathers problems, of each file no more than a reader takes in. */
export class ProblemList {
  readonly #problems: SegmentProblem[] = [];
  readonly #counts = new Map<SegmentSuffix, number>();

  add(file: SegmentSuffix, position: number, problem: string): void {
    const count = (this.#counts.get(file) ?? 0) + 1;
    this.#counts.set(file, count);
    if (count <= SEGMENT_PROBLEMS_MAX) this.#problems.push({ file, position, problem });
  }

  finish(): readonly SegmentProblem[] {
    for (const [file, count] of this.#counts) {
      const more = count - SEGMENT_PROBLEMS_MAX;
      if (more > 0) this.#problems.push({ file, position: 0, problem: `${more} more problems are not listed` });
    }
    return this.#problems;
  }
}
