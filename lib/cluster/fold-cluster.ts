import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_CONFIGS_MAX, PRODUCER_IDS_PER_BLOCK_MAX } from "#lib/util/limits.ts";
import type {
  AllocateProducerIdsCommand,
  AlterBrokerConfigsCommand,
  AlterGroupConfigsCommand,
  ClusterCommand,
  ClusterOutcome,
  NameClusterCommand,
  RegisterStoreCommand,
} from "./cluster-command.ts";
import type { ClusterState } from "./cluster-state.ts";
import { foldBrokerHeartbeat, foldFenceBroker, foldRegisterBroker, foldStopBroker } from "./fold-brokers.ts";
import { alterConfigs } from "./fold-configs.ts";
import { foldCreateKey, foldDeleteKey } from "./fold-keys.ts";
import {
  foldAlterTopicConfigs,
  foldCreatePartitions,
  foldCreateTopic,
  foldDeleteTopic,
  foldForgetTopic,
  refused,
} from "./fold-topics.ts";

const DONE: ClusterOutcome = { kind: "done" };

/** Applies one command to the cluster. Pure: time comes with the command; nothing is logged, read or written. */
export function foldCluster(state: ClusterState, command: ClusterCommand, context: FoldContext): ClusterOutcome {
  switch (command.kind) {
    case "name-cluster":
      return foldNameCluster(state, command);
    case "create-topic":
      return foldCreateTopic(state, command, context);
    case "create-partitions":
      return foldCreatePartitions(state, command);
    case "alter-topic-configs":
      return foldAlterTopicConfigs(state, command);
    case "alter-broker-configs":
      return foldAlterBrokerConfigs(state, command);
    case "alter-group-configs":
      return foldAlterGroupConfigs(state, command);
    case "delete-topic":
      return foldDeleteTopic(state, command.topicId, context);
    case "forget-topic":
      return foldForgetTopic(state, command.topicId);
    case "allocate-producer-ids":
      return foldAllocateProducerIds(state, command);
    case "register-store":
      return foldRegisterStore(state, command);
    case "create-key":
      return foldCreateKey(state, command, context);
    case "delete-key":
      return foldDeleteKey(state, command.keyId);
    case "register-broker":
      return foldRegisterBroker(state, command, context);
    case "broker-heartbeat":
      return foldBrokerHeartbeat(state, command, context);
    case "fence-broker":
      return foldFenceBroker(state, command);
    case "stop-broker":
      return foldStopBroker(state, command);
  }
}

function foldNameCluster(state: ClusterState, command: NameClusterCommand): ClusterOutcome {
  if (state.clusterId === "") state.clusterId = command.clusterId;
  return { kind: "named", clusterId: state.clusterId };
}

function foldAlterBrokerConfigs(state: ClusterState, command: AlterBrokerConfigsCommand): ClusterOutcome {
  const standing = state.brokerConfigs.get(command.brokerName) ?? new Map<string, string>();
  const result = alterConfigs(standing, command.alteration);
  if (result.kind === "too-long") return refused(ErrorCode.INVALID_CONFIG, result.key);
  if (result.configs.size === 0) state.brokerConfigs.delete(command.brokerName);
  else state.brokerConfigs.set(command.brokerName, result.configs);
  return DONE;
}

function foldAlterGroupConfigs(state: ClusterState, command: AlterGroupConfigsCommand): ClusterOutcome {
  const { groupId } = command;
  const standing = state.groupConfigs.get(groupId);
  const result = alterConfigs(standing ?? new Map<string, string>(), command.alteration);
  if (result.kind === "too-long") return refused(ErrorCode.INVALID_CONFIG, result.key);
  if (result.configs.size === 0) {
    state.groupConfigs.delete(groupId);
    return DONE;
  }
  const isFull = standing === undefined && state.groupConfigs.size >= GROUP_CONFIGS_MAX;
  if (isFull) return refused(ErrorCode.POLICY_VIOLATION, "groups");
  state.groupConfigs.set(groupId, result.configs);
  return DONE;
}

function foldAllocateProducerIds(state: ClusterState, command: AllocateProducerIdsCommand): ClusterOutcome {
  const first = state.nextProducerId;
  if (command.count < 1 || command.count > PRODUCER_IDS_PER_BLOCK_MAX) return refused(ErrorCode.INVALID_REQUEST);
  if (!Number.isSafeInteger(first + command.count)) return refused(ErrorCode.UNKNOWN_SERVER_ERROR, "producer ids");
  state.nextProducerId = first + command.count;
  return { kind: "producer-ids", first };
}

function foldRegisterStore(state: ClusterState, command: RegisterStoreCommand): ClusterOutcome {
  const { storeId, identity, url } = command;
  const standing = state.stores.get(storeId);
  if (standing !== undefined) {
    if (standing.identity !== identity) return refused(ErrorCode.DUPLICATE_BROKER_REGISTRATION, standing.identity);
    // The same store at another address: its marker object has moved with it.
    standing.url = url;
    return DONE;
  }
  for (const other of state.stores.values()) {
    // Two ids for one store would count one copy twice.
    if (other.identity === identity) return refused(ErrorCode.DUPLICATE_BROKER_REGISTRATION, String(other.storeId));
  }
  state.stores.set(storeId, { storeId, identity, url });
  return DONE;
}
