import { expect, test } from "vitest";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { batchOf, FoldedLog, objectSource, open, openedLog, reloaded } from "./log-fixtures.ts";

const DONE = { kind: "done" };
const refused = (error: ErrorCode) => ({ kind: "refused", error });

function elect(expectedEpoch: number, fields: { readonly brokerId?: number; readonly clusterSeq?: number } = {}) {
  return { kind: "elect", expectedEpoch, brokerId: 1, brokerEpoch: 50, clusterSeq: 60, ...fields } as const;
}

function alterIsr(expectedIsrEpoch: number, isr: readonly number[]) {
  return { kind: "alter-isr", expectedIsrEpoch, isr } as const;
}

function placed(): FoldedLog {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [2, 0, 1] });
  log.fold(open([0], { replicationFactor: 3, minInsyncReplicas: 1 }));
  return log;
}

test("a journal begins without a leader, in epoch 0", () => {
  expect(openedLog().state).toMatchObject({ leader: { brokerId: -1, epoch: 0, clusterSeq: 0 }, isrEpoch: 0 });
});

test("each election raises the leader epoch, also one that names the same broker, or nobody", () => {
  const log = placed();
  expect(log.fold(elect(0))).toEqual(DONE);
  expect(log.state.leader).toEqual({ brokerId: 1, brokerEpoch: 50, epoch: 1, clusterSeq: 60 });
  expect(log.fold(elect(1))).toEqual(DONE);
  expect(log.fold(elect(2, { brokerId: -1, clusterSeq: 61 }))).toEqual(DONE);
  expect(log.state.leader).toMatchObject({ brokerId: -1, epoch: 3, clusterSeq: 61 });
});

test("of two elections at once one wins", () => {
  const log = placed();
  log.fold(elect(0, { brokerId: 0 }));
  const before = log.state.leader;
  expect(log.fold(elect(0, { brokerId: 2 }))).toEqual(refused(ErrorCode.FENCED_LEADER_EPOCH));
  expect(log.fold(elect(2, { brokerId: 2 }))).toEqual(refused(ErrorCode.FENCED_LEADER_EPOCH));
  expect(log.state.leader).toBe(before);
});

test("an older view of the cluster elects nobody", () => {
  const log = placed();
  log.fold(elect(0, { clusterSeq: 60 }));
  const before = log.state.leader;
  expect(log.fold(elect(1, { clusterSeq: 59 }))).toEqual(refused(ErrorCode.STALE_BROKER_EPOCH));
  expect(log.state.leader).toBe(before);
});

test("the ISR keeps the order of the replicas, and its epoch rises with each change", () => {
  const log = placed();
  expect(log.fold(alterIsr(0, [1, 2]))).toEqual(DONE);
  expect(log.state).toMatchObject({ isr: [2, 1], isrEpoch: 1 });
  expect(log.fold(alterIsr(1, [0, 1, 2]))).toEqual(DONE);
  expect(log.state).toMatchObject({ isr: [2, 0, 1], isrEpoch: 2, replicas: [2, 0, 1] });
});

test("the same ISR again changes nothing", () => {
  const log = placed();
  expect(log.fold(alterIsr(0, [0, 1, 2]))).toEqual(DONE);
  expect(log.state.isrEpoch).toBe(0);
});

test("an ISR is decided on by who knows the one that stands", () => {
  const log = placed();
  log.fold(alterIsr(0, [2, 0]));
  expect(log.fold(alterIsr(0, [2]))).toEqual(refused(ErrorCode.INVALID_UPDATE_VERSION));
  expect(log.state.isr).toEqual([2, 0]);
});

test("an ISR is not empty and has replicas only", () => {
  const log = placed();
  expect(log.fold(alterIsr(0, []))).toEqual(refused(ErrorCode.INVALID_REQUEST));
  expect(log.fold(alterIsr(0, [2, 3]))).toEqual(refused(ErrorCode.INVALID_REQUEST));
  expect(new FoldedLog().fold(alterIsr(0, [0]))).toEqual(refused(ErrorCode.INVALID_REQUEST));
  expect(log.state).toMatchObject({ isr: [2, 0, 1], isrEpoch: 0 });
});

test("the commit rule follows the ISR", () => {
  const log = placed();
  const one = () => log.append([batchOf()], { source: objectSource(log.seq, [2]) })[0];
  expect(one()).toEqual(refused(ErrorCode.NOT_ENOUGH_REPLICAS));
  log.fold(alterIsr(0, [2]));
  expect(one()?.kind).toBe("appended");
  log.fold(alterIsr(1, [2, 0]));
  expect(one()).toEqual(refused(ErrorCode.NOT_ENOUGH_REPLICAS));
});

test("a snapshot keeps leader and ISR", () => {
  const log = placed();
  log.fold(elect(0));
  log.fold(alterIsr(0, [1]));
  log.state = reloaded(log.state);
  expect(log.state.leader).toEqual({ brokerId: 1, brokerEpoch: 50, epoch: 1, clusterSeq: 60 });
  expect(log.state).toMatchObject({ isr: [1], isrEpoch: 1 });
  expect(log.fold(elect(0))).toEqual(refused(ErrorCode.FENCED_LEADER_EPOCH));
});
