import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import type { BrokerServices } from "./broker-services.ts";
import { CURRENT_LEADER_EPOCH } from "./resolve-topics.ts";

/** Where a partition is, in Kafka's terms: replica ids are broker ids. */
export interface PartitionNodes {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly BrokerId[];
  readonly isrNodes: readonly BrokerId[];
  readonly offlineReplicas: readonly BrokerId[];
}

/**
 * Shows each replica's store as a broker that is homed there (docs/ARCHITECTURE.md section 3): this broker for its own
 * store, and for a store without a live broker the lowest id that would be homed there, as an offline replica. This
 * broker leads every partition, for it serves them all; where none of the replicas is at its store, it stands for the
 * first of them.
 */
export class ReplicaNodes {
  readonly #brokerId: BrokerId;
  readonly #homeAt: number;
  readonly #storeCount: number;
  /** By the place of the first replica, then by replication factor: partitions share these few lists. */
  readonly #known = new Map<number, PartitionNodes>();

  constructor({ identity, storeIds }: Pick<BrokerServices, "identity" | "storeIds">) {
    this.#brokerId = identity.brokerId;
    this.#storeCount = storeIds.length;
    this.#homeAt = identity.brokerId % storeIds.length;
  }

  of(placement: TopicPlacement, partitionIndex: number): PartitionNodes {
    const firstAt = journalOfPartition(placement, partitionIndex) % this.#storeCount;
    const count = Math.min(placement.replicationFactor, this.#storeCount);
    const key = firstAt * (this.#storeCount + 1) + count;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const nodes = this.#nodes(firstAt, count);
    this.#known.set(key, nodes);
    return nodes;
  }

  #nodes(firstAt: number, count: number): PartitionNodes {
    const stores = Array.from({ length: count }, (_, at) => (firstAt + at) % this.#storeCount);
    const leaderAt = Math.max(0, stores.indexOf(this.#homeAt));
    const replicaNodes = stores.map((store, at) => (at === leaderAt ? this.#brokerId : store));
    return {
      leaderId: defined(replicaNodes[leaderAt]),
      leaderEpoch: CURRENT_LEADER_EPOCH,
      replicaNodes,
      isrNodes: replicaNodes,
      offlineReplicas: replicaNodes.filter((_, at) => at !== leaderAt),
    };
  }
}
