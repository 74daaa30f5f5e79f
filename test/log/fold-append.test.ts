import { expect, test } from "vitest";
import { batchSizesOf, ONE_BATCH } from "#lib/log/batch-sizes.ts";
import { BatchCursor } from "#lib/log/entry-index.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import {
  batchOf,
  encodedState,
  FoldedLog,
  INLINE,
  objectSource,
  open,
  openedLog,
  produced,
  TOPIC,
  topicIdOf,
} from "./log-fixtures.ts";

const refused = (error: ErrorCode) => ({ kind: "refused", error });

test("batches of one part take consecutive offsets and become one entry", () => {
  const log = openedLog();
  const outcomes = log.append([
    batchOf({ offsetCount: 3, maxTimestampMs: 5 }),
    batchOf({ offsetCount: 2, maxTimestampMs: 9 }),
  ]);
  expect(outcomes.map((one) => one.kind === "appended" && one.baseOffset)).toEqual([0, 3]);
  expect(log.partition()).toMatchObject({ logStartOffset: 0, logEndOffset: 5, maxTimestampMs: 9 });
  expect(log.partition().entries).toHaveLength(1);
  expect(log.partition().entries[0]).toMatchObject({
    baseOffset: 0,
    nextOffset: 5,
    position: 0,
    byteLength: 200,
    maxTimestampMs: 9,
    appendedAtMs: log.nowMs,
  });
  expect([...(log.partition().entries[0]?.batches ?? [])]).toEqual([100, 3, 100, 2]);
});

test("sizes beyond one byte are kept as uvarints", () => {
  const log = openedLog();
  log.append([batchOf({ byteLength: 16_384, offsetCount: 300 }), batchOf({ byteLength: 100, offsetCount: 1 })]);
  expect([...(log.partition().entries[0]?.batches ?? [])]).toEqual([0x80, 0x80, 0x01, 0xac, 0x02, 100, 1]);
});

test("an entry of one batch has no sizes but its own", () => {
  const log = openedLog();
  log.append([batchOf({ byteLength: 16_384, offsetCount: 300 })]);
  const entry = defined(log.partition().entries[0]);
  expect(entry.batches).toBe(ONE_BATCH);
  expect([...batchSizesOf(entry)]).toEqual([0x80, 0x80, 0x01, 0xac, 0x02]);
  const cursor = BatchCursor.ofEntry(entry);
  expect(cursor.next()).toBe(true);
  expect(cursor).toMatchObject({ byteLength: 16_384, offsetCount: 300, baseOffset: 0, position: 0 });
  expect(cursor.next()).toBe(false);
});

test("a refused batch in the middle splits the run and takes no offset", () => {
  const log = openedLog();
  const outcomes = log.append([
    produced(0, { byteLength: 10 }),
    produced(1, { byteLength: 20 }),
    produced(9, { byteLength: 40 }),
    produced(2, { byteLength: 80 }),
  ]);
  expect(outcomes[2]).toEqual(refused(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER));
  expect(outcomes[3]).toMatchObject({ kind: "appended", baseOffset: 2 });
  const runs = log.partition().entries.map((one) => [one.baseOffset, one.nextOffset, one.position, one.byteLength]);
  expect(runs).toEqual([
    [0, 2, 0, 30],
    [2, 3, 70, 80],
  ]);
});

test("a run may lose its first and its last batch", () => {
  const log = openedLog();
  log.append([produced(0)]);
  log.append([produced(5), produced(1, { byteLength: 30 }), produced(1, { byteLength: 30 })]);
  const runs = log.partition().entries.map((one) => [one.baseOffset, one.nextOffset, one.position, one.byteLength]);
  expect(runs).toEqual([
    [0, 1, 0, 100],
    [1, 2, 100, 30],
  ]);
});

test("nothing appended leaves no entry", () => {
  const log = openedLog();
  log.append([produced(0)]);
  log.append([produced(0)]);
  expect(log.partition().entries).toHaveLength(1);
});

test("an append to a partition that is not open is refused, and its neighbour in the flush is not", () => {
  const log = openedLog();
  const outcomes = log.appendParts(
    [
      { topicId: topicIdOf(2), partitionIndex: 0, position: 0, batches: [batchOf(), batchOf()] },
      { topicId: TOPIC, partitionIndex: 0, position: 200, batches: [batchOf()] },
    ],
    objectSource(1),
  );
  const notOpen = refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  expect(outcomes).toEqual([[notOpen, notOpen], [{ kind: "appended", baseOffset: 0, logStartOffset: 0 }]]);
});

