import type { BrokerState } from "#lib/cluster/broker-state.ts";
import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import { desiredLeader, replicasOf } from "#lib/cluster/leader-election.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";
import type { BrokerIdentity } from "./broker-services.ts";

/** Where a partition is, in Kafka's terms: replica ids are broker ids. */
export interface PartitionNodes {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
  readonly replicaNodes: readonly BrokerId[];
  /** Empty where no store of the partition is in sync. */
  readonly isrNodes: readonly BrokerId[];
  /** Those of stores without a live broker. */
  readonly offlineReplicas: readonly BrokerId[];
}

export interface Leadership {
  readonly leaderId: BrokerId;
  readonly leaderEpoch: number;
}

/** A broker that serves clients, and the store that it is at home at. */
type LiveBroker = Pick<BrokerState, "brokerId" | "storeId" | "rack">;

/** What a journal's state says of its stores and its leader. */
type LedState = Pick<LogState, "replicas" | "isr" | "leader">;

/** The log journals that this process has opened, by number. */
export interface JournalStates {
  opened(journalNumber: number): { readonly state: LedState } | undefined;
}

/** What all partitions of one journal have in common, and what it was made of. */
interface JournalNodes extends Leadership {
  readonly madeOf: {
    readonly brokers: readonly unknown[];
    readonly leader: unknown;
    readonly replicas: unknown;
    readonly isr: unknown;
  };
  readonly live: readonly LiveBroker[];
  readonly replicas: readonly StoreId[];
  readonly isr: readonly StoreId[];
  /** Partitions with the same replication factor share one list. */
  readonly byFactor: Map<number, PartitionNodes>;
}

const UNPLACED = { replicas: [], isr: [] };

/**
 * Shows each replica's store as a broker that is homed there (docs/ARCHITECTURE.md section 3): the leader if it is, else
 * the running one with the lowest id. A store without one shows as a broker that was there once, or would be, and as
 * offline. The leader is the one that the journal names; while that one does not run, the one that will be elected. If it
 * is at home at none of the partition's stores, it stands for the first of them.
 *
 * While no broker runs as far as this process knows, it is itself the only one: a function, or a broker that starts.
 */
export class ReplicaNodes {
  readonly #brokerId: BrokerId;
  readonly #self: LiveBroker;
  readonly #storeIds: readonly StoreId[];
  readonly #cluster: Pick<ClusterView, "brokers" | "runningBrokers">;
  readonly #journals: JournalStates;
  readonly #known: (JournalNodes | undefined)[] = [];

  constructor(deps: {
    readonly identity: Pick<BrokerIdentity, "brokerId" | "rack">;
    /** Ascending. */
    readonly storeIds: readonly StoreId[];
    readonly cluster: Pick<ClusterView, "brokers" | "runningBrokers">;
    readonly journals: JournalStates;
  }) {
    const { brokerId, rack } = deps.identity;
    const home = defined(deps.storeIds[brokerId % deps.storeIds.length], "a home");
    this.#brokerId = brokerId;
    this.#self = { brokerId, storeId: home, rack };
    this.#storeIds = deps.storeIds;
    this.#cluster = deps.cluster;
    this.#journals = deps.journals;
  }

  /** Cheap: made once and kept until an election, a change of the ISR or of the brokers. */
  of(placement: TopicPlacement, partitionIndex: number): PartitionNodes {
    const nodes = this.#nodesOf(placement, partitionIndex);
    const { replicationFactor } = placement;
    const known = nodes.byFactor.get(replicationFactor);
    if (known !== undefined) return known;
    const made = this.#partitionNodes(nodes, replicationFactor);
    nodes.byFactor.set(replicationFactor, made);
    return made;
  }

  leaderOf(placement: TopicPlacement, partitionIndex: number): Leadership {
    return this.#nodesOf(placement, partitionIndex);
  }

