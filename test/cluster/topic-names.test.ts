import { expect, test } from "vitest";
import { topicNameFault } from "#lib/cluster/topic-names.ts";

test.each(["a", "valid_TOPIC.NAME-9", "__consumer_offsets", "...", "-", "x".repeat(249)])(
  "%s is a topic's name",
  (name) => {
    expect(topicNameFault(name)).toBeUndefined();
  },
);

// The texts of Kafka 4.1 for the same names.
test.each([
  ["", "Topic name is invalid: the empty string is not allowed"],
  [".", "Topic name is invalid: '.' is not allowed"],
  ["..", "Topic name is invalid: '..' is not allowed"],
  [
    "a b",
    "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
  ],
  [
    "a\n",
    "Topic name is invalid: 'a\n' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
  ],
  ["ä", "Topic name is invalid: 'ä' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"],
])("%j is not a topic's name", (name, fault) => {
  expect(topicNameFault(name)).toBe(fault);
});

test("a name of 250 characters is too long, and is not repeated whole", () => {
  expect(topicNameFault("x".repeat(250))).toMatch(/the length of 'x{249}…' is longer than the max allowed length 249$/);
  expect(topicNameFault("x".repeat(30_000))?.length).toBeLessThan(400);
});
