import { expect, test } from "vitest";
import { batchSizesOf } from "#lib/log/batch-sizes.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { objectKey } from "#lib/util/branded.ts";
import { PRODUCER_EXPIRY_MS_MIN } from "#lib/util/limits.ts";
import {
  batchOf,
  FoldedLog,
  flushIdOf,
  INLINE,
  objectSource,
  open,
  openedLog,
  produced,
  TOPIC,
  topicIdOf,
} from "./log-fixtures.ts";
import {
  directoryOf,
  entryInputsOf,
  gatherOf,
  inputsOf,
  layoutOf,
  replaceOf,
  segmentOf,
  walKeyOf,
  withPlace,
} from "./segment-commands.ts";

const DONE = { kind: "done" };
const MOVED = { kind: "refused", error: ErrorCode.INVALID_UPDATE_VERSION };
const NOT_COVERED = { kind: "refused", error: ErrorCode.INVALID_REQUEST };
const TOO_FEW = { kind: "refused", error: ErrorCode.NOT_ENOUGH_REPLICAS };
const NOT_OPEN = { kind: "refused", error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };

/** Entries 0-1 in an object, 1-2 inlined, 2-4 and 4-5 in an object each. */
function appendedLog(): FoldedLog {
  const log = openedLog();
  log.append([batchOf()]);
  log.append([batchOf()], { source: INLINE });
  log.append([batchOf({ offsetCount: 2 })]);
  log.append([batchOf()]);
  return log;
}

test("segments come in the place of entries, and the log goes on behind them", () => {
  const log = appendedLog();
  expect(log.fold(replaceOf(inputsOf(log).slice(0, 3), [segmentOf(0, 4)]))).toEqual(DONE);
  expect(layoutOf(log)).toBe("0-4 | 4-5o");
  log.append([batchOf()]);
  expect(layoutOf(log)).toBe("0-4 | 4-5o 5-6o");
  expect(log.partition()).toMatchObject({ logStartOffset: 0, logEndOffset: 6 });
  expect(log.partition().segments).toEqual([segmentOf(0, 4)]);
});

test("segments and the entries behind them become one segment, or several", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log).slice(0, 2), [segmentOf(0, 1), segmentOf(1, 2)]));
  expect(log.fold(replaceOf(inputsOf(log), [segmentOf(0, 3), segmentOf(3, 5)]))).toEqual(DONE);
  expect(layoutOf(log)).toBe("0-3 3-5 |");
});

test("segments in the middle are replaced by themselves", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log), [segmentOf(0, 1), segmentOf(1, 2), segmentOf(2, 4), segmentOf(4, 5)]));
  const merged = segmentOf(1, 4, { directory: directoryOf(2), isCleaned: true });
  expect(log.fold(replaceOf(inputsOf(log).slice(1, 3), [merged]))).toEqual(DONE);
  expect(layoutOf(log)).toBe("0-1 1-4 4-5 |");
  expect(log.partition().segments[1]).toEqual(merged);
});

test("a replacement that was taken is refused when it comes again", () => {
  const log = appendedLog();
  const command = replaceOf(inputsOf(log), [segmentOf(0, 5)]);
  expect([log.fold(command), log.fold(command)]).toEqual([DONE, MOVED]);
});

test("every input must be there as it is named", () => {
  const log = appendedLog();
  const inputs = inputsOf(log);
  const entries = entryInputsOf(log);
  const [first, second, third, fourth] = [0, 1, 2, 3].map((index) => defined(entries[index]));
  const tryInputs = (...some: typeof inputs) => {
    const [base, last] = [defined(some[0]), defined(some.at(-1))];
    return log.fold(replaceOf(some, [segmentOf(base.baseOffset, last.nextOffset)]));
  };
  const before = layoutOf(log);
  expect(tryInputs(defined(second))).toEqual(MOVED);
  expect(tryInputs(defined(first), defined(third))).toEqual(MOVED);
  expect(tryInputs(withPlace(defined(first), { kind: "object", flushId: flushIdOf(99) }), defined(second))).toEqual(
    MOVED,
  );
  expect(tryInputs(withPlace(defined(first), { kind: "lost" }))).toEqual(MOVED);
  const other = { kind: "inline", seq: 4, indexInRecord: 1 } as const;
  expect(tryInputs(defined(first), withPlace(defined(second), other))).toEqual(MOVED);
  expect(tryInputs({ ...defined(first), nextOffset: 2 })).toEqual(MOVED);
  expect(tryInputs({ kind: "segment", baseOffset: 0, nextOffset: 1, directory: directoryOf(1) })).toEqual(MOVED);
  const behind = { ...defined(fourth), baseOffset: 5, nextOffset: 6 };
  expect(tryInputs(...inputs, behind)).toEqual(MOVED);
  expect(layoutOf(log)).toBe(before);
  expect(tryInputs(...inputs)).toEqual(DONE);
});

