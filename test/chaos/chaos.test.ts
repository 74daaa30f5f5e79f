import { describe, expect, test } from "vitest";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { compareDelivery, findingsOf, type ReadRecord, sumDeliveries } from "./delivery.ts";
import { PartitionPauses } from "./pauses.ts";
import { describeFault, FAULT_KINDS, planOf } from "./plan.ts";
import { faultTable, workerTable } from "./report.ts";
import { complaintsOf } from "./round.ts";
import { missingIn } from "./whole-cluster.ts";

describe("a comparison of what was acknowledged with what was read", () => {
  const sent = [{ offsets: [0, 1, 2, 3] }];
  const inOrder = (...numbers: number[]): ReadRecord[] => numbers.map((number, offset) => ({ offset, number }));
  const compared = (...records: ReadRecord[]) => findingsOf(compareDelivery(sent, [records]));

  test("finds nothing where each record is there once, in order", () => {
    expect(compareDelivery(sent, [inOrder(0, 1, 2, 3)])).toMatchObject({ acked: 4, read: 4 });
    expect(compared(...inOrder(0, 1, 2, 3))).toEqual([]);
  });

  test("finds a record that is not there, at the end as in the middle", () => {
    expect(compared(...inOrder(0, 1, 2))).toEqual(["1 lost"]);
    expect(compared(...inOrder(0, 2, 3))).toEqual(["1 lost", "2 misplaced"]);
  });

  test("finds a record that is there twice", () => {
    expect(compared(...inOrder(0, 1, 2, 3, 3))).toEqual(["1 duplicated"]);
  });

  test("finds records that have changed places", () => {
    expect(compared(...inOrder(0, 2, 1, 3))).toEqual(["1 reordered", "1 misplaced"]);
  });

  test("finds what nobody sent, and offsets that nobody has", () => {
    expect(compared(...inOrder(0, 1, 2, 3, -1))).toEqual(["1 garbled"]);
    const [first, ...others] = inOrder(0, 1, 2, 3);
    const moved = others.map(({ offset, number }) => ({ offset: offset + 1, number }));
    expect(compared(...(first === undefined ? [] : [first]), ...moved)).toEqual(["3 misplaced", "1 gaps"]);
  });

  test("lets a record be there or not whose acknowledgement never came", () => {
    const unsure = [{ offsets: [0, undefined, undefined, 2] }];
    expect(findingsOf(compareDelivery(unsure, [inOrder(0, 1, 3)]))).toEqual([]);
  });

  test("holds against a reader of the last ones only what had been acknowledged when it began", () => {
    const last = [{ fromOffset: 2, ackedBefore: 3 }];
    const seen = (...records: ReadRecord[]) => findingsOf(compareDelivery(sent, [records], last));
    const [, , third, fourth] = inOrder(0, 1, 2, 3).map((record) => [record]);
    expect(seen(...(third ?? []))).toEqual([]);
    expect(seen(...(third ?? []), ...(fourth ?? []))).toEqual([]);
    expect(seen()).toEqual(["1 lost"]);
    expect(seen(...(fourth ?? []))).toEqual(["1 lost", "1 gaps"]);
  });

  test("adds up what several readers saw", () => {
    const two = [inOrder(0, 1, 2), inOrder(0, 1)].map((records) => compareDelivery(sent, [records]));
    expect(sumDeliveries(two)).toMatchObject({ acked: 8, read: 5, lost: 3, duplicated: 0 });
  });

  test("holds against each partition what was sent to it", () => {
    const two = [{ offsets: [0] }, { offsets: [0] }];
    expect(findingsOf(compareDelivery(two, [inOrder(0), []]))).toEqual(["1 lost"]);
  });
});

describe("a plan", () => {
  const settings = { seed: 7, rounds: 10, brokers: 3, stores: 3, hasWorkers: true };

  test("is the same for the same seed, and another for another", () => {
    expect(planOf(settings)).toEqual(planOf(settings));
    expect(planOf({ ...settings, seed: 8 })).not.toEqual(planOf(settings));
  });

  test("has every kind of fault in any ten rounds, and in none more than one store away", () => {
    const plan = planOf({ ...settings, rounds: 20 });
    for (const half of [plan.slice(0, 10), plan.slice(10)]) {
      expect(new Set(half.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    }
    const killed = { broker: 1, store: 0, both: 1, all: 3, worker: 0, halfway: 0, pair: 0, outage: 0 };
    const run = { broker: 0, store: 0, both: 0, all: 0, worker: 1, halfway: 1, pair: 2, outage: 1 };
    for (const { kind, brokerIds, storeId, workers } of plan) {
      const isStoreAway = kind === "store" || kind === "both" || kind === "outage";
      expect([new Set(brokerIds).size, storeId !== undefined]).toEqual([killed[kind], isStoreAway]);
      expect(workers).toHaveLength(run[kind]);
    }
  });

  test("gives each worker its turn, and ends the one with the most to do in time", () => {
    const workers = planOf({ ...settings, rounds: 30 }).flatMap((fault) => fault.workers);
    const names = new Set(workers.map(({ name }) => name));
    expect(names).toEqual(new Set(["cleaner", "compactor", "garbage", "replicator", "retention"]));
    expect(workers.filter(({ name, killAfterMs }) => name === "compactor" && killAfterMs === undefined)).toEqual([]);
    expect(workers.some(({ killAfterMs }) => killAfterMs === undefined)).toBe(true);
  });

  test("runs no workers where there are none", () => {
    const plan = planOf({ ...settings, hasWorkers: false, rounds: 12 });
    expect(plan.flatMap(({ workers }) => workers)).toEqual([]);
    expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(["broker", "store", "both", "all"]));
  });

  test("tells what it is about", () => {
    const fault = { kind: "both", brokerIds: [1], storeId: 2, workers: [], awayMs: 1_250, restMs: 0 } as const;
    expect(describeFault(fault)).toBe("store 2 away for 1.3 s, broker 1 killed");
    expect(describeFault({ ...fault, brokerIds: [] })).toBe("store 2 away for 1.3 s");
    expect(describeFault({ ...fault, brokerIds: [0, 1, 2], storeId: undefined })).toBe("brokers 0, 1, 2 killed");
    const workers = [
      { name: "garbage", killAfterMs: undefined } as const,
      { name: "cleaner", killAfterMs: 900 } as const,
    ];
    expect(describeFault({ ...fault, brokerIds: [], storeId: undefined, workers })).toBe(
      "garbage run, cleaner run and killed after 0.9 s",
    );
  });

  test("kills only brokers where no store can be made to fail", () => {
    const plan = planOf({ ...settings, stores: 0, hasWorkers: false });
    expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(["broker"]));
    const worked = planOf({ ...settings, stores: 0 });
    expect(new Set(worked.map(({ kind }) => kind))).toEqual(new Set(["broker", "worker", "halfway", "pair"]));
    expect(plan.map(describeFault)).toContain("broker 0 killed");
  });
});

