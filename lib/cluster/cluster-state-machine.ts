import type { ReplicatedStateView } from "#lib/journal/replicated-state-api.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { journalId } from "#lib/util/branded.ts";
import type { ClusterCommand, ClusterOutcome } from "./cluster-command.ts";
import { decodeClusterCommand, encodeClusterCommand, encodeClusterOutcome } from "./cluster-command-codec.ts";
import { type ClusterState, initialClusterState } from "./cluster-state.ts";
import { decodeClusterState, encodeClusterState } from "./cluster-state-codec.ts";
import { foldCluster } from "./fold-cluster.ts";

export type ClusterJournal = ReplicatedStateView<ClusterState, ClusterCommand, ClusterOutcome>;

export const CLUSTER_JOURNAL_ID = journalId("cluster");

export const clusterStateMachine: StateMachine<ClusterState, ClusterCommand, ClusterOutcome> = {
  featureLevel: 1,
  initial: initialClusterState,
  fold: foldCluster,
  encodeCommand: encodeClusterCommand,
  decodeCommand: decodeClusterCommand,
  encodeOutcome: encodeClusterOutcome,
  encodeState: encodeClusterState,
  decodeState: decodeClusterState,
  oldestNeededSeq: () => undefined,
};
