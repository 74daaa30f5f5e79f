import type { StoreId } from "#lib/util/branded.ts";
import type { AppendSource } from "./log-command.ts";
import type { LogState } from "./log-state.ts";

// When a flush is committed for a partition: `max(min.insync.replicas, min(floor(RF / 2) + 1, |ISR|))` of the
// partition's stores have it, and these are the first RF of the journal's. acks=1 leaves the first term out.

export interface ReplicaSettings {
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
}

export interface CopiesNeeded {
  readonly withMinInsync: number;
  readonly withoutMinInsync: number;
}

export function storesOf(state: LogState, settings: ReplicaSettings): readonly StoreId[] {
  return state.replicas.slice(0, settings.replicationFactor);
}

export function inSyncCount(state: LogState, stores: readonly StoreId[]): number {
  return stores.filter((store) => state.isr.includes(store)).length;
}

export function copiesNeeded(state: LogState, settings: ReplicaSettings): CopiesNeeded {
  const inSync = inSyncCount(state, storesOf(state, settings));
  // One copy at least, also while no store is in sync.
  const withoutMinInsync = Math.max(1, Math.min(Math.floor(settings.replicationFactor / 2) + 1, inSync));
  return { withoutMinInsync, withMinInsync: Math.max(settings.minInsyncReplicas, withoutMinInsync) };
}

/**
 * How many of the partition's stores must have what takes the place of committed records: as many as a commit with acks=all
 * needs, for a record that was acknowledged with so many copies must not come to have fewer while stores are away. All of
 * them at most: `min.insync.replicas` may be set higher.
 */
export function copiesToReplace(state: LogState, settings: ReplicaSettings): number {
  return Math.max(1, Math.min(copiesNeeded(state, settings).withMinInsync, storesOf(state, settings).length));
}

/** Whether so many stores are in sync. While they are not, nothing need be written that would be refused. */
export function canReplace(state: LogState, settings: ReplicaSettings): boolean {
  const stores = storesOf(state, settings);
  return inSyncCount(state, stores) >= Math.min(settings.minInsyncReplicas, stores.length);
}

/** How many of the partition's stores have the flush. The journal's own replication counts as all of them. */
export function copiesOf(source: AppendSource, state: LogState, settings: ReplicaSettings): number {
  if (source.kind === "inline") return settings.replicationFactor;
  return copiesAmong(source.copies, state, settings);
}

/** How many of the partition's stores are among `copies`. */
export function copiesAmong(copies: readonly StoreId[], state: LogState, settings: ReplicaSettings): number {
  return storesOf(state, settings).filter((store) => copies.includes(store)).length;
}
