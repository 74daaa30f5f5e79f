import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import type { Worker, WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { type WorkerPeriod, WorkerTasks, type WorkerTasksPorts } from "#lib/housekeeping/workers/worker-tasks.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import {
  CLEANER_PERIOD_MS,
  COMPACTOR_PERIOD_MS,
  GARBAGE_PERIOD_MS,
  GARBAGE_PERIOD_MS_MAX,
  RETENTION_PERIOD_MS,
} from "#lib/util/limits.ts";
import type { LeadershipSettings } from "./assemble-replication.ts";

/** How often workers run in a process that runs all the time. */
const PERIODS: ReadonlyMap<WorkerName, WorkerPeriod> = new Map([
  ["compactor", { periodMs: COMPACTOR_PERIOD_MS }],
  ["retention", { periodMs: RETENTION_PERIOD_MS }],
  ["cleaner", { periodMs: CLEANER_PERIOD_MS }],
  ["garbage", { periodMs: GARBAGE_PERIOD_MS, idlePeriodMsMax: GARBAGE_PERIOD_MS_MAX }],
]);

export interface WorkerAssembly extends WorkerTasksPorts, LeadershipSettings {
  readonly journals: LogJournals;
  readonly cluster: ClusterView;
}

/** The workers on the log journals that this process looks after. */
export function assembleWorkers(parts: WorkerAssembly): WorkerTasks {
  const workers: readonly Worker[] = [];
  return new WorkerTasks(workers, parts);
}

/** Runs those that are to run by themselves until `signal` aborts; resolves then. */
export function runWorkers(
  tasks: WorkerTasks,
  { workers = [] }: { readonly workers?: readonly WorkerName[] },
  signal: AbortSignal,
): Promise<void> {
  return tasks.run(new Map([...PERIODS].filter(([name]) => workers.includes(name))), signal);
}
