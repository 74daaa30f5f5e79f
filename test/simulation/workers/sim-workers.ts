import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import { Cleaner } from "#lib/housekeeping/cleaner/cleaner.ts";
import { Compactor } from "#lib/housekeeping/compactor/compactor.ts";
import { GarbageWorker } from "#lib/housekeeping/garbage/garbage-worker.ts";
import { JournalObjectsGarbage } from "#lib/housekeeping/journal-objects-garbage.ts";
import { ProducerExpirer } from "#lib/housekeeping/retention/producer-expirer.ts";
import { RetentionWorker } from "#lib/housekeeping/retention/retention-worker.ts";
import type { WorkerRun } from "#lib/housekeeping/workers/worker.ts";
import { newWorkerReaders, type WorkerParts, type WorkerReaderPorts } from "#lib/housekeeping/workers/worker-parts.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import { defined } from "#lib/util/assert.ts";
import type { JournalId } from "#lib/util/branded.ts";

export const SIM_WORKERS = ["compactor", "cleaner", "retention", "expirer", "garbage", "journals' garbage"] as const;
export type SimWorkerName = (typeof SIM_WORKERS)[number];

export interface SimWorkerParts extends WorkerReaderPorts, Pick<WorkerParts, "writer" | "random"> {
  readonly cluster: ClusterView;
  readonly journals: LogJournals;
  readonly journalIds: () => readonly JournalId[];
  /** The journals as one of the workers sees them, where a bug is planted between them. */
  readonly journalsOf: (name: SimWorkerName) => LogJournals;
}

/** The workers of one process: those that stay, with what they remember, and others that begin anew, as a function does. */
export class SimWorkers {
  readonly #parts: SimWorkerParts;
  readonly #lasting = new Map<SimWorkerName, ReturnType<typeof make>>();

  constructor(parts: SimWorkerParts) {
    this.#parts = parts;
  }

  run(name: SimWorkerName, run: WorkerRun & { readonly isNew: boolean }): Promise<number> {
    if (run.isNew) return make(name, this.#parts).runOnce(run);
    if (!this.#lasting.has(name)) this.#lasting.set(name, make(name, this.#parts));
    return defined(this.#lasting.get(name)).runOnce(run);
  }
}

/** Every process looks after all journals: the workers must bear that, whatever leaders say. */
function make(name: SimWorkerName, given: SimWorkerParts): { runOnce(run: WorkerRun): Promise<number> } {
  const parts = { ...given, leads: () => true, journals: given.journalsOf(name) };
  switch (name) {
    case "compactor":
      // Entries are small here, and stores that make logs make them of these.
      return new Compactor({ ...parts, ...newWorkerReaders(given), composedRunBytesMin: 1 });
    case "cleaner":
      // Each group is worth a word, for what is cleaned here is small.
      return new Cleaner({ ...parts, ...newWorkerReaders(given), limits: { checkpointBytes: 1 } });
    case "retention":
      return new RetentionWorker(parts);
    case "expirer":
      return new ProducerExpirer(parts);
    case "garbage":
      return new GarbageWorker(parts);
    case "journals' garbage":
      return new JournalObjectsGarbage(parts);
  }
}
