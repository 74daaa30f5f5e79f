import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import { groupJournalId } from "#lib/coordinator/group-journals.ts";
import { CopyTracker } from "#lib/housekeeping/replication/copy-tracker.ts";
import { offlineCount, underReplicatedCount } from "#lib/housekeeping/replication/partition-counts.ts";
import { Replication } from "#lib/housekeeping/replication/replication.ts";
import { SnapshotReferences } from "#lib/housekeeping/replication/snapshot-references.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { OFFLINE_PARTITIONS, OWED_COPIES, OWED_COPY_BYTES, UNDER_REPLICATED_PARTITIONS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { markerOfIdentity, type StoreMarker } from "#lib/storage/store-marker.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";
import type { BrokerPorts } from "./open-journals.ts";

/** The stores of a process, and what it learns of them by using them. */
export interface WatchedStores {
  /** In place of the stores given: every call tells `health`. */
  readonly stores: StoreSet;
  readonly health: StoreHealth;
  readonly tracker: CopyTracker;
}

export function watchReplicas(
  { stores, clock }: BrokerPorts,
  options: { readonly isOnDemand: boolean },
): WatchedStores {
  const health = new StoreHealth(clock);
  return {
    stores: watchStores(stores, health),
    health,
    tracker: new CopyTracker({ storeIds: stores.ids, clock, isThorough: !options.isOnDemand }),
  };
}

export interface ReplicationParts extends Omit<BrokerPorts, "stores" | "health">, LeadershipSettings {
  readonly watched: WatchedStores;
  readonly journals: LogJournals;
  readonly groupJournalCount: number;
  readonly cluster: ClusterView;
  readonly clusterJournal: ClusterJournal;
}

/**
 * Which journals a process looks after: a running broker those that it leads, a process that runs on demand those that no
 * running broker leads, and who is told so all of them.
 */
export function leadership(
  cluster: ClusterView,
  { brokerId, isOnDemand, looksAfterAll = false }: LeadershipSettings,
): (state: LogState) => boolean {
  return ({ leader }) => {
    if (looksAfterAll) return true;
    if (isOnDemand) return cluster.runningBroker(leader.brokerId) === undefined;
    // One that never registers, as in tests, is alone.
    return cluster.brokers().length === 0 || leader.brokerId === brokerId;
  };
}

export interface LeadershipSettings {
  readonly brokerId: BrokerId;
  readonly isOnDemand: boolean;
  /** For work by hand. */
  readonly looksAfterAll?: boolean;
}

/** What keeps replicas whole, for the journals that this process looks after. */
export function assembleReplication(parts: ReplicationParts): Replication {
  const { watched, journals, cluster, clusterJournal, telemetry } = parts;
  const snapshots = new SnapshotReferences({
    ...parts,
    stores: watched.stores,
    journalIds() {
      const led = watched.tracker.led();
      // Journals without a leader go with the first log journal.
      const isFirstLed = led.some(({ journalNumber }) => journalNumber === 0);
      const groups = Array.from({ length: parts.groupJournalCount }, (_, number) => groupJournalId(number));
      return [...led.map(({ journal }) => journal.id), ...(isFirstLed ? [clusterJournal.id, ...groups] : [])];
    },
  });
  const replication = new Replication({
    ...parts,
    ...watched,
    snapshots,
    leads: leadership(cluster, parts),
    lagMsMax: () => cluster.brokerInteger("replica.lag.time.max.ms"),
    markerOf: (id) => markerOf(clusterJournal, id),
  });
  if (telemetry !== undefined) addGauges(telemetry, { replication, watched, journals });
  return replication;
}

function markerOf(clusterJournal: ClusterJournal, storeId: StoreId): StoreMarker | undefined {
  const registered = clusterJournal.state.stores.get(storeId);
  return registered && markerOfIdentity(storeId, registered.identity);
}

function addGauges(
  telemetry: Telemetry,
  parts: { readonly replication: Replication; readonly watched: WatchedStores; readonly journals: LogJournals },
): void {
  const { replication, watched, journals } = parts;
  const { tracker, health } = watched;
  const total = (field: "owedObjects" | "owedBytes") =>
    replication.stores().reduce((sum, status) => sum + status[field], 0);
  telemetry.gauge(UNDER_REPLICATED_PARTITIONS, () =>
    underReplicatedCount(tracker.led().map(({ journal }) => journal.state)),
  );
  telemetry.gauge(OFFLINE_PARTITIONS, () =>
    offlineCount(
      journals.allOpened().map((journal) => journal.state),
      (id) => health.isSuspect(id),
    ),
  );
  telemetry.gauge(OWED_COPIES, () => total("owedObjects"));
  telemetry.gauge(OWED_COPY_BYTES, () => total("owedBytes"));
}
