import { CLUSTER_JOURNAL_ID } from "#lib/cluster/cluster-state-machine.ts";
import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import { groupJournalId } from "#lib/coordinator/group-journals.ts";
import { Cleaner } from "#lib/housekeeping/cleaner/cleaner.ts";
import { Compactor } from "#lib/housekeeping/compactor/compactor.ts";
import { GarbageWorker } from "#lib/housekeeping/garbage/garbage-worker.ts";
import { JournalObjectsGarbage } from "#lib/housekeeping/journal-objects-garbage.ts";
import { ProducerExpirer } from "#lib/housekeeping/retention/producer-expirer.ts";
import { RetentionWorker } from "#lib/housekeeping/retention/retention-worker.ts";
import type { Worker, WorkerName, WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import { newWorkerReaders, type WorkerParts } from "#lib/housekeeping/workers/worker-parts.ts";
import { type WorkerPeriod, WorkerTasks } from "#lib/housekeeping/workers/worker-tasks.ts";
import { type LogJournals, logJournalId } from "#lib/log/log-journals.ts";
import type { TailCache } from "#lib/log/tail-cache.ts";
import { LOG_SEGMENTS, SEGMENT_BYTES_WRITTEN, SEGMENTS_WRITTEN, WRITE_AHEAD_ENTRIES } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { JournalId } from "#lib/util/branded.ts";
import {
  CLEANER_PERIOD_MS,
  COMPACTOR_PERIOD_MS,
  GARBAGE_PERIOD_MS,
  GARBAGE_PERIOD_MS_MAX,
  RETENTION_PERIOD_MS,
} from "#lib/util/limits.ts";
import { type LeadershipSettings, leadership } from "./assemble-replication.ts";
import type { BrokerPorts } from "./open-journals.ts";

/** How often workers run in a process that runs all the time. */
const PERIODS: ReadonlyMap<WorkerName, WorkerPeriod> = new Map([
  ["compactor", { periodMs: COMPACTOR_PERIOD_MS }],
  ["retention", { periodMs: RETENTION_PERIOD_MS }],
  ["expirer", { periodMs: RETENTION_PERIOD_MS }],
  ["cleaner", { periodMs: CLEANER_PERIOD_MS }],
  ["garbage", { periodMs: GARBAGE_PERIOD_MS, idlePeriodMsMax: GARBAGE_PERIOD_MS_MAX }],
]);

export interface WorkerAssembly extends BrokerPorts, LeadershipSettings {
  readonly journals: LogJournals;
  readonly groupJournalCount: number;
  readonly cluster: ClusterView;
  readonly writer: ReplicatedWriter;
  /** The one that fetches read from. */
  readonly tailCache: TailCache;
  readonly onCopyLost: (lost: LostCopy) => void;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
}

/** The workers on the log journals that this process looks after. The expirer is the one of producers alone. */
export function assembleWorkers(given: WorkerAssembly): WorkerTasks {
  const { cluster, telemetry, signal } = given;
  const parts = { ...given, leads: leadership(cluster, given), journalIds: () => allJournalIds(given) };
  if (telemetry !== undefined) addFigures(telemetry, parts);
  const rewriting = () => {
    const readers = newWorkerReaders(parts);
    signal.addEventListener("abort", () => readers.objects[Symbol.dispose](), { once: true });
    return { ...parts, ...readers };
  };
  return new WorkerTasks(
    new Map<WorkerName, () => Worker>([
      ["compactor", () => new Compactor(rewriting())],
      ["cleaner", () => new Cleaner(rewriting())],
      ["retention", () => new RetentionWorker(parts)],
      ["expirer", () => new ProducerExpirer(parts)],
      ["garbage", () => new FirstJournalWorker([new GarbageWorker(parts), new JournalObjectsGarbage(parts)], parts)],
    ]),
    given,
  );
}

function allJournalIds({ journals, groupJournalCount }: WorkerAssembly): readonly JournalId[] {
  const logs = Array.from({ length: journals.count }, (_, number) => logJournalId(number));
  const groups = Array.from({ length: groupJournalCount }, (_, number) => groupJournalId(number));
  return [CLUSTER_JOURNAL_ID, ...logs, ...groups];
}

/** Runs those that are to run by themselves until `signal` aborts; resolves then. */
export function runWorkers(
  tasks: WorkerTasks,
  { workers = [] }: { readonly workers?: readonly WorkerName[] },
  signal: AbortSignal,
): Promise<void> {
  return tasks.run(new Map([...PERIODS].filter(([name]) => workers.includes(name))), signal);
}

/** What concerns all journals is done by one process: the one that looks after the first. */
class FirstJournalWorker implements Worker {
  readonly name = "garbage";
  readonly #workers: readonly Pick<Worker, "runOnce">[];
  readonly #parts: Pick<WorkerParts, "journals" | "leads">;

  constructor(workers: readonly Pick<Worker, "runOnce">[], parts: Pick<WorkerParts, "journals" | "leads">) {
    this.#workers = workers;
    this.#parts = parts;
  }

  /** All of them run, whichever fails. */
  async runOnce(run: WorkerRun): Promise<number> {
    const { journals, leads } = this.#parts;
    const first = await journals.journal(0, run.signal);
    if (!leads(first.state)) return 0;
    const results = await Promise.allSettled(this.#workers.map((worker) => worker.runOnce(run)));
    let count = 0;
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
      count += result.value;
    }
    return count;
  }
}

function addFigures(telemetry: Telemetry, { journals, leads }: Pick<WorkerParts, "journals" | "leads">): void {
  const total = (field: "entries" | "segments"): number => {
    let count = 0;
    for (const { state } of journals.allOpened()) {
      if (leads(state)) for (const partition of state.partitions.values()) count += partition[field].length;
    }
    return count;
  };
  telemetry.gauge(WRITE_AHEAD_ENTRIES, () => total("entries"));
  telemetry.gauge(LOG_SEGMENTS, () => total("segments"));
  // The cleaner counts its own, with what they are worth.
  journals.onFold(({ state }, command, outcome) => {
    if (command.kind !== "replace" || outcome.kind !== "done" || !leads(state)) return;
    for (const { isCleaned, byteLength } of command.segments) {
      if (isCleaned) continue;
      telemetry.count(SEGMENTS_WRITTEN, 1, { worker: "compactor" });
      telemetry.count(SEGMENT_BYTES_WRITTEN, byteLength, { worker: "compactor" });
    }
  });
}
