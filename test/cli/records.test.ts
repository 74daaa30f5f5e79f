import { describe, expect, test } from "vitest";
import { splitLines } from "../../bin/cli/lines.ts";
import { type LineFormat, recordOfJson, recordOfLine } from "../../bin/cli/record-input.ts";
import { formatRecord, type OutputStyle } from "../../bin/cli/record-output.ts";
import { formatBytes, formatTable } from "../../bin/cli/table.ts";

const PLAIN: LineFormat = { keySeparator: undefined, nullValue: undefined, headers: [] };
const NOW = 1_700_000_000_000;

async function linesOf(...chunks: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  async function* stream() {
    for (const chunk of chunks) yield Buffer.from(chunk, "latin1");
  }
  for await (const some of splitLines(stream())) lines.push(...some.map((line) => line.toString("latin1")));
  return lines;
}

describe("lines", () => {
  test("go across chunks, may be empty, and keep carriage returns", async () => {
    expect(await linesOf("a\nb", "c", "d\r\n\n", "e")).toEqual(["a", "bcd\r", "", "e"]);
    expect(await linesOf("a\n")).toEqual(["a"]);
    expect(await linesOf()).toEqual([]);
  });

  test("keep bytes that are no UTF-8", async () => {
    expect(await linesOf("\xff\xfe\n\x80")).toEqual(["\xff\xfe", "\x80"]);
  });
});

describe("a line", () => {
  test("is a value, or key and value around the first separator", () => {
    expect(recordOfLine(Buffer.from("v"), PLAIN, NOW)).toMatchObject({ key: null, value: Buffer.from("v") });
    const format = { ...PLAIN, keySeparator: Buffer.from("::") };
    expect(recordOfLine(Buffer.from("k::a::b"), format, NOW)).toEqual({
      timestampMs: NOW,
      key: Buffer.from("k"),
      value: Buffer.from("a::b"),
      headers: [],
    });
    expect(() => recordOfLine(Buffer.from("no separator"), format, NOW)).toThrow("no key separator");
  });

  test("with the null text is a tombstone", () => {
    const format = { ...PLAIN, keySeparator: Buffer.from(":"), nullValue: "NULL" };
    expect(recordOfLine(Buffer.from("k:NULL"), format, NOW).value).toBeNull();
    expect(recordOfLine(Buffer.from("k:NULLs"), format, NOW).value).not.toBeNull();
  });
});

describe("a JSON line", () => {
  const json = (value: unknown) => recordOfJson(Buffer.from(JSON.stringify(value)), PLAIN, NOW);

  test("is what consume writes", () => {
    const read = {
      partition: 2,
      record: {
        offset: 9,
        timestampMs: 5,
        key: Buffer.from([0xff, 0]),
        value: Buffer.from("ü"),
        headers: [
          { key: "h", value: Buffer.from("1") },
          { key: "h", value: null },
        ],
      },
    };
    const style: OutputStyle = { format: "json", keySeparator: Buffer.from("\t"), nullText: "null" };
    const [line] = formatRecord(read, style);
    expect(JSON.parse(String(line))).toEqual({
      partition: 2,
      offset: 9,
      timestamp: 5,
      key: "/wA=",
      keyEncoding: "base64",
      value: "ü",
      headers: [
        { key: "h", value: "1" },
        { key: "h", value: null },
      ],
    });
    const { offset: _, ...record } = read.record;
    expect(recordOfJson(Buffer.from(String(line)), PLAIN, NOW)).toEqual({ record, partition: 2 });
  });

  test("may leave everything out, or name headers in an object and values that are no text", () => {
    expect(json({})).toEqual({
      partition: undefined,
      record: { timestampMs: NOW, key: null, value: null, headers: [] },
    });
    const { record } = json({ value: { a: 1 }, headers: { x: "y" }, timestamp: "2023-11-14T22:13:20Z" });
    expect(record).toEqual({
      timestampMs: NOW,
      key: null,
      value: Buffer.from('{"a":1}'),
      headers: [{ key: "x", value: Buffer.from("y") }],
    });
  });

  test("is refused if it is no object or its fields cannot be meant", () => {
    for (const value of [
      1,
      [],
      null,
      { partition: -1 },
      { timestamp: "soon" },
      { value: "a", valueEncoding: "hex" },
      { headers: 1 },
      { vlaue: "a misspelt field is no tombstone" },
    ]) {
      expect(() => json(value), JSON.stringify(value)).toThrow();
    }
    expect(() => recordOfJson(Buffer.from("{"), PLAIN, NOW)).toThrow("not JSON");
  });
});

test("a record as text is its bytes and a line feed", () => {
  const record = { offset: 0, timestampMs: 0, key: null, value: Buffer.from([0xff]), headers: [] };
  const style = { keySeparator: Buffer.from("="), nullText: "-" };
  const bytes = (format: "value" | "key-value") =>
    Buffer.concat(formatRecord({ partition: 0, record }, { ...style, format }).map((one) => Buffer.from(one)));
  expect(bytes("value")).toEqual(Buffer.from([0xff, 0x0a]));
  expect(bytes("key-value")).toEqual(Buffer.concat([Buffer.from("-="), Buffer.from([0xff, 0x0a])]));
});

test("tables align texts to the left and numbers to the right", () => {
  expect(
    formatTable(
      ["name", "n"],
      [
        ["a", 5],
        ["long name", 100],
      ],
    ),
  ).toBe("name         n\na            5\nlong name  100\n");
  expect([0, 999, 1_000, 12_345, 999_600].map(formatBytes)).toEqual(["0 B", "999 B", "1.00 KB", "12.3 KB", "1.00 MB"]);
});
