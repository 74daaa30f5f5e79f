import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { AlterPartitionReassignmentsRequest } from "#lib/protocol/messages/alter-partition-reassignments.ts";
import { adminTimeLimit, errorOfRefusal, type ItemError, itemError, NO_ERROR } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type FindTopic, findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import { replicaListFault } from "../manual-assignment.ts";
import { hasPartition } from "../resolve-topics.ts";

// AlterPartitionReassignments v0-1 (KIP-455).
// - Replicas have their places from the creation of the topic on and never move (docs/ARCHITECTURE.md section 3): the
//   ones that a partition has are granted, in their order, and all others are INVALID_REPLICA_ASSIGNMENT.
// - There is nothing to cancel: NO_REASSIGNMENT_IN_PROGRESS.
// v1 may forbid another replication factor (KIP-860).

type RequestPartition = AlterPartitionReassignmentsRequest["topics"][number]["partitions"][number];

export const alterPartitionReassignments = handler(
  Apis.ALTER_PARTITION_REASSIGNMENTS,
  async (request, context, services) => {
    using limit = adminTimeLimit(request.timeoutMs, context, services);
    const { topics, allowReplicationFactorChange } = request;
    const asked = topics.map(({ name, partitions }) => ({
      name,
      partitionIndexes: partitions.map(({ partitionIndex }) => partitionIndex),
    }));
    const find = await findTopics(asked, services, limit.signal);
    const reassignment = { find, services, allowReplicationFactorChange };
    const responses = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        ...reassign(name, partition, reassignment),
      })),
    }));
    return { allowReplicationFactorChange, ...NO_ERROR, responses };
  },
);

interface Reassignment {
  readonly find: FindTopic;
  readonly services: BrokerServices;
  readonly allowReplicationFactorChange: boolean;
}

function reassign(name: string, { partitionIndex, replicas }: RequestPartition, asked: Reassignment): ItemError {
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const topic = asked.find(name);
  if (topic === unknown) return itemError(unknown, `Unable to find a topic named ${name}.`);
  if (typeof topic === "number") return itemError(topic);
  if (!hasPartition(topic, partitionIndex)) {
    return itemError(unknown, `Unable to find partition ${name}:${partitionIndex}.`);
  }
  if (replicas === null) return { errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, errorMessage: null };
  const fault = replicaListFault(replicas, asked.services);
  if (fault !== undefined) return errorOfRefusal(fault);
  const { replicaNodes } = asked.services.nodes.of(topic.placement, partitionIndex);
  if (!asked.allowReplicationFactorChange && replicas.length !== replicaNodes.length) {
    const message = `The replication factor is changed from ${replicaNodes.length} to ${replicas.length}`;
    return itemError(ErrorCode.INVALID_REPLICATION_FACTOR, message);
  }
  const isSame = replicas.length === replicaNodes.length && replicas.every((id, at) => id === replicaNodes[at]);
  if (isSame) return NO_ERROR;
  const message = `Replicas do not move: ${name}-${partitionIndex} has its replicas at ${replicaNodes.join(", ")}.`;
  return itemError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
}
