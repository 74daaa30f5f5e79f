import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

const EDGES = [0, 6, 7, 13, 14, 20, 21, 27, 28, 31, 32, 34, 35, 52].flatMap((bits) => {
  const power = 2 ** bits;
  return [power - 1, power, -power, -power - 1];
});

function roundTrip(value: number): number {
  return new ByteReader(new ByteWriter().varint(value).toBytes()).varint();
}

test("zigzag varints of every length are read as they were written", () => {
  for (const value of [...EDGES, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    expect(roundTrip(value)).toBe(value === 0 ? 0 : value);
  }
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => roundTrip(value) === value));
});

test("a varint beyond 2^53, one of eleven bytes and one cut short are refused", () => {
  const read = (...bytes: number[]) => new ByteReader(Uint8Array.from(bytes)).varint();
  expect(() => read(...Array(9).fill(0xff), 0x01)).toThrow("exceeds 2^53");
  expect(() => read(...Array(10).fill(0x80), 0x00)).toThrow("longer than 10 bytes");
  expect(() => read(0x80, 0x80)).toThrow("needs 1 bytes");
});