test("a segment is known by its directory too", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log), [segmentOf(0, 2), segmentOf(2, 5)]));
  const [first] = inputsOf(log);
  const named = { ...defined(first), directory: directoryOf(2) } as const;
  if (first?.kind !== "segment") throw new Error("no segment");
  expect(log.fold(replaceOf([{ ...first, directory: named.directory }], [segmentOf(0, 2)]))).toEqual(MOVED);
  expect(log.fold(replaceOf([first], [segmentOf(0, 2, { directory: directoryOf(3) })]))).toEqual(DONE);
});

test("entries are not taken over the heads of segments before them", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log).slice(0, 2), [segmentOf(0, 1), segmentOf(1, 2)]));
  const [first, , third] = inputsOf(log);
  const skipping = replaceOf([defined(first), defined(third)], [segmentOf(0, 4)]);
  expect(log.fold(skipping)).toEqual(MOVED);
  const [, second, entry] = inputsOf(log);
  const backwards = [defined(entry), defined(second), { ...defined(entry), baseOffset: 4, nextOffset: 5 }];
  expect(log.fold(replaceOf(backwards, [segmentOf(2, 5)]))).toEqual(MOVED);
  expect(layoutOf(log)).toBe("0-1 1-2 | 2-4o 4-5o");
});

test.each([
  ["none", []],
  ["fewer offsets", [segmentOf(0, 4)]],
  ["more offsets", [segmentOf(0, 6)]],
  ["another beginning", [segmentOf(1, 5)]],
  ["a hole", [segmentOf(0, 2), segmentOf(3, 5)]],
  ["an overlap", [segmentOf(0, 3), segmentOf(2, 5)]],
  ["nothing in between", [segmentOf(0, 2), segmentOf(2, 2), segmentOf(2, 5)]],
])("segments that do not cover their inputs are refused: %s", (_name, segments) => {
  const log = appendedLog();
  expect(log.fold(replaceOf(inputsOf(log), segments))).toEqual(NOT_COVERED);
  expect(log.fold(replaceOf([], segments))).toEqual(NOT_COVERED);
  expect(layoutOf(log)).toBe("| 0-1o 1-2i 2-4o 4-5o");
});

test("a partition that is not open takes no segments", () => {
  const log = appendedLog();
  const inputs = inputsOf(log);
  expect(log.fold(replaceOf(inputs, [segmentOf(0, 5)], { partitionIndex: 1 }))).toEqual(NOT_OPEN);
  log.fold({ kind: "drop", topicId: TOPIC, clusterSeq: 20 });
  expect(log.fold(replaceOf(inputs, [segmentOf(0, 5)]))).toEqual(NOT_OPEN);
});

test("a segment needs as many copies among its partition's stores as a commit does", () => {
  const log = new FoldedLog();
  log.fold({ kind: "place-replicas", replicas: [2, 0, 1] });
  log.fold(open([0], { replicationFactor: 3, minInsyncReplicas: 2 }));
  log.append([batchOf()], { source: objectSource(1, [0, 1, 2]) });
  const withCopies = (copies: readonly number[]) => replaceOf(inputsOf(log), [segmentOf(0, 1, { copies })]);
  expect(log.fold(withCopies([2]))).toEqual(TOO_FEW);
  expect(log.fold(withCopies([]))).toEqual(TOO_FEW);
  expect(log.fold(withCopies([2, 7, 9]))).toEqual(TOO_FEW);
  expect(log.fold(withCopies([1, 2]))).toEqual(DONE);
  log.append([batchOf()], { source: objectSource(2, [0, 1, 2]) });
  log.fold({ kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] });
  const [, entry] = inputsOf(log);
  // What was acknowledged with two copies keeps them while other stores are out of sync.
  expect(log.fold(replaceOf([defined(entry)], [segmentOf(1, 2, { copies: [0] })]))).toEqual(TOO_FEW);
  expect(log.fold(replaceOf([defined(entry)], [segmentOf(1, 2, { copies: [0, 1] })]))).toEqual(DONE);
});

