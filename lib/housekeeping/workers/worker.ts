import type { JournalId, Offset } from "#lib/util/branded.ts";

export type WorkerName = "compactor" | "cleaner" | "retention" | "garbage" | "replicator" | "expirer";

export const WORKER_NAMES: readonly WorkerName[] = [
  "compactor",
  "cleaner",
  "retention",
  "garbage",
  "replicator",
  "expirer",
];

/** Those that a broker runs by itself unless it is told otherwise. The replicator is a part of it wherever there are several stores. */
export const PERIODIC_WORKERS = [
  "compactor",
  "cleaner",
  "retention",
  "garbage",
  "expirer",
] as const satisfies readonly WorkerName[];

/** Where each journal's logs ended when a series of runs came to it first, by `partitionKey`. */
export type SeriesEnds = Map<JournalId, ReadonlyMap<string, Offset>>;

export interface WorkerRun {
  /** By hand: ages, sizes and schedules do not count. That nothing is deleted before all journals have retired it always does. */
  readonly isForced: boolean;
  /**
   * Of a series of runs by hand, which would have no end where records come as fast as they are worked on: empty at first,
   * and the same for all of its runs. Without it each run is a series of its own.
   */
  readonly ends?: SeriesEnds | undefined;
  readonly signal: AbortSignal;
}

/** A scheduled worker (docs/ARCHITECTURE.md section 6). Several may run at once, and each may be killed at any step. */
export interface Worker {
  readonly name: WorkerName;
  /** One bounded pass. Answers how much it has changed: 0 if there was nothing to do. */
  runOnce(run: WorkerRun): Promise<number>;
}
