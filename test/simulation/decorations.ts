import type { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { CopyTracker, CopyTrackerOptions } from "#lib/housekeeping/replication/copy-tracker.ts";
import type { Journal } from "#lib/journal/journal.ts";
import type { JournalObjects } from "#lib/journal/journal-objects.ts";
import type { Appender, Fetcher } from "#lib/log/log-api.ts";
import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import type { PartitionDirectory } from "#lib/log/partition-directory.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import type { ReplicatedWriter, ReplicatedWriterPorts } from "#lib/storage/replicated-put.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { Host } from "./host.ts";
import type { SimWorkerName } from "./workers/sim-workers.ts";

/** Where a bug can be put between the parts of a world, in place of the sound part. */
export interface Decorations {
  readonly journalService?: (clock: Clock, options: { readonly checksTrimMark: boolean }) => MemoryJournalService;
  readonly journal?: (journal: Journal, host: Host) => Journal;
  /** The cluster journal, as a broker sees it that gives its signs of life and watches for those of others. */
  readonly clusterJournal?: (journal: ClusterJournal, host: Host) => ClusterJournal;
  readonly health?: (clock: Clock) => StoreHealth;
  readonly tracker?: (options: CopyTrackerOptions) => CopyTracker;
  readonly objects?: (objects: JournalObjects) => JournalObjects;
  readonly writer?: (ports: ReplicatedWriterPorts) => ReplicatedWriter;
  readonly logMachine?: (machine: LogStateMachine) => LogStateMachine;
  /** Of a process of the version before. */
  readonly oldMachine?: (machine: LogStateMachine) => LogStateMachine;
  readonly logJournal?: (journal: LogJournal) => LogJournal;
  readonly directory?: (directory: PartitionDirectory) => PartitionDirectory;
  readonly appender?: (appender: Appender) => Appender;
  readonly fetcher?: (fetcher: Fetcher, host: Host) => Fetcher;
  readonly store?: (store: ObjectStore, host: Host) => ObjectStore;
  /** The log journals, as one of the workers of a process sees them. */
  readonly workerJournals?: (name: SimWorkerName, journals: LogJournals, host: Host) => LogJournals;
}

export const SOUND: Decorations = {};
