import { expect, test } from "vitest";
import { batchSizesOf, keptBatchSizes, ONE_BATCH, readBatchSizes, writeBatchSizes } from "#lib/log/batch-sizes.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";

interface Size {
  readonly byteLength: number;
  readonly offsetCount: number;
}

function entryOf(sizes: readonly Size[]) {
  const sum = (of: (size: Size) => number): number => sizes.reduce((total, size) => total + of(size), 0);
  const offsetCount = sum((size) => size.offsetCount);
  const byteLength = sum((size) => size.byteLength);
  return { baseOffset: 7, nextOffset: 7 + offsetCount, byteLength, offsetCount, batches: keptBatchSizes(sizes) };
}

test.each([
  ["one batch", [{ byteLength: 20_000, offsetCount: 300 }], 5],
  [
    "two batches",
    [
      { byteLength: 100, offsetCount: 1 },
      { byteLength: 20_000, offsetCount: 300 },
    ],
    7,
  ],
  // As many bytes as the sizes of one batch of 254 bytes and 254 offsets would take.
  [
    "two batches that take the room of one",
    [
      { byteLength: 127, offsetCount: 127 },
      { byteLength: 127, offsetCount: 127 },
    ],
    4,
  ],
  [
    "two batches, the first with the offsets of both",
    [
      { byteLength: 127, offsetCount: 1 },
      { byteLength: 61, offsetCount: 1 },
    ],
    4,
  ],
] as const)("%s: a snapshot gives back what a state keeps, and holds every size", (_, sizes, length) => {
  const entry = entryOf(sizes);
  const writer = new ByteWriter();
  writeBatchSizes(entry, writer);
  const reader = new ByteReader(writer.view());
  expect(readBatchSizes(entry, reader)).toEqual(entry.batches);
  reader.end();
  expect([...writer.view()]).toEqual([length, ...batchSizesOf(entry)]);
});

test("sizes of one batch that are not the entry's stay what they are", () => {
  const reader = new ByteReader(Uint8Array.of(2, 99, 3));
  expect([...readBatchSizes({ byteLength: 100, offsetCount: 3 }, reader)]).toEqual([99, 3]);
});

test("entries of one batch share the mark that says so", () => {
  expect(keptBatchSizes([{ byteLength: 61, offsetCount: 1 }])).toBe(ONE_BATCH);
  expect(readBatchSizes({ byteLength: 61, offsetCount: 1 }, new ByteReader(Uint8Array.of(2, 61, 1)))).toBe(ONE_BATCH);
});
