import { expect, test } from "vitest";
import { checkedBytesOf, markChecked } from "#lib/log/checked-chunks.ts";

const chunksOf = (...sizes: number[]) => sizes.map((size) => new Uint8Array(size));

test("what was checked counts up to the first byte that was not", () => {
  const chunks = chunksOf(10, 20, 5);
  expect(checkedBytesOf(chunks)).toBe(0);
  markChecked(chunks, 17);
  expect(checkedBytesOf(chunks)).toBe(17);
  markChecked(chunks, 12);
  expect(checkedBytesOf(chunks)).toBe(17);
  markChecked(chunks, 35);
  expect(checkedBytesOf(chunks)).toBe(35);
});

test("other bytes in the place of a chunk are not taken for checked ones", () => {
  const [first, second] = chunksOf(10, 20);
  if (first === undefined || second === undefined) return expect.fail();
  markChecked([first, second], 30);
  expect(checkedBytesOf([first, second.slice()])).toBe(10);
  expect(checkedBytesOf([first.slice(), second])).toBe(0);
});
