import { describe, expect, test } from "vitest";
import { isTopicRegex, TopicRegexes } from "#lib/coordinator/topic-regex.ts";
import { TOPIC_REGEX_LENGTH_MAX, TOPIC_REGEXES_CACHED_MAX } from "#lib/util/limits.ts";

const NAMES = ["audit", "orders-eu", "orders-us", "my-orders-eu"];

describe("a topic expression", () => {
  test("is in RE2's syntax, which has no look-around and no back references", () => {
    for (const regex of ["orders-.*", "[[:alpha:]]+", "(?i)ORDERS-(eu|us)", "\\p{Greek}+", "(?P<name>a)"]) {
      expect(isTopicRegex(regex)).toBe(true);
    }
    for (const regex of ["(", "*", "a**", "(?=a)b", "(?!a).*", "(a)\\1", "a{1001}", "[z-a]"]) {
      expect(isTopicRegex(regex)).toBe(false);
    }
  });

  test("means the topics whose whole name matches", () => {
    const regexes = new TopicRegexes();
    expect(regexes.matches("orders-.*", NAMES)).toEqual(["orders-eu", "orders-us"]);
    expect(regexes.matches("orders", NAMES)).toEqual([]);
    expect(regexes.matches(".*orders.*", NAMES)).toEqual(["orders-eu", "orders-us", "my-orders-eu"]);
    expect(regexes.matches("audit|orders-eu", NAMES)).toEqual(["audit", "orders-eu"]);
    expect(regexes.matches("(", NAMES)).toEqual([]);
  });

  test("has a length that is limited", () => {
    expect(isTopicRegex("a".repeat(TOPIC_REGEX_LENGTH_MAX))).toBe(true);
    expect(isTopicRegex("a".repeat(TOPIC_REGEX_LENGTH_MAX + 1))).toBe(false);
  });

  test("must not grow beyond measure when its repetitions are written out", () => {
    expect(isTopicRegex("[a-z]{2,10}-[0-9]{1,5}")).toBe(true);
    expect(isTopicRegex("a{1000}")).toBe(true);
    expect(isTopicRegex(`(${"ab".repeat(100)}){500}`)).toBe(false);
    expect(isTopicRegex("\\pL{1000}".repeat(100))).toBe(false);
    expect(isTopicRegex("(a{2,}){2}")).toBe(true);
  });

  test("is matched in time that grows with the name alone", () => {
    const name = "a".repeat(249);
    expect(new TopicRegexes().matches("(a*)*(a*)*(a*)*b", [name])).toEqual([]);
  });
});

describe("resolved expressions", () => {
  test("are kept while the topics are the same, and made anew for others", () => {
    const regexes = new TopicRegexes();
    const first = regexes.matches("orders-.*", NAMES);
    expect(regexes.matches("orders-.*", NAMES)).toBe(first);
    expect(regexes.matches("orders-.*", ["orders-jp"])).toEqual(["orders-jp"]);
  });

  test("come as the command carries them", () => {
    expect(new TopicRegexes().resolve(new Set(["a.*", "b.*"]), NAMES)).toEqual([
      { regex: "a.*", topicNames: ["audit"] },
      { regex: "b.*", topicNames: [] },
    ]);
  });

  test("are forgotten when there are many, the least used first", () => {
    const regexes = new TopicRegexes();
    const [often, seldom] = [regexes.matches("audit", NAMES), regexes.matches("orders-eu", NAMES)];
    for (let n = 0; n < TOPIC_REGEXES_CACHED_MAX - 1; n++) {
      regexes.matches(`x${n}`, NAMES);
      regexes.matches("audit", NAMES);
    }
    expect(regexes.matches("audit", NAMES)).toBe(often);
    expect(regexes.matches("orders-eu", NAMES)).not.toBe(seldom);
  });
});
