import { describe, expect, test } from "vitest";
import { desiredLeader, isFitToLead, type RunningBroker, replicasOf } from "#lib/cluster/leader-election.ts";
import { topicIdOf } from "./cluster-harness.ts";

function broker(brokerId: number, storeId: number): RunningBroker {
  const epochs = { brokerEpoch: 1, seenSeq: 1, status: "running" } as const;
  return { brokerId, storeId, incarnation: topicIdOf(brokerId), rack: null, endpoints: [], ...epochs };
}

const inSync = (...replicas: readonly number[]) => ({ replicas, isr: replicas });
const THREE = [broker(0, 0), broker(1, 1), broker(2, 2)];

describe("the leader of a journal is", () => {
  test("the broker at its first store", () => {
    const placed = [0, 1, 2, 3].map((number) => replicasOf({ replicas: [], isr: [] }, number, [0, 1, 2]));
    const leaders = placed.map((replicas, number) => desiredLeader(replicas, number, THREE)?.brokerId);
    expect(leaders).toEqual([0, 1, 2, 0]);
  });

  test("the one at the next store in sync, where the first store's broker or the store is away", () => {
    expect(desiredLeader(inSync(1, 2, 0), 1, [broker(0, 0), broker(2, 2)])?.brokerId).toBe(2);
    expect(desiredLeader({ replicas: [1, 2, 0], isr: [2, 0] }, 1, THREE)?.brokerId).toBe(2);
    expect(desiredLeader({ replicas: [1, 2, 0], isr: [2, 0] }, 1, [broker(0, 0), broker(1, 1)])?.brokerId).toBe(0);
  });

  test("one of several brokers at its store, in turn", () => {
    const six = [0, 1, 2, 3, 4, 5].map((id) => broker(id, id % 3));
    const leaders = [0, 3, 6, 9].map((number) => desiredLeader(inSync(0, 1, 2), number, six)?.brokerId);
    expect(leaders).toEqual([0, 3, 0, 3]);
  });

  test("any broker, in turn, where no store in sync has one", () => {
    const running = [broker(0, 0), broker(3, 0)];
    const leaders = [0, 1, 2].map((number) => desiredLeader(inSync(1, 2), number, running)?.brokerId);
    expect(leaders).toEqual([0, 3, 0]);
  });

  test("nobody where no broker runs", () => {
    expect(desiredLeader(inSync(0, 1, 2), 5, [])).toBeUndefined();
  });
});

test("a leader may stay while it runs at a store in sync", () => {
  const replicas = { replicas: [0, 1, 2], isr: [0, 2] };
  expect([2, 1, 5, -1].map((id) => isFitToLead(id, replicas, THREE))).toEqual([true, false, false, false]);
});
