import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import type { Journal } from "#lib/journal/journal.ts";
import type { JournalObjects } from "#lib/journal/journal-objects.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { StoredJournalObjects } from "#lib/storage/journal-objects.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { BrokerId } from "#lib/util/branded.ts";

/** What a broker runs on: memory in tests, SQLite and directories embedded, AWS at home. */
export interface BrokerPorts {
  readonly journal: Journal;
  readonly stores: StoreSet;
  /** Which of them fail, as far as somebody watches. */
  readonly health?: StoreHealth;
  /** Memory that the stores read into best, as `RangeReaderOptions` has it. */
  readonly newReadMemory?: ((byteLength: number) => Uint8Array) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Nothing is counted without it. */
  readonly telemetry?: Telemetry;
  /**
   * Whether something proves that no process of that broker lives, such as a lock that ends with it. Left out where only its
   * silence tells.
   */
  readonly isProvenDead?: (brokerId: BrokerId) => boolean;
  /** Records after which a journal's snapshot may be due; the default suits journals that are paid by the request. */
  readonly snapshotRecordsMin?: number;
}

/** What every journal of a process is opened with. */
export interface JournalPorts extends Omit<BrokerPorts, "stores" | "health"> {
  readonly objects: JournalObjects;
}

const HOUR_MS = 60 * 60 * 1000;

export function journalPorts(ports: BrokerPorts, writer: ReplicatedWriter): JournalPorts {
  const { stores, health, ...shared } = ports;
  const { clock, random, logger } = ports;
  const objects = new StoredJournalObjects({
    stores,
    writer,
    clock,
    random,
    logger,
    health,
    // As many copies as a commit needs at the default replication factor (docs/ARCHITECTURE.md J5).
    placement: () => ({ stores: stores.ids, needed: Math.floor(stores.ids.length / 2) + 1 }),
    uploadEpoch: () => Math.floor(clock.nowMs() / HOUR_MS),
  });
  return { ...shared, objects };
}

/** The cluster journal, opened. Rejects if it cannot be read. */
export async function openCluster(
  ports: JournalPorts,
  signal: AbortSignal,
): Promise<ReplicatedState<ClusterState, ClusterCommand, ClusterOutcome>> {
  const cluster = new ReplicatedState({ id: CLUSTER_JOURNAL_ID, machine: clusterStateMachine, ...ports });
  await cluster.open(signal);
  return cluster;
}