test("the log start removes the segments before it, and may lie within one", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log).slice(0, 3), [segmentOf(0, 1), segmentOf(1, 4)]));
  const advance = (logStartOffset: number) =>
    log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset });
  expect(advance(2)).toEqual(DONE);
  expect(layoutOf(log)).toBe("1-4 | 4-5o");
  expect(log.fold(replaceOf(inputsOf(log), [segmentOf(1, 5)]))).toEqual(DONE);
  expect(advance(5)).toEqual(DONE);
  expect(layoutOf(log)).toBe("|");
});

test("of several segments those that end before the log start are left out", () => {
  const log = appendedLog();
  const inputs = inputsOf(log).slice(2);
  log.fold(replaceOf(inputsOf(log).slice(0, 2), [segmentOf(0, 2)]));
  log.fold({ kind: "advance-log-start", topicId: TOPIC, partitionIndex: 0, logStartOffset: 3 });
  expect(log.fold(replaceOf(inputs, [segmentOf(2, 3), segmentOf(3, 5)]))).toEqual(DONE);
  expect(layoutOf(log)).toBe("3-5 |");
});

test("a segment that is declared lost keeps its offsets, and names no files", () => {
  const log = appendedLog();
  log.fold(replaceOf(inputsOf(log), [segmentOf(0, 2), segmentOf(2, 5, { directory: directoryOf(2) })]));
  const key = walKeyOf(1);
  const lose = (lost: typeof key) => log.fold({ kind: "declare-lost", topicId: TOPIC, partitionIndex: 0, key: lost });
  expect(lose(key)).toEqual(DONE);
  expect(layoutOf(log)).toBe("0-2 2-5 |");
  const ofSegment = objectKey(`${directoryOf(2)}/00000000000000000002.log`);
  expect(lose(ofSegment)).toEqual(DONE);
  expect(layoutOf(log)).toBe("0-2 2-5! |");
  expect(log.partition().segments[1]).toMatchObject({ directory: "", byteLength: 61, indexByteLength: 0 });
  expect(lose(ofSegment)).toEqual(DONE);
  expect(log.fold(replaceOf(inputsOf(log), [segmentOf(0, 5)]))).toEqual(DONE);
});

test("a gather makes one entry of each part, with the bytes and the newest times of its inputs", () => {
  const log = openedLog();
  log.fold(open([0, 1], { clusterSeq: 11 }));
  log.append([batchOf({ maxTimestampMs: 5_000 })], { source: INLINE });
  log.nowMs += 500;
  log.append([batchOf({ byteLength: 300, offsetCount: 4, maxTimestampMs: 70 })]);
  log.append([batchOf(), batchOf({ byteLength: 20_000 })], { source: INLINE, partitionIndex: 1 });
  const batches = log.partition().entries.map(batchSizesOf);
  const parts = [
    { topicId: TOPIC, partitionIndex: 0, inputs: entryInputsOf(log, 0), position: 28 },
    { topicId: TOPIC, partitionIndex: 1, inputs: entryInputsOf(log, 1), position: 428 },
  ];
  expect(log.fold(gatherOf(50, { parts }))).toEqual({ kind: "gathered", parts: [true, true] });
  const place = { kind: "object", key: walKeyOf(50), flushId: flushIdOf(50), byteLength: 1_000, copies: [0] };
  expect(log.partition(0).entries).toEqual([
    {
      baseOffset: 0,
      nextOffset: 5,
      place,
      position: 28,
      byteLength: 400,
      maxTimestampMs: 5_000,
      appendedAtMs: log.nowMs,
      batches: new Uint8Array(Buffer.concat(batches)),
    },
  ]);
  expect(log.partition(1).entries[0]).toMatchObject({ position: 428, byteLength: 20_100, nextOffset: 2 });
  expect(log.partition(1).entries[0]?.place).toBe(log.partition(0).entries[0]?.place);
});

test("each part of a gather is taken or not by itself", () => {
  const log = appendedLog();
  log.fold(open([0, 1], { clusterSeq: 11 }));
  log.append([batchOf()], { partitionIndex: 1 });
  const [first, second, third, fourth] = entryInputsOf(log);
  const part = (inputs: readonly (typeof first)[], partitionIndex = 0, topicId = TOPIC) => ({
    topicId,
    partitionIndex,
    position: 28,
    inputs: inputs.map((input) => defined(input)),
  });
  const parts = [
    part([second, third]),
    part([first, third]),
    part([]),
    part(entryInputsOf(log, 1), 1),
    part([fourth], 7),
    part([fourth], 0, topicIdOf(9)),
    part([withPlace(defined(fourth), { kind: "lost" })]),
    // What an earlier part of the same command has made is something else.
    part([third]),
    part([fourth]),
  ];
  const taken = [true, false, false, true, false, false, false, false, true];
  expect(log.fold(gatherOf(50, { parts }))).toEqual({ kind: "gathered", parts: taken });
  expect(layoutOf(log)).toBe("| 0-1o 1-4o 4-5o");
});

