import { expect, test } from "vitest";
import { addToSequence } from "#lib/log/fold-producer.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { PRODUCER_IDLE_MS } from "#lib/util/limits.ts";
import { batchOf, openedLog, produced } from "./log-fixtures.ts";

const SEQUENCE_MAX = 0x7fff_ffff;

/** Each step is `[epoch, base sequence, records, expected]`: a base offset, "dup:offset" or an error's name. */
type Step = readonly [number, number, number, number | string];

const tables: Readonly<Record<string, readonly Step[]>> = {
  "sequences follow one another": [
    [0, 0, 2, 0],
    [0, 2, 3, 2],
    [0, 5, 1, 5],
  ],
  "a gap is out of order and changes nothing": [
    [0, 0, 2, 0],
    [0, 3, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
    [0, 2, 1, 2],
  ],
  "a repeated batch gets its first offset again": [
    [0, 0, 2, 0],
    [0, 2, 2, 2],
    [0, 0, 2, "dup:0"],
    [0, 2, 2, "dup:2"],
    [0, 4, 1, 4],
  ],
  "a batch of another length is no duplicate": [
    [0, 0, 2, 0],
    [0, 2, 2, 2],
    [0, 0, 3, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
    [0, 2, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
  ],
  "five batches are remembered, the sixth is out of order": [
    [0, 0, 1, 0],
    [0, 1, 1, 1],
    [0, 2, 1, 2],
    [0, 3, 1, 3],
    [0, 4, 1, 4],
    [0, 5, 1, 5],
    [0, 1, 1, "dup:1"],
    [0, 0, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
  ],
  "an unknown producer begins anywhere": [
    [3, 17, 1, 0],
    [3, 18, 1, 1],
  ],
  "a newer epoch begins at 0": [
    [0, 0, 2, 0],
    [1, 2, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
    [1, 0, 1, 2],
    [1, 1, 1, 3],
  ],
  "an older epoch is fenced, its duplicates too": [
    [0, 0, 2, 0],
    [1, 0, 2, 2],
    [0, 0, 2, "INVALID_PRODUCER_EPOCH"],
    [0, 2, 2, "INVALID_PRODUCER_EPOCH"],
    [1, 0, 2, "dup:2"],
  ],
  "sequences go on at 0 after the largest": [
    [0, SEQUENCE_MAX, 1, 0],
    [0, 0, 1, 1],
    [0, SEQUENCE_MAX, 1, "dup:0"],
    [0, 1, 1, 2],
  ],
  "a batch wraps in its middle": [
    [0, SEQUENCE_MAX - 1, 4, 0],
    [0, 2, 1, 4],
    [0, SEQUENCE_MAX - 1, 4, "dup:0"],
    [0, 1, 1, "OUT_OF_ORDER_SEQUENCE_NUMBER"],
  ],
};

test.each(Object.entries(tables))("%s", (_name, steps) => {
  const log = openedLog();
  for (const [producerEpoch, baseSequence, offsetCount, expected] of steps) {
    const [outcome] = log.append([produced(baseSequence, { producerEpoch, offsetCount })]);
    let seen: number | string = "none";
    if (outcome?.kind === "appended") seen = outcome.baseOffset;
    if (outcome?.kind === "duplicate") seen = `dup:${outcome.baseOffset}`;
    if (outcome?.kind === "refused") {
      const { error } = outcome;
      seen = Object.entries(ErrorCode).find(([, code]) => code === error)?.[0] ?? "unknown";
    }
    expect(seen).toBe(expected);
  }
});

test("producers do not disturb each other, nor do batches without idempotence", () => {
  const log = openedLog();
  log.append([produced(0), produced(0, { producerId: 8 }), batchOf(), batchOf(), produced(1)]);
  expect(log.partition().logEndOffset).toBe(5);
  expect(log.partition().producers.size).toBe(2);
});

test("duplicates within one flush are found", () => {
  const outcomes = openedLog().append([produced(0), produced(0)]);
  expect(outcomes[1]).toEqual({ kind: "duplicate", baseOffset: 0, logStartOffset: 0 });
});

test("a duplicate shows the log start of now", () => {
  const log = openedLog();
  log.append([produced(0, { offsetCount: 4 })]);
  log.fold({ kind: "advance-log-start", topicId: log.partition().topicId, partitionIndex: 0, logStartOffset: 3 });
  expect(log.append([produced(0, { offsetCount: 4 })])).toEqual([
    { kind: "duplicate", baseOffset: 0, logStartOffset: 3 },
  ]);
});

test("an idle producer is known by its newest batch only", () => {
  const log = openedLog();
  log.append([produced(0), produced(1)]);
  log.nowMs += PRODUCER_IDLE_MS;
  expect(log.append([produced(0)])[0]?.kind).toBe("duplicate");
  log.nowMs += 1;
  expect(log.append([produced(0)])[0]?.kind).toBe("refused");
  expect(log.append([produced(1)])[0]?.kind).toBe("duplicate");
  log.append([produced(2)]);
  expect(log.partition().producers.get(7)?.batches).toHaveLength(2);
});

test("a clock that goes back makes no idle producer active again", () => {
  const log = openedLog();
  log.append([produced(0), produced(1)]);
  log.nowMs += PRODUCER_IDLE_MS + 1;
  log.append([batchOf()]);
  log.nowMs -= PRODUCER_IDLE_MS;
  expect(log.append([produced(0)])[0]?.kind).toBe("refused");
});

test("sequences are added modulo 2^31", () => {
  expect(addToSequence(SEQUENCE_MAX, 0)).toBe(SEQUENCE_MAX);
  expect(addToSequence(SEQUENCE_MAX, 1)).toBe(0);
  expect(addToSequence(SEQUENCE_MAX - 3, 10)).toBe(6);
});
