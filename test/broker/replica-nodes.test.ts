import { expect, test } from "vitest";
import { ReplicaNodes } from "#lib/broker/replica-nodes.ts";
import type { BrokerState } from "#lib/cluster/broker-state.ts";
import type { LeaderState, LogState } from "#lib/log/log-state.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";

// Journals 0 to 5 of a cluster of three stores; partition i of the topic lives in journal i.

const PLACEMENT = {
  topicId: ZERO_UUID,
  partitionCount: 6,
  minInsyncReplicas: 1,
  baseJournal: 0,
  journalCount: 6,
  clusterSeq: 1,
};

function brokerAt(brokerId: number, storeId: number, fields: Partial<BrokerState> = {}): BrokerState {
  const registered = { incarnation: ZERO_UUID, brokerEpoch: 1, seenSeq: 1, status: "running", endpoints: [] } as const;
  return { brokerId, storeId, rack: null, ...registered, ...fields };
}

function ledBy(brokerId: number, epoch = 1): LeaderState {
  return { brokerId, brokerEpoch: 1, epoch, clusterSeq: 1 };
}

class World {
  brokers: readonly BrokerState[] = [];
  readonly states = new Map<number, Pick<LogState, "replicas" | "isr" | "leader">>();
  readonly nodes: ReplicaNodes;

  constructor(brokerId: number, rack: string | null = null) {
    this.nodes = new ReplicaNodes({
      identity: { brokerId, rack },
      storeIds: [0, 1, 2],
      cluster: {
        brokers: () => this.brokers,
        runningBrokers: () => this.brokers.filter(({ status }) => status === "running"),
      },
      journals: {
        opened: (journalNumber) => {
          const state = this.states.get(journalNumber);
          return state === undefined ? undefined : { state };
        },
      },
    });
  }

  shown(replicationFactor: number, partitionIndex: number) {
    const { leaderId, leaderEpoch, ...lists } = this.nodes.of({ ...PLACEMENT, replicationFactor }, partitionIndex);
    return [leaderId, leaderEpoch, lists.replicaNodes, lists.isrNodes, lists.offlineReplicas];
  }
}

const THREE = [brokerAt(0, 0), brokerAt(1, 1), brokerAt(2, 2)];

test("a process in a cluster where no broker runs shows itself as the leader of everything", () => {
  const world = new World(4);
  const all = [0, 4, 2];
  // Broker 4 of three stores is at home at store 1.
  expect(world.shown(3, 0)).toEqual([4, 0, all, all, [0, 2]]);
  expect(world.shown(3, 1)).toEqual([4, 0, [4, 2, 0], [4, 2, 0], [2, 0]]);
  expect(world.shown(1, 1)).toEqual([4, 0, [4], [4], []]);
  expect(world.shown(1, 0)).toEqual([4, 0, [4], [4], []]);
  world.brokers = [brokerAt(0, 0, { status: "stopped" }), brokerAt(4, 1, { status: "fenced" })];
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(0, 7) });
  expect(world.shown(3, 0)).toEqual([4, 7, all, all, [0, 2]]);
});

test("a broker that is not registered yet shows those that are, and serves nothing of theirs", () => {
  const world = new World(4);
  world.brokers = THREE;
  expect(world.shown(3, 1)).toEqual([1, 0, [1, 2, 0], [1, 2, 0], []]);
  const placement = { ...PLACEMENT, replicationFactor: 3 };
  expect(world.nodes.follows(placement, 1)).toBe(false);
});

test("a journal that nobody has placed shows where it would be, and who would lead it", () => {
  const world = new World(0);
  world.brokers = THREE;
  expect(world.shown(3, 1)).toEqual([1, 0, [1, 2, 0], [1, 2, 0], []]);
  expect(world.shown(2, 5)).toEqual([2, 0, [2, 0], [2, 0], []]);
});

test("the leader is the one that the journal names while it runs, and then the one that will be elected", () => {
  const world = new World(0);
  world.brokers = THREE;
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(1, 4) });
  expect(world.shown(3, 0)).toEqual([1, 4, [0, 1, 2], [0, 1, 2], []]);
  world.brokers = [brokerAt(0, 0), brokerAt(1, 1, { status: "fenced" }), brokerAt(2, 2)];
  // Its store is in sync all the same: it is the broker that is away.
  expect(world.shown(3, 0)).toEqual([0, 4, [0, 1, 2], [0, 1, 2], [1]]);
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(0, 5) });
  expect(world.shown(3, 0)).toEqual([0, 5, [0, 1, 2], [0, 1, 2], [1]]);
});

