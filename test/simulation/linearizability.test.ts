import { describe, expect, test } from "vitest";
import { checkLinearizable, type LogOperation } from "./linearizability.ts";

function append(name: string, span: readonly [number, number | undefined], offset?: number): LogOperation {
  return { kind: "append", name, count: 1, offset, startMs: span[0], endMs: span[1] };
}

function read(name: string, offset: number, span: readonly [number, number]): LogOperation {
  return { kind: "read", name, count: 1, offset, startMs: span[0], endMs: span[1] };
}

function end(offset: number, span: readonly [number, number]): LogOperation {
  return { kind: "end", offset, startMs: span[0], endMs: span[1] };
}

describe("histories that a log can explain", () => {
  const good: Readonly<Record<string, readonly LogOperation[]>> = {
    "nothing at all": [],
    "one after another": [append("a", [0, 1], 0), read("a", 0, [2, 3]), append("b", [4, 5], 1), end(2, [6, 7])],
    "two at once, in either order": [append("a", [0, 10], 1), append("b", [0, 10], 0), end(2, [11, 12])],
    "a read during the append": [append("a", [0, 10], 0), read("a", 0, [3, 4])],
    "an end from before and one from after": [append("a", [0, 10], 0), end(0, [1, 3]), end(1, [4, 9])],
    "an unknown append that happened": [append("a", [0, undefined]), read("a", 0, [50, 51])],
    "an unknown append that never happened": [append("a", [0, undefined]), append("b", [5, 6], 0), end(1, [7, 8])],
    "an unknown append that came late": [
      append("a", [0, undefined]),
      append("b", [5, 6], 0),
      end(1, [7, 8]),
      append("c", [20, 21], 2),
      read("a", 1, [30, 31]),
    ],
  };
  test.each(Object.entries(good))("%s", (_, history) => {
    expect(checkLinearizable(history)).toBe("linearizable");
  });
});

describe("histories that no log can explain", () => {
  const bad: Readonly<Record<string, readonly LogOperation[]>> = {
    "one offset for two": [append("a", [0, 1], 0), append("b", [2, 3], 0)],
    "a gap": [append("a", [0, 1], 0), append("b", [2, 3], 2)],
    "a read of what was appended later": [read("a", 0, [0, 1]), append("a", [2, 3], 0)],
    "an acknowledged record that is gone": [append("a", [0, 1], 0), end(0, [2, 3])],
    "an end that goes back": [append("a", [0, 20], 0), end(1, [5, 6]), end(0, [7, 8])],
    "a record that changes": [append("a", [0, 1], 0), append("b", [0, 1], 1), read("a", 1, [2, 3])],
    "a later append before an earlier one": [append("a", [0, 1], 1), append("b", [2, 3], 0)],
    "an unknown append in two places": [
      append("a", [0, undefined]),
      append("b", [5, 6], 1),
      read("a", 0, [7, 8]),
      read("a", 2, [9, 10]),
    ],
  };
  test.each(Object.entries(bad))("%s", (_, history) => {
    expect(checkLinearizable(history)).toBe("not linearizable");
  });
});

test("a search that takes too long says so", () => {
  const many = Array.from({ length: 40 }, (_, index): LogOperation => {
    return { kind: "append", name: `u${index}`, count: 2 * index + 2, offset: undefined, startMs: 0, endMs: undefined };
  });
  const impossible = [...many, end(501, [1_000, 1_001])];
  expect(checkLinearizable(impossible, 2_000)).toBe("undecided");
});

test("long histories with few at a time are decided", () => {
  const history = Array.from({ length: 300 }, (_, index): readonly LogOperation[] => [
    append(`a${index}`, [10 * index, 10 * index + 8], 2 * index + 1),
    append(`b${index}`, [10 * index, 10 * index + 9], 2 * index),
    read(`b${index}`, 2 * index, [10 * index + 3, 10 * index + 15]),
  ]).flat();
  expect(checkLinearizable(history)).toBe("linearizable");
});
