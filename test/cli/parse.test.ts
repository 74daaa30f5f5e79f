import { describe, expect, test } from "vitest";
import {
  parseAcks,
  parseApiKey,
  parseBootstrap,
  parseCompression,
  parseFrom,
  parseInteger,
  parseKeyValue,
  parseSeparator,
  parseTime,
} from "../../bin/cli/parse.ts";
import { UsageError } from "../../bin/cli/usage-error.ts";

describe("what the user types", () => {
  test("is a place to begin from", () => {
    expect(parseFrom("beginning")).toEqual({ kind: "beginning" });
    expect(parseFrom("end")).toEqual({ kind: "end" });
    expect(parseFrom("offset:42")).toEqual({ kind: "offset", offset: 42 });
    expect(parseFrom("time:1700000000000")).toEqual({ kind: "time", timestampMs: 1_700_000_000_000 });
    expect(parseFrom("time:2023-11-14T22:13:20Z")).toEqual({ kind: "time", timestampMs: 1_700_000_000_000 });
  });

  test("is a time in UTC unless it says another zone", () => {
    expect(parseTime("2023-11-14T22:13:20")).toBe(1_700_000_000_000);
    expect(parseTime("2023-11-14T23:13:20+01:00")).toBe(1_700_000_000_000);
    expect(parseTime("2023-11-14")).toBe(Date.UTC(2023, 10, 14));
    expect(parseTime("yesterday")).toBeUndefined();
    expect(parseTime("2023-13-45")).toBeUndefined();
  });

  test("is one broker or several", () => {
    expect(parseBootstrap("a:1, [::1]:9092")).toEqual([
      { host: "a", port: 1 },
      { host: "::1", port: 9092 },
    ]);
  });

  test("is a value that may hold an equals sign, and a separator in the shell's spelling", () => {
    expect(parseKeyValue("k=a=b", "--header")).toEqual({ key: "k", value: "a=b" });
    expect(parseSeparator("\\t").toString()).toBe("\t");
    expect(parseAcks("all")).toBe(-1);
    expect(parseCompression("zstd")).toBe("zstd");
  });

  test("is refused with what would be right", () => {
    const wrong: readonly (() => unknown)[] = [
      () => parseFrom("offset:-1"),
      () => parseFrom("time:soon"),
      () => parseFrom("middle"),
      () => parseBootstrap("localhost"),
      () => parseBootstrap("a:0"),
      () => parseInteger("1e3", { name: "--partitions", min: 1 }),
      () => parseInteger("0", { name: "--partitions", min: 1 }),
      () => parseKeyValue("=v", "--config"),
      () => parseSeparator(""),
      () => parseAcks("2"),
      () => parseCompression("brotli"),
    ];
    for (const parse of wrong) expect(parse).toThrow(UsageError);
    expect(() => parseInteger("0", { name: "--partitions", min: 1 })).toThrow(
      "--partitions is a whole number, at least 1",
    );
  });
});

test("a key is one word of visible characters; none is no key", () => {
  expect([parseApiKey(" mr_a_b\n"), parseApiKey("")]).toEqual(["mr_a_b", undefined]);
  for (const text of ["mr_a b", "mr_\nx: y", "mr_é"]) expect(() => parseApiKey(text)).toThrow(UsageError);
});
