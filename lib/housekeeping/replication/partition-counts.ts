import { inSyncCount, storesOf } from "#lib/log/commit-rule.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { StoreId } from "#lib/util/branded.ts";

/** Partitions with fewer in-sync replicas than replicas, as Kafka's UnderReplicatedPartitions. */
export function underReplicatedCount(states: readonly LogState[]): number {
  return countPartitions(states, (state, stores) => inSyncCount(state, stores) < stores.length);
}

/** Partitions none of whose in-sync replicas can be reached from here. */
export function offlineCount(states: readonly LogState[], isSuspect: (id: StoreId) => boolean): number {
  return countPartitions(states, (state, stores) => stores.every((id) => !state.isr.includes(id) || isSuspect(id)));
}

function countPartitions(
  states: readonly LogState[],
  isCounted: (state: LogState, stores: readonly StoreId[]) => boolean,
): number {
  let count = 0;
  for (const state of states) {
    // Most partitions of a journal have the same replicas.
    const known = new Map<number, boolean>();
    for (const partition of state.partitions.values()) {
      const { replicationFactor } = partition;
      let counts = known.get(replicationFactor);
      if (counts === undefined) {
        counts = isCounted(state, storesOf(state, partition));
        known.set(replicationFactor, counts);
      }
      if (counts) count++;
    }
  }
  return count;
}
