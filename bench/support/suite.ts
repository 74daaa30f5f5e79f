import type { Measured } from "./statistics.ts";

/** Benchmarks that run by one name: `npm run bench -- NAME`. */
export interface BenchSuite {
  readonly name: string;
  readonly what: string;
  run(context: BenchContext): Promise<readonly Measured[]>;
}

export interface BenchContext {
  /** Shows that everything works, in a fraction of the time; its figures mean nothing. */
  readonly isSmall: boolean;
  readonly repeats: number;
  /** Of the log that is filled and read, where the suite takes a size: in GB. */
  readonly gigabytes?: number | undefined;
  readonly partitions?: number | undefined;
  /** Whether the row, or the group of rows that one measurement gives, was asked for. */
  wants(row: string): boolean;
  /** Progress, for people. */
  say(line: string): void;
}