test("lost entries are not gathered, and neither is what too few stores have", () => {
  const log = appendedLog();
  const inputs = entryInputsOf(log);
  const parts = [{ topicId: TOPIC, partitionIndex: 0, inputs, position: 28 }];
  expect(log.fold(gatherOf(50, { parts, copies: [1] }))).toEqual({ kind: "gathered", parts: [false] });
  const [entry] = log.partition().entries;
  if (entry?.place.kind !== "object") throw new Error("the entry lies in a record");
  log.fold({ kind: "declare-lost", topicId: TOPIC, partitionIndex: 0, key: entry.place.key });
  const lost = [{ topicId: TOPIC, partitionIndex: 0, inputs: entryInputsOf(log), position: 28 }];
  expect(log.fold(gatherOf(50, { parts: lost }))).toEqual({ kind: "gathered", parts: [false] });
  expect(layoutOf(log)).toBe("| 0-1l 1-2i 2-4o 4-5o");
});

test("after a retire nothing of that upload epoch or an earlier one is taken, and the refusal names the floor", () => {
  const log = appendedLog();
  expect(log.state.retireFloor).toBe(-1);
  expect(log.fold({ kind: "retire", floor: 100 })).toEqual(DONE);
  expect(log.fold({ kind: "retire", floor: 90 })).toEqual(DONE);
  expect(log.state.retireFloor).toBe(100);
  const retired = { kind: "retired", floor: 100 };
  const before = layoutOf(log);
  expect(log.fold(replaceOf(inputsOf(log), [segmentOf(0, 5)]))).toEqual(retired);
  const mixed = [segmentOf(0, 2, { directory: directoryOf(1, 101) }), segmentOf(2, 5)];
  expect(log.fold(replaceOf(inputsOf(log), mixed))).toEqual(retired);
  expect(log.fold(gatherOf(50))).toEqual(retired);
  const append = (key: ReturnType<typeof walKeyOf>) =>
    log.fold({
      kind: "append",
      flushId: flushIdOf(60),
      source: { kind: "object", key, byteLength: 100, copies: [0] },
      parts: [{ topicId: TOPIC, partitionIndex: 0, position: 0, batches: [batchOf()] }],
    });
  expect(append(walKeyOf(60, 100))).toEqual(retired);
  expect(layoutOf(log)).toBe(before);
  expect(append(walKeyOf(60, 101)).kind).toBe("appended");
  expect(log.fold(gatherOf(51, { key: walKeyOf(51, 101) })).kind).toBe("gathered");
  const above = segmentOf(0, 6, { directory: directoryOf(1, 101) });
  expect(log.fold(replaceOf(inputsOf(log), [above]))).toEqual(DONE);
  expect(log.append([batchOf()], { source: INLINE }).map(({ kind }) => kind)).toEqual(["appended"]);
});

test("producers that have been idle for long are forgotten, and none that was seen lately", () => {
  const log = openedLog();
  const expire = (idleSinceMs: number, partitionIndex = 0) =>
    log.fold({ kind: "expire-producers", topicId: TOPIC, partitionIndex, idleSinceMs });
  log.append([produced(0)]);
  const firstMs = log.nowMs;
  log.nowMs += 60_000;
  log.append([produced(0, { producerId: 8 })]);
  expect(expire(firstMs + 1)).toEqual(DONE);
  expect([...log.partition().producers.keys()]).toEqual([7, 8]);
  log.nowMs += PRODUCER_EXPIRY_MS_MIN;
  log.append([batchOf()]);
  expect(expire(firstMs)).toEqual(DONE);
  expect([...log.partition().producers.keys()]).toEqual([7, 8]);
  // A clock that runs ahead forgets no more than what the latest append allows.
  expect(expire(firstMs + 1e12)).toEqual(DONE);
  expect([...log.partition().producers.keys()]).toEqual([8]);
  expect(expire(0, 5)).toEqual(NOT_OPEN);
  expect(log.append([produced(5)]).map(({ kind }) => kind)).toEqual(["appended"]);
});
