import { expect, test } from "vitest";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf, FoldedLog, INLINE, open, openedLog, produced, TOPIC, topicIdOf } from "./log-fixtures.ts";

const DONE = { kind: "done" };

test("replicas are placed once", () => {
  const log = new FoldedLog();
  expect(log.fold({ kind: "place-replicas", replicas: [] }).kind).toBe("refused");
  expect(log.fold({ kind: "place-replicas", replicas: [1, 1] }).kind).toBe("refused");
  expect(log.fold({ kind: "place-replicas", replicas: [2, 0, 1] })).toEqual(DONE);
  expect(log.fold({ kind: "place-replicas", replicas: [2, 0, 1] })).toEqual(DONE);
  const moved = log.fold({ kind: "place-replicas", replicas: [0, 1, 2] });
  expect(moved).toEqual({ kind: "refused", error: ErrorCode.INVALID_REPLICA_ASSIGNMENT });
  expect(log.state).toMatchObject({ replicas: [2, 0, 1], isr: [2, 0, 1] });
});

const add = (replicas: readonly number[]) => ({ kind: "add-replicas", replicas }) as const;

test("replicas are added behind those that are there, in sync", () => {
  const log = openedLog();
  expect(log.fold(add([2, 0, 1]))).toEqual(DONE);
  expect(log.state).toMatchObject({ replicas: [0, 2, 1], isr: [0, 2, 1], isrEpoch: 1 });
  expect(log.fold(add([0, 1]))).toEqual(DONE);
  expect(log.state).toMatchObject({ replicas: [0, 2, 1], isrEpoch: 1 });
  log.fold({ kind: "alter-isr", expectedIsrEpoch: 1, isr: [0, 1] });
  log.fold(add([3]));
  expect(log.state).toMatchObject({ replicas: [0, 2, 1, 3], isr: [0, 1, 3], isrEpoch: 3 });
});

test("added replicas are not in sync if a partition was to have more than there were", () => {
  const log = openedLog();
  log.fold(open([1], { replicationFactor: 3 }));
  log.fold(add([1, 2]));
  expect(log.state).toMatchObject({ replicas: [0, 1, 2], isr: [0], isrEpoch: 0 });
});

test("nothing is added before replicas are placed, and no store twice", () => {
  const refused = { kind: "refused", error: ErrorCode.INVALID_REPLICA_ASSIGNMENT };
  expect(new FoldedLog().fold(add([0]))).toEqual(refused);
  const log = openedLog();
  expect(log.fold(add([1, 1]))).toEqual(refused);
  expect(log.state.replicas).toEqual([0]);
});

test("opening again adds partitions and keeps what is there", () => {
  const log = openedLog();
  log.append([batchOf()]);
  expect(log.fold(open([0, 12]))).toEqual(DONE);
  expect(log.partition(0).logEndOffset).toBe(1);
  expect(log.partition(12).logEndOffset).toBe(0);
});

test("settings follow the newest view only", () => {
  const log = openedLog();
  log.fold(open([0], { clusterSeq: 20, minInsyncReplicas: 2, replicationFactor: 3 }));
  log.fold(open([0], { clusterSeq: 15, minInsyncReplicas: 9 }));
  log.fold(open([0], { clusterSeq: 20, minInsyncReplicas: 9 }));
  expect(log.partition()).toMatchObject({ minInsyncReplicas: 2, replicationFactor: 3, openedSeq: 20 });
});

test("a view older than any drop opens nothing", () => {
  const log = openedLog();
  expect(log.fold({ kind: "drop", topicId: TOPIC, clusterSeq: 30 })).toEqual(DONE);
  expect(log.state.partitions.size).toBe(0);
  const stale = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_ID };
  expect(log.fold(open([0], { clusterSeq: 29 }))).toEqual(stale);
  expect(log.fold(open([0], { clusterSeq: 29, topicId: topicIdOf(2) }))).toEqual(stale);
  expect(log.fold(open([0], { clusterSeq: 30, topicId: topicIdOf(2) }))).toEqual(DONE);
});

test("drops come in any order and again", () => {
  const log = openedLog();
  log.fold(open([0, 1], { topicId: topicIdOf(2) }));
  log.fold({ kind: "drop", topicId: TOPIC, clusterSeq: 30 });
  expect(log.fold({ kind: "drop", topicId: topicIdOf(3), clusterSeq: 12 })).toEqual(DONE);
  expect(log.state.lastDropSeq).toBe(30);
  expect(log.fold({ kind: "drop", topicId: TOPIC, clusterSeq: 30 })).toEqual(DONE);
  expect(log.state.lastDropSeq).toBe(30);
  expect([...log.state.partitions.values()].map((one) => one.topicId)).toEqual([topicIdOf(2), topicIdOf(2)]);
});

test("an append after the drop is refused", () => {
  const log = openedLog();
  log.fold({ kind: "drop", topicId: TOPIC, clusterSeq: 30 });
  expect(log.append([batchOf()])).toEqual([{ kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }]);
});

function advance(log: FoldedLog, logStartOffset: number, partitionIndex = 0) {
  return log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex, logStartOffset });
}

test("the log start moves forward only, up to the log end, and entries below it go", () => {
  const log = openedLog();
  for (let count = 0; count < 3; count++) log.append([batchOf({ offsetCount: 10 })]);
  expect(advance(log, 31)).toEqual({ kind: "refused", error: ErrorCode.OFFSET_OUT_OF_RANGE });
  expect(advance(log, 15)).toEqual(DONE);
  expect(log.partition().entries.map((one) => one.baseOffset)).toEqual([10, 20]);
  expect(advance(log, 4)).toEqual(DONE);
  expect(log.partition().logStartOffset).toBe(15);
  expect(advance(log, 20)).toEqual(DONE);
  expect(log.partition().entries.map((one) => one.baseOffset)).toEqual([20]);
  expect(advance(log, 30)).toEqual(DONE);
  expect(log.partition()).toMatchObject({ entries: [], logStartOffset: 30, logEndOffset: 30 });
  expect(log.append([batchOf()])).toEqual([{ kind: "appended", baseOffset: 30, logStartOffset: 30 }]);
});

test("the log start of a partition that is not open stays unknown", () => {
  expect(advance(openedLog(), 1, 5)).toEqual({ kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
});

test("producers outlive their records", () => {
  const log = openedLog();
  log.append([produced(0), produced(1)]);
  advance(log, 2);
  expect(log.append([produced(1)])[0]).toEqual({ kind: "duplicate", baseOffset: 1, logStartOffset: 2 });
  expect(log.append([produced(4)])[0]?.kind).toBe("refused");
});

test("the oldest record needed is the one with the oldest inlined entry that lives", () => {
  const log = openedLog();
  log.fold(open([1]));
  expect(logStateMachine.oldestNeededSeq(log.state)).toBeUndefined();
  log.append([batchOf()]);
  expect(logStateMachine.oldestNeededSeq(log.state)).toBeUndefined();
  log.append([batchOf()], { source: INLINE });
  const first = log.seq;
  log.append([batchOf()], { source: INLINE, partitionIndex: 1 });
  expect(logStateMachine.oldestNeededSeq(log.state)).toBe(first);
  advance(log, 2);
  expect(logStateMachine.oldestNeededSeq(log.state)).toBe(first + 1);
});
