import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cByTable, crc32cImplementation, crc32cOfChunks } from "#lib/record/crc32c.ts";

// RFC 3720, appendix B.4.
const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
const vectors: readonly (readonly [string, Uint8Array, number])[] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", Buffer.from("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["ascending bytes", ascending, 0x46dd794e],
  ["descending bytes", ascending.toReversed(), 0x113fdb5c],
];

test("the native implementation is in use here", () => {
  expect(crc32cImplementation).toBe("native");
});

test.each(vectors)("%s has the sum of the standard, natively and by table", (_, bytes, sum) => {
  expect(crc32c(bytes)).toBe(sum);
  expect(crc32cByTable(bytes)).toBe(sum);
});

test("chunks sum to the same as their concatenation, by either implementation", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
      const whole = Buffer.concat(chunks);
      expect(crc32cOfChunks(chunks)).toBe(crc32c(whole));
      expect(chunks.reduce((sum, chunk) => crc32cByTable(chunk, sum), 0)).toBe(crc32c(whole));
    }),
  );
});

test("a view into a larger buffer is summed by its own bytes", () => {
  const large = Buffer.from("xx123456789yy");
  expect(crc32c(large.subarray(2, 11))).toBe(0xe3069283);
});