test("a store out of the ISR is a replica that is not in sync, and no partition is led from there", () => {
  const world = new World(0);
  world.brokers = THREE;
  world.states.set(0, { replicas: [0, 1, 2], isr: [1, 2], leader: ledBy(-1, 1) });
  expect(world.shown(3, 0)).toEqual([1, 1, [0, 1, 2], [1, 2], []]);
  // Of its only store nothing is in sync: offline, though there is somebody to ask.
  expect(world.shown(1, 0)).toEqual([1, 1, [1], [], []]);
});

test("a leader that is at home at none of the partition's stores stands for the first of them", () => {
  const world = new World(2);
  world.brokers = [brokerAt(0, 0, { status: "fenced" }), brokerAt(1, 1, { status: "stopped" }), brokerAt(2, 2)];
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(2, 3) });
  expect(world.shown(2, 0)).toEqual([2, 3, [2, 1], [2, 1], [1]]);
});

test("of several brokers at a store the leader is shown, or the lowest that runs, and no id stands for two stores", () => {
  const world = new World(0);
  world.brokers = [brokerAt(0, 0), brokerAt(3, 0), brokerAt(4, 1), brokerAt(7, 1)];
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(3) });
  world.states.set(1, { replicas: [1, 2, 0], isr: [1, 2, 0], leader: ledBy(7) });
  expect(world.shown(3, 0)).toEqual([3, 1, [3, 4, 2], [3, 4, 2], [2]]);
  expect(world.shown(3, 1)).toEqual([7, 1, [7, 2, 0], [7, 2, 0], [2]]);
  // Broker 2 came when there were fewer stores, and is at home elsewhere.
  world.brokers = [brokerAt(0, 0), brokerAt(2, 0), brokerAt(4, 1)];
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(2) });
  expect(world.shown(3, 0)).toEqual([2, 1, [2, 4, 5], [2, 4, 5], [5]]);
});

test("partitions are served by their leader and by every broker at an in-sync store of theirs", () => {
  const world = new World(1);
  const placement = { ...PLACEMENT, replicationFactor: 2 };
  const serves = () => [world.nodes.leaderOf(placement, 0).leaderId === 1, world.nodes.follows(placement, 0)];
  world.brokers = THREE;
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1, 2], leader: ledBy(0) });
  expect(serves()).toEqual([false, true]);
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 2], leader: ledBy(0) });
  expect(serves()).toEqual([false, false]);
  world.states.set(0, { replicas: [0, 2, 1], isr: [0, 2, 1], leader: ledBy(0) });
  expect(serves()).toEqual([false, false]);
  world.states.set(0, { replicas: [0, 2, 1], isr: [0, 2, 1], leader: ledBy(1) });
  expect(serves()).toEqual([true, false]);
  world.brokers = [brokerAt(0, 0), brokerAt(1, 1, { status: "fenced" })];
  world.states.set(0, { replicas: [1, 0, 2], isr: [1, 0, 2], leader: ledBy(1) });
  expect(serves()).toEqual([false, false]);
});

test("a client in another rack than the leader is sent to an in-sync replica of its own rack", () => {
  const world = new World(0);
  const placement = { ...PLACEMENT, replicationFactor: 3 };
  const nearer = (rack: string, index = 0) => world.nodes.nearerReplica(placement, index, rack);
  world.brokers = [brokerAt(0, 0, { rack: "a" }), brokerAt(1, 1, { rack: "b" }), brokerAt(2, 2, { rack: "c" })];
  world.states.set(0, { replicas: [0, 1, 2], isr: [0, 1], leader: ledBy(0) });
  expect([nearer("a"), nearer("b"), nearer("c"), nearer("d")]).toEqual([undefined, 1, undefined, undefined]);
  world.brokers = [...world.brokers, brokerAt(4, 1, { rack: "b" })];
  world.states.set(1, { replicas: [0, 1, 2], isr: [0, 1], leader: ledBy(0) });
  expect([nearer("b", 0), nearer("b", 1)]).toEqual([1, 4]);
});
