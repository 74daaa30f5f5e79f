import type { Journal } from "#lib/journal/journal.ts";
import type { JournalObjects } from "#lib/journal/journal-objects.ts";
import type { Appender } from "#lib/log/log-api.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import type { LogStateMachine } from "#lib/log/log-state-machine.ts";
import type { PartitionDirectory } from "#lib/log/partition-directory.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { Host } from "./host.ts";

/** Where a bug can be put between the parts of a process. */
export interface Decorations {
  readonly journal?: (journal: Journal, host: Host) => Journal;
  readonly objects?: (objects: JournalObjects, host: Host) => JournalObjects;
  readonly writer?: (writer: ReplicatedWriter) => ReplicatedWriter;
  readonly logMachine?: (machine: LogStateMachine) => LogStateMachine;
  /** Of a process of the version before. */
  readonly oldMachine?: (machine: LogStateMachine) => LogStateMachine;
  readonly logJournal?: (journal: LogJournal, host: Host) => LogJournal;
  readonly directory?: (directory: PartitionDirectory) => PartitionDirectory;
  readonly appender?: (appender: Appender, host: Host) => Appender;
}

export const SOUND: Decorations = {};