describe("the longest pause", () => {
  const pauses = new PartitionPauses();
  for (const atMs of [1_000, 1_020, 4_000, 4_010, 4_500]) pauses.acked(atMs);

  test("is the longest of those that lie in the time, if only by a part", () => {
    expect(pauses.longestMs(900, 4_500)).toBe(2_980);
    expect(pauses.longestMs(3_900, 4_500)).toBe(2_980);
    expect(pauses.longestMs(4_005, 4_500)).toBe(490);
  });

  test("goes on as long as no acknowledgement comes", () => {
    expect(pauses.longestMs(4_400, 9_500)).toBe(5_000);
  });
});

describe("a cluster", () => {
  const topic = { name: "t", partitions: 1, replicationFactor: 3 };
  const brokers = [0, 1, 2].map((nodeId) => ({ nodeId, host: "h", port: 1, rack: null }));
  const partition = {
    ...{ errorCode: 0, partitionIndex: 0, leaderId: 1, leaderEpoch: 0 },
    ...{ replicaNodes: [1, 2, 0], isrNodes: [1, 2, 0], offlineReplicas: [] },
  };
  const missing = (changed: Partial<typeof partition> | { offlineReplicas: number[] }, known = brokers) => {
    const shown = { errorCode: 0, name: "t", topicId: ZERO_UUID, isInternal: false, topicAuthorizedOperations: 0 };
    return missingIn({ brokers: known, topics: [{ ...shown, partitions: [{ ...partition, ...changed }] }] }, topic, 3);
  };

  test("is whole with all brokers, all replicas in sync and the preferred leaders", () => {
    expect(missing({})).toBeUndefined();
  });

  test.each([
    [{ isrNodes: [1, 2] }, "partition 0 is in sync at 1, 2"],
    [{ offlineReplicas: [0] }, "partition 0 is offline at 0"],
    [{ leaderId: 2 }, "partition 0 is led by 2, not by 1"],
    [{ replicaNodes: [1, 2] }, "partition 0 has replicas 1, 2"],
  ])("is not whole with %o", (changed, text) => {
    expect(missing(changed)).toBe(text);
  });

  test("is not whole without one of its brokers", () => {
    expect(missing({}, brokers.slice(1))).toBe("knows brokers 1, 2");
  });
});

test("the table tells the worst of each kind of fault beside the median", () => {
  const round = {
    kind: "broker",
    longestPauseMs: 1_000,
    wholeAfterMs: 3_000,
    workers: [],
    delivery: undefined,
  } as const;
  const table = faultTable([
    { ...round, writesAfterMs: 1_000 },
    { ...round, writesAfterMs: 9_000 },
    { ...round, writesAfterMs: 2_000 },
  ]);
  expect(table.split("\n")[1]).toMatch(/^a broker, by kill -9 +3 +2\.0 s \| 9\.0 s +1\.0 s \| 1\.0 s/);
  expect(table).not.toContain("a store");
});

describe("the workers of a run", () => {
  const done = { name: "garbage", end: "done", changes: 12, text: "" } as const;
  const undone = { ...done, end: "undone", changes: 3, text: "store 1 is away" } as const;

  test("are counted by name, with how they ended", () => {
    const table = workerTable([{ workers: [done, { ...done, end: "killed", changes: 0 }] }, { workers: [undone] }]);
    expect(table.split("\n")[1]).toMatch(/^garbage +3 +1 +1 +1 +0 +15$/);
  });

  test("may leave something undone only while a store is away, and never fail", () => {
    const failed = { ...done, end: "failed" } as const;
    expect(complaintsOf({ storeId: 1 }, [done, undone])).toEqual([]);
    expect(complaintsOf({ storeId: undefined }, [done, undone])).toEqual([
      "the garbage has left something undone: store 1 is away",
    ]);
    expect(complaintsOf({ storeId: 1 }, [failed])).toHaveLength(1);
  });
});
