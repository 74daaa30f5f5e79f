import { expect, test } from "vitest";
import { murmur2, partitionOfKey } from "#lib/client/murmur2.ts";

// Computed by Kafka's own Utils.murmur2.
const VECTORS: readonly (readonly [string, number])[] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

test.each(VECTORS)("the hash of %s is that of Kafka's Java client", (text, hash) => {
  expect(murmur2(Buffer.from(text))).toBe(hash);
});

test("the hash does not depend on where in a buffer the key lies", () => {
  expect(murmur2(Buffer.from("__foobar__").subarray(2, 8))).toBe(murmur2(Buffer.from("foobar")));
});

test("a partition is never negative", () => {
  for (const [text] of VECTORS) expect(partitionOfKey(Buffer.from(text), 7)).toBeGreaterThanOrEqual(0);
  expect(partitionOfKey(Buffer.from("foobar"), 1)).toBe(0);
});
