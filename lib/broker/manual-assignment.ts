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
  { identity, storeIds }: Pick<BrokerServices, "identity" | "storeIds">,
): Refusal | undefined {
  const fault = (message: string) => refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
  const replicationFactor = assignments[0]?.brokerIds.length ?? 0;
  for (const { brokerIds } of assignments) {
    if (brokerIds.length === 0) return fault("The manual partition assignment includes an empty replica list.");
    const twice = brokerIds.find((id, at) => brokerIds.indexOf(id) !== at);
    if (twice !== undefined) {
      return fault(`The manual partition assignment includes the broker ${twice} more than once.`);
    }
    const unknown = brokerIds.find((id) => id !== identity.brokerId && (id < 0 || id >= storeIds.length));
    if (unknown !== undefined) {
      return fault(
        `The manual partition assignment includes broker ${unknown}, but no broker with that id is registered.`,
      );
    }
    if (brokerIds.length !== replicationFactor) {
      return fault(
        `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not ` +
          `consistent with previous partitions, which have ${replicationFactor} replica(s).`,
      );
    }
  }
  if (storeIds.length === 1) return undefined;
  return fault("Replicas cannot be assigned by hand: the cluster places them. Give a replication factor instead.");
}

/** Whether the indexes are first, first + 1 and so on, in any order. */
export function areConsecutive(indexes: readonly number[], first: number): boolean {
  return [...indexes].sort((a, b) => a - b).every((index, at) => index === first + at);
}
