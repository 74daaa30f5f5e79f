import { expect, test } from "vitest";
import { isAtLeast } from "./tools.ts";

test.each([
  ["3.11.7", true],
  ["3.12", true],
  ["4.0.1", true],
  ["3.9.18", false],
  ["2.7", false],
  ["no version", false],
])("%s is at least 3.11: %s", (version, expected) => {
  expect(isAtLeast(version, [3, 11])).toBe(expected);
});

test.each([
  ["17.0.15", true],
  ["21-ea", true],
  ["1.8.0_392", false],
  ["11.0.2+9", false],
])("Java %s is at least 17: %s", (version, expected) => {
  expect(isAtLeast(version, [17, 0])).toBe(expected);
});
