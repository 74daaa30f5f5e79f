import type { ReplicatedStateView } from "#lib/journal/replicated-state-api.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { journalId } from "#lib/util/branded.ts";
import type { ClusterCommand, ClusterOutcome } from "./cluster-command.ts";
import { decodeClusterCommand, encodeClusterCommand, encodeClusterOutcome } from "./cluster-command-codec.ts";
import { type ClusterState, initialClusterState } from "./cluster-state.ts";
import { decodeClusterState, encodeClusterState } from "./cluster-state-codec.ts";
import { foldCluster } from "./fold-cluster.ts";

export interface ClusterJournal extends ReplicatedStateView<ClusterState, ClusterCommand, ClusterOutcome> {
  /** See `ReplicatedState`. */
  raiseFeatureLevel(level: number, signal: AbortSignal): Promise<void>;
}

export const CLUSTER_JOURNAL_ID = journalId("cluster");

/** Keys of the HTTPS door. */
export const API_KEYS_FEATURE_LEVEL = 2;
export const GROUP_CONFIGS_FEATURE_LEVEL = 3;
/** Brokers: registrations, heartbeats and ends. */
export const BROKERS_FEATURE_LEVEL = 4;

export const clusterStateMachine: StateMachine<ClusterState, ClusterCommand, ClusterOutcome> = {
  featureLevel: BROKERS_FEATURE_LEVEL,
  initial: initialClusterState,
  fold: foldCluster,
  encodeCommand: encodeClusterCommand,
  decodeCommand: decodeClusterCommand,
  encodeOutcome: encodeClusterOutcome,
  encodeState: encodeClusterState,
  decodeState: decodeClusterState,
  oldestNeededSeq: () => undefined,
};