test("transactional batches are refused", () => {
  expect(openedLog().append([produced(0, { isTransactional: true })])).toEqual([refused(ErrorCode.INVALID_TXN_STATE)]);
});

test("no offset leaves the safe integers", () => {
  const log = openedLog();
  log.partition().logEndOffset = Number.MAX_SAFE_INTEGER - 5;
  const outcomes = log.append([batchOf({ offsetCount: 6 }), batchOf({ offsetCount: 5 }), batchOf()]);
  expect(outcomes.map((one) => one.kind)).toEqual(["refused", "appended", "refused"]);
  expect(outcomes[0]).toEqual(refused(ErrorCode.INVALID_RECORD));
  encodedState(log.state);
});

test("an inlined flush is placed by its record", () => {
  const log = openedLog();
  log.append([batchOf()], { source: INLINE });
  expect(log.partition().entries[0]?.place).toEqual({ kind: "inline", seq: log.seq, indexInRecord: 0 });
});

test("parts of one flush share one object", () => {
  const log = openedLog();
  log.fold(open([1]));
  const batches = [batchOf()];
  log.appendParts(
    [
      { topicId: TOPIC, partitionIndex: 0, position: 0, batches },
      { topicId: TOPIC, partitionIndex: 1, position: 100, batches },
    ],
    objectSource(1),
  );
  expect(log.partition(0).entries[0]?.place).toBe(log.partition(1).entries[0]?.place);
});

interface CommitCase {
  readonly name: string;
  readonly rf: number;
  readonly min: number;
  readonly isr: readonly number[];
  readonly copies: readonly number[] | "inline";
  /** With acks=all, with acks=1. */
  readonly accepted: readonly [boolean, boolean];
}

const commitCases: readonly CommitCase[] = [
  { name: "one copy at RF 1", rf: 1, min: 1, isr: [0, 1, 2], copies: [0], accepted: [true, true] },
  { name: "no copy", rf: 1, min: 1, isr: [0, 1, 2], copies: [], accepted: [false, false] },
  { name: "a copy outside the placement", rf: 1, min: 1, isr: [0, 1, 2], copies: [1], accepted: [false, false] },
  { name: "an unknown store", rf: 3, min: 1, isr: [0, 1, 2], copies: [0, 9], accepted: [false, false] },
  { name: "a store named twice", rf: 3, min: 1, isr: [0, 1, 2], copies: [0, 0], accepted: [false, false] },
  { name: "two of three", rf: 3, min: 2, isr: [0, 1, 2], copies: [2, 1], accepted: [true, true] },
  { name: "one of three", rf: 3, min: 1, isr: [0, 1, 2], copies: [0], accepted: [false, false] },
  { name: "one of three with one in sync", rf: 3, min: 1, isr: [0], copies: [0], accepted: [true, true] },
  { name: "one in sync below the minimum", rf: 3, min: 2, isr: [0], copies: [0], accepted: [false, true] },
  {
    name: "two of three below a minimum of three",
    rf: 3,
    min: 3,
    isr: [0, 1, 2],
    copies: [0, 1],
    accepted: [false, true],
  },
  { name: "no store in sync, no copy", rf: 3, min: 0, isr: [], copies: [], accepted: [false, false] },
  { name: "no store in sync, one copy", rf: 3, min: 1, isr: [], copies: [0], accepted: [true, true] },
  { name: "inlined", rf: 3, min: 2, isr: [], copies: "inline", accepted: [true, true] },
  { name: "inlined, a minimum above RF", rf: 1, min: 2, isr: [0], copies: "inline", accepted: [false, true] },
];

test.each(commitCases)("the commit rule: $name", ({ rf, min, isr, copies, accepted }) => {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [0, 1, 2] });
  log.state.isr = isr;
  log.fold(open([0], { replicationFactor: rf, minInsyncReplicas: min }));
  const source = copies === "inline" ? INLINE : objectSource(1, copies);
  const outcomes = log.append([batchOf(), batchOf({ requireMinInsync: false })], { source });
  expect(outcomes.map((one) => one.kind === "appended")).toEqual(accepted);
  for (const one of outcomes) {
    if (one.kind === "refused") expect(one.error).toBe(ErrorCode.NOT_ENOUGH_REPLICAS);
  }
});
