import { type Refusal, refusal } from "#lib/cluster/admin-result.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { BrokerServices } from "./broker-services.ts";

/** One partition's replicas as a client wants them: broker ids, the preferred leader first. */
export interface PartitionAssignment {
  readonly partitionIndex: number;
  readonly brokerIds: readonly number[];
}

/**
 * Why replicas that are named by hand cannot be had; undefined if they are what the cluster would choose anyway. Places
 * follow from the topic here (docs/ARCHITECTURE.md section 3), so that is the case with one store alone.
 */
export function assignmentFault(
  assignments: readonly PartitionAssignment[],
  services: Pick<BrokerServices, "identity" | "storeIds" | "cluster">,
): Refusal | undefined {
  const replicationFactor = assignments[0]?.brokerIds.length ?? 0;
  for (const { brokerIds } of assignments) {
    const listFault = replicaListFault(brokerIds, services);
    if (listFault !== undefined) return listFault;
    if (brokerIds.length !== replicationFactor) {
      return fault(
        `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not ` +
          `consistent with previous partitions, which have ${replicationFactor} replica(s).`,
      );
    }
  }
  if (services.storeIds.length === 1) return undefined;
  return fault("Replicas cannot be assigned by hand: the cluster places them. Give a replication factor instead.");
}

/** Why one partition's list of replicas is none; undefined if these brokers could be had somewhere. */
export function replicaListFault(
  brokerIds: readonly number[],
  { identity, storeIds, cluster }: Pick<BrokerServices, "identity" | "storeIds" | "cluster">,
): Refusal | undefined {
  if (brokerIds.length === 0) return fault("The manual partition assignment includes an empty replica list.");
  const twice = brokerIds.find((id, at) => brokerIds.indexOf(id) !== at);
  if (twice !== undefined) {
    return fault(`The manual partition assignment includes the broker ${twice} more than once.`);
  }
  // A store without a broker is shown as one that would be at home there.
  const isKnown = (id: number) =>
    id === identity.brokerId || storeIds.includes(id) || cluster.brokers().some(({ brokerId }) => brokerId === id);
  const unknown = brokerIds.find((id) => !isKnown(id));
  if (unknown === undefined) return undefined;
  return fault(`The manual partition assignment includes broker ${unknown}, but no such broker is registered.`);
}

function fault(message: string): Refusal {
  return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
}

/** Whether the indexes are first, first + 1 and so on, in any order. */
export function areConsecutive(indexes: readonly number[], first: number): boolean {
  return [...indexes].sort((a, b) => a - b).every((index, at) => index === first + at);
}
