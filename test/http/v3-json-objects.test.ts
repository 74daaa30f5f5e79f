import { expect, test } from "vitest";
import { JsonObjects } from "#lib/http/v3-json-objects.ts";

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
const texts = (found: readonly Uint8Array[]) => found.map((each) => Buffer.from(each).toString());

const BODY = ' {"a":"}{\\"\\\\"}\r\n{"b":[{"c":[]},{}],"ü":"{"}{}\t';
const OBJECTS = ['{"a":"}{\\"\\\\"}', '{"b":[{"c":[]},{}],"ü":"{"}', "{}"];

test("objects are cut the same way wherever the chunks end", () => {
  const body = bytes(BODY);
  for (let size = 1; size <= body.byteLength; size++) {
    const objects = new JsonObjects(1_000);
    const found: Uint8Array[] = [];
    for (let at = 0; at < body.byteLength; at += size) found.push(...objects.push(body.subarray(at, at + size)));
    objects.end();
    expect(texts(found), `chunks of ${size}`).toEqual(OBJECTS);
    expect(objects.failure).toBeUndefined();
  }
});

test.each([
  ["[1]", 0, '"["'],
  ['{"a":1},{"b":2}', 1, '","'],
  ["{} x {}", 1, '"x"'],
  ["{}\0", 1, "byte 0x0"],
  ["{}}", 1, '"}"'],
])("%j has %i objects, then fails at %s", (text, count, sign) => {
  const objects = new JsonObjects(1_000);
  expect(objects.push(bytes(text))).toHaveLength(count);
  expect([objects.failure?.status, objects.failure?.message]).toEqual([400, expect.stringContaining(sign)]);
  expect(objects.push(bytes("{}"))).toEqual([]);
});

test.each(["{", '{"a', '{}{"a":"}'])("%j ends within a record", (text) => {
  const objects = new JsonObjects(1_000);
  objects.push(bytes(text));
  expect(objects.failure).toBeUndefined();
  objects.end();
  expect(objects.failure?.message).toContain("within a record");
});

test("an object that grows beyond the limit is 413 before it is whole", () => {
  const objects = new JsonObjects(100);
  const open = bytes(`{"a":"${"x".repeat(40)}`);
  expect(objects.push(open)).toEqual([]);
  objects.push(bytes("x".repeat(50)));
  expect(objects.failure).toBeUndefined();
  objects.push(bytes("x".repeat(50)));
  expect(objects.failure?.status).toBe(413);
});
