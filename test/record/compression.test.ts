import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compressFrameSync } from "lz4-napi";
import { compressSync } from "snappy";
import { expect, test } from "vitest";
import { compress, decompress } from "#lib/record/compression.ts";
import { COMPRESSION_CODECS, codecId, codecOf } from "#lib/record/compression-codec.ts";
import { CorruptRecordError, DecompressedTooLargeError } from "#lib/record/errors.ts";
import { LogError } from "#lib/util/errors.ts";

const CODECS = COMPRESSION_CODECS.filter((codec) => codec !== "none");
const text = Buffer.from("a line of text that repeats itself, more or less; ".repeat(4_000));

// Made by Python's lz4.frame 4.4.5 from b"abcd" * 20000 with block_size=max64KB, block_linked=True, content_checksum,
// block_checksum and store_size: features that Kafka's own writer does not use and other clients may.
const LINKED_LZ4_FRAME =
  "04224d185c4080380100000000005a0e0100004f616263640400ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffe45064616263641f45b665420000000f0400ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" +
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffa050646162636478df139d000000001afe9499";

test("codec ids are Kafka's", () => {
  expect(COMPRESSION_CODECS.map(codecId)).toEqual([0, 1, 2, 3, 4]);
  expect([0, 1, 2, 3, 4, 5, 7].map(codecOf)).toEqual([...COMPRESSION_CODECS, undefined, undefined]);
});

test.each(COMPRESSION_CODECS)("%s gives back what it was given", (codec) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 99 }),
  );
  fc.assert(
    fc.property(bytes, fc.nat(900), (part, times) => {
      const original = Buffer.concat(new Array<Uint8Array>(times).fill(Buffer.from(part)));
      expect(Buffer.compare(decompress(codec, compress(codec, original)), original)).toBe(0);
    }),
    { numRuns: 40 },
  );
});

test.each(CODECS)("%s makes text smaller", (codec) => {
  expect(compress(codec, text).byteLength).toBeLessThan(text.byteLength / 5);
});

test.each(COMPRESSION_CODECS)("%s stops at the limit, not before", (codec) => {
  const compressed = compress(codec, text);
  expect(decompress(codec, compressed, text.byteLength).byteLength).toBe(text.byteLength);
  expect(() => decompress(codec, compressed, text.byteLength - 1)).toThrow(DecompressedTooLargeError);
});

test.each([
  ["gzip", gzipSync],
  ["snappy", compressSync],
  ["lz4", compressFrameSync],
  ["zstd", zstdCompressSync],
] as const)("a %s bomb is refused by the size it would have", (codec, make) => {
  const bomb = make(Buffer.alloc(64 * 1024 * 1024));
  expect(() => decompress(codec, bomb, 1024 * 1024)).toThrow(DecompressedTooLargeError);
});

test.each(CODECS)("cut or changed %s throws only typed errors", (codec) => {
  const compressed = compress(codec, text.subarray(0, 40_000));
  const mutation = fc.record({
    length: fc.nat(compressed.byteLength),
    changes: fc.array(fc.tuple(fc.nat(compressed.byteLength - 1), fc.nat(255)), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(mutation, ({ length, changes }) => {
      const broken = Uint8Array.from(compressed);
      for (const [at, byte] of changes) broken[at] = byte;
      try {
        decompress(codec, broken.subarray(0, length), 100_000);
      } catch (error) {
        expect(error).toBeInstanceOf(LogError);
      }
    }),
    { numRuns: 300 },
  );
});

test.each(CODECS)("%s cut anywhere is corrupt, and so is nothing at all", (codec) => {
  const compressed = compress(codec, text.subarray(0, 200));
  for (let length = 0; length < compressed.byteLength; length++) {
    // A snappy stream has no end mark: cut at the end of its header it is a whole, empty one.
    if (codec === "snappy" && length === 16) continue;
    expect(() => decompress(codec, compressed.subarray(0, length))).toThrow(CorruptRecordError);
  }
});

test("snappy without framing and concatenated framed streams are read", () => {
  expect(Buffer.compare(decompress("snappy", compressSync(text)), text)).toBe(0);
  const twice = Buffer.concat([compress("snappy", text), compress("snappy", text)]);
  expect(Buffer.compare(decompress("snappy", twice), Buffer.concat([text, text]))).toBe(0);
});

test("snappy is written in blocks of 32 KiB behind snappy-java's header", () => {
  const compressed = Buffer.from(compress("snappy", Buffer.alloc(70_000)));
  expect(compressed.subarray(0, 16).toString("hex")).toBe("82534e41505059000000000100000001");
  const first = compressed.readInt32BE(16);
  const second = compressed.readInt32BE(20 + first);
  const third = compressed.readInt32BE(24 + first + second);
  expect(28 + first + second + third).toBe(compressed.byteLength);
});

test("a snappy block that claims more than it can hold is corrupt before anything is allocated", () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0x3f, 0x00, 0x61]);
  expect(() => decompress("snappy", claim)).toThrow(CorruptRecordError);
});

test("lz4 is written as a frame of version 01 with independent blocks", () => {
  const [a, b, c, d, flags = 0] = compress("lz4", text);
  expect([a, b, c, d]).toEqual([0x04, 0x22, 0x4d, 0x18]);
  expect(flags & 0xe0).toBe(0x60);
});

test("lz4 with linked blocks, sizes and checksums is read, and its checksums are verified", () => {
  const frame = Buffer.from(LINKED_LZ4_FRAME, "hex");
  expect(decompress("lz4", frame)).toEqual(Buffer.from("abcd".repeat(20_000)));
  expect(() => decompress("lz4", frame, 79_999)).toThrow(DecompressedTooLargeError);
  frame[frame.byteLength - 1] = 0xff ^ (frame.at(-1) ?? 0);
  expect(() => decompress("lz4", frame)).toThrow(CorruptRecordError);
});

test("bytes behind an lz4 frame are corrupt", () => {
  const trailing = Buffer.concat([compress("lz4", text), Buffer.alloc(1)]);
  expect(() => decompress("lz4", trailing)).toThrow(CorruptRecordError);
});
