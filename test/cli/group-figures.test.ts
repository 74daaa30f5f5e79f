import { describe, expect, test } from "vitest";
import { recordLag, timeLag } from "../../bin/cli/group-lag.ts";
import { parseTargets, settle } from "../../bin/cli/offset-reset.ts";
import { formatDuration } from "../../bin/cli/table.ts";
import { UsageError } from "../../bin/cli/usage-error.ts";

describe("the lag of a partition", () => {
  const range = { logStartOffset: 10, logEndOffset: 30 };

  test("is what lies between the committed offset and the log's end", () => {
    expect(recordLag(25, range)).toEqual({ lagRecords: 5, unreadFrom: 25 });
    expect(recordLag(30, range)).toEqual({ lagRecords: 0, unreadFrom: undefined });
  });

  test("counts what is gone unread, and reading goes on at the log's beginning", () => {
    expect(recordLag(4, range)).toEqual({ lagRecords: 26, unreadFrom: 10 });
    expect(recordLag(4, { logStartOffset: 30, logEndOffset: 30 })).toEqual({ lagRecords: 26, unreadFrom: undefined });
  });

  test("is not below 0, and not known where nothing is committed or nobody leads", () => {
    expect(recordLag(31, range).lagRecords).toBe(0);
    expect(recordLag(null, range).lagRecords).toBeNull();
    expect(recordLag(5, { logStartOffset: undefined, logEndOffset: undefined }).lagRecords).toBeNull();
  });
});

describe("the times of a partition", () => {
  const facts = { lagRecords: 3, firstMs: 100_000, retentionMs: 60_000, nowMs: 130_500 };

  test("are the age of the first unread record and what retention leaves it", () => {
    expect(timeLag(facts)).toEqual({ lagSeconds: 30.5, retentionSecondsLeft: 29.5 });
    expect(timeLag({ ...facts, retentionMs: 1_000 })).toEqual({ lagSeconds: 30.5, retentionSecondsLeft: 0 });
    expect(timeLag({ ...facts, retentionMs: undefined })).toEqual({ lagSeconds: 30.5, retentionSecondsLeft: null });
  });

  test("are none when nothing is unread or the record bears no time, and 0 for one from the future", () => {
    expect(timeLag({ ...facts, lagRecords: 0 })).toEqual({ lagSeconds: 0, retentionSecondsLeft: null });
    expect(timeLag({ ...facts, firstMs: -1 })).toEqual({ lagSeconds: null, retentionSecondsLeft: null });
    expect(timeLag({ ...facts, firstMs: undefined }).lagSeconds).toBeNull();
    expect(timeLag({ ...facts, firstMs: 131_000 }).lagSeconds).toBe(0);
  });

  test("are shown in their two largest units", () => {
    const shown = [0, 4.29, 59.99, 60, 192, 3_599.9, 18_180, 86_400, 604_799].map(formatDuration);
    expect(shown).toEqual(["0s", "4.2s", "59.9s", "1m00s", "3m12s", "59m59s", "5h03m", "1d00h", "6d23h"]);
  });
});

describe("an offset that a group is set to", () => {
  const bounds = { start: 10, end: 30 };

  test("stays where the log has it, its end included", () => {
    expect(settle({ offset: 10 }, bounds)).toEqual({ to: 10, note: "" });
    expect(settle({ offset: 30 }, bounds)).toEqual({ to: 30, note: "" });
  });

  test("is brought into the log with a note", () => {
    expect(settle({ offset: -5 }, bounds)).toEqual({ to: 10, note: "-5 is not in the log: its beginning" });
    expect(settle({ offset: 31 }, bounds)).toEqual({ to: 30, note: "31 is not in the log: its end" });
  });

  test("is an end of the log without a note where that was meant", () => {
    expect(settle({ offset: Number.NEGATIVE_INFINITY }, bounds)).toEqual({ to: 10, note: "" });
    expect(settle({ offset: Number.POSITIVE_INFINITY, note: "why" }, bounds)).toEqual({ to: 30, note: "why" });
  });
});

test("topics are named alone or with partitions, and once", () => {
  expect([...parseTargets(["a", "b:0,2,2"])]).toEqual([
    ["a", undefined],
    ["b", [0, 2]],
  ]);
  for (const wrong of [[""], [":1"], ["a:"], ["a:x"], ["a:-1"], ["a", "a:1"]]) {
    expect(() => parseTargets(wrong), wrong.join(" ")).toThrow(UsageError);
  }
});