  /** Whether this broker is at home at a store of the partition that is in sync. */
  follows(placement: TopicPlacement, partitionIndex: number): boolean {
    const nodes = this.#nodesOf(placement, partitionIndex);
    const own = nodes.live.find(({ brokerId }) => brokerId === this.#brokerId);
    return own !== undefined && inSyncStores(nodes, placement).includes(own.storeId);
  }

  /**
   * The broker of an in-sync replica that is nearer to a client in `rack` than the leader is (KIP-392); undefined if none
   * is. Partitions take turns with the brokers of a rack.
   */
  nearerReplica(placement: TopicPlacement, partitionIndex: number, rack: string): BrokerId | undefined {
    const nodes = this.#nodesOf(placement, partitionIndex);
    const leader = nodes.live.find(({ brokerId }) => brokerId === nodes.leaderId);
    if (leader?.rack === rack) return undefined;
    const stores = inSyncStores(nodes, placement);
    const near = nodes.live.filter((each) => each.rack === rack && stores.includes(each.storeId));
    return near[partitionIndex % near.length]?.brokerId;
  }

  /** The stores of a partition, the preferred leader's first, and whether each is in sync. */
  storesOf(
    placement: TopicPlacement,
    partitionIndex: number,
  ): readonly { readonly storeId: StoreId; readonly isInSync: boolean }[] {
    const { replicas, isr } = this.#nodesOf(placement, partitionIndex);
    const stores = replicas.slice(0, placement.replicationFactor);
    return stores.map((storeId) => ({ storeId, isInSync: isr.includes(storeId) }));
  }

  /**
   * The stores that this broker shows as its own, ascending: its home, and those where no broker is at home if it is the
   * first one that runs, so that each is shown by somebody.
   */
  ownStores(): readonly StoreId[] {
    const running = this.#cluster.runningBrokers();
    const own = running.find(({ brokerId }) => brokerId === this.#brokerId) ?? this.#self;
    const isFirst = running.length === 0 || running[0] === own;
    const isDeserted = (storeId: StoreId) => running.every((each) => each.storeId !== storeId);
    return this.#storeIds.filter((storeId) => storeId === own.storeId || (isFirst && isDeserted(storeId)));
  }

  #nodesOf(placement: TopicPlacement, partitionIndex: number): JournalNodes {
    const journalNumber = journalOfPartition(placement, partitionIndex);
    const state = this.#journals.opened(journalNumber)?.state;
    const brokers = this.#cluster.brokers();
    const known = this.#known[journalNumber];
    if (known !== undefined && isMadeOf(known, brokers, state)) return known;
    const made = this.#journalNodes(journalNumber, brokers, state);
    this.#known[journalNumber] = made;
    return made;
  }

  #journalNodes(journalNumber: number, brokers: readonly unknown[], state: LedState | undefined): JournalNodes {
    const running = this.#cluster.runningBrokers();
    const { replicas, isr } = replicasOf(state ?? UNPLACED, journalNumber, this.#storeIds);
    const named = running.find(({ brokerId }) => brokerId === state?.leader.brokerId);
    const leader = named ?? desiredLeader({ replicas, isr }, journalNumber, running) ?? this.#self;
    return {
      leaderId: leader.brokerId,
      leaderEpoch: state?.leader.epoch ?? 0,
      madeOf: { brokers, leader: state?.leader, replicas: state?.replicas, isr: state?.isr },
      live: running.length > 0 ? running : [this.#self],
      replicas,
      isr,
      byFactor: new Map(),
    };
  }

  #partitionNodes(nodes: JournalNodes, replicationFactor: number): PartitionNodes {
    const { leaderId, leaderEpoch, live, isr } = nodes;
    const stores = nodes.replicas.slice(0, replicationFactor);
    const home = live.find(({ brokerId }) => brokerId === leaderId)?.storeId;
    const leaderAt = Math.max(0, stores.indexOf(home ?? -1));
    const places = stores.map((storeId, at) => {
      if (at === leaderAt) return { brokerId: leaderId, isLive: true };
      const brokerId = live.find((each) => each.storeId === storeId)?.brokerId;
      return { brokerId: brokerId ?? this.#absentAt(storeId, leaderId), isLive: brokerId !== undefined };
    });
    const idsWhere = (isShown: (place: { readonly isLive: boolean }, at: number) => boolean) =>
      places.filter(isShown).map(({ brokerId }) => brokerId);
    return {
      leaderId,
      leaderEpoch,
      replicaNodes: idsWhere(() => true),
      isrNodes: idsWhere((_, at) => isr.includes(defined(stores[at]))),
      offlineReplicas: idsWhere(({ isLive }) => !isLive),
    };
  }

  /** Who stands for a store that no running broker is at home at: nobody who stands for something else. */
  #absentAt(storeId: StoreId, leaderId: BrokerId): BrokerId {
    const brokers = this.#cluster.brokers();
    const former = brokers.find((each) => each.storeId === storeId && each.brokerId !== leaderId);
    if (former !== undefined) return former.brokerId;
    let brokerId: number = storeId;
    while (brokerId === leaderId || brokers.some((each) => each.brokerId === brokerId)) {
      brokerId += this.#storeIds.length;
    }
    return brokerId;
  }
}

function inSyncStores({ replicas, isr }: JournalNodes, { replicationFactor }: TopicPlacement): readonly StoreId[] {
  return replicas.slice(0, replicationFactor).filter((storeId) => isr.includes(storeId));
}

function isMadeOf({ madeOf }: JournalNodes, brokers: readonly unknown[], state: LedState | undefined): boolean {
  return (
    madeOf.brokers === brokers &&
    madeOf.leader === state?.leader &&
    madeOf.replicas === state?.replicas &&
    madeOf.isr === state?.isr
  );
}
