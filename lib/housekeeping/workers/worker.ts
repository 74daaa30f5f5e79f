export type WorkerName = "compactor" | "cleaner" | "retention" | "garbage" | "replicator" | "expirer";

export const WORKER_NAMES: readonly WorkerName[] = [
  "compactor",
  "cleaner",
  "retention",
  "garbage",
  "replicator",
  "expirer",
];

export interface WorkerRun {
  /** By hand: ages, sizes and schedules do not count. That nothing is deleted before all journals have retired it always does. */
  readonly isForced: boolean;
  readonly signal: AbortSignal;
}

/** A scheduled worker (docs/ARCHITECTURE.md section 6). Several may run at once, and each may be killed at any step. */
export interface Worker {
  readonly name: WorkerName;
  /** One bounded pass. Answers how much it has changed: 0 if there was nothing to do. */
  runOnce(run: WorkerRun): Promise<number>;
}
