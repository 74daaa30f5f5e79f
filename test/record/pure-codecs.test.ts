import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CorruptRecordError } from "#lib/record/errors.ts";
import { compressLz4, decompressLz4 } from "#lib/record/lz4-frame.ts";
import { lz4Codec, PURE_LZ4, PURE_SNAPPY, snappyCodec } from "#lib/record/native-codecs.ts";
import { compressSnappy, decompressSnappy } from "#lib/record/snappy-frame.ts";

// What a bundle without prebuilt binaries does, held against the native packages.

const MAX = 16 * 1024 * 1024;

/** Runs, repeated words and noise, so that every kind of element comes up. */
const contents = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(9_000)).map(([word, count]) => {
        const repeated = new Uint8Array(word.length * count);
        for (let at = 0; at < repeated.length; at += word.length) repeated.set(word, at);
        return repeated;
      }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

const codecs = [
  {
    name: "snappy",
    isNative: snappyCodec().isNative,
    compress: (bytes: Uint8Array) => compressSnappy(bytes),
    store: (bytes: Uint8Array) => compressSnappy(bytes, PURE_SNAPPY),
    decompress: (bytes: Uint8Array) => decompressSnappy(bytes, MAX),
    decode: (bytes: Uint8Array) => decompressSnappy(bytes, MAX, PURE_SNAPPY),
  },
  {
    name: "lz4",
    isNative: lz4Codec().isNative,
    compress: (bytes: Uint8Array) => compressLz4(bytes),
    store: (bytes: Uint8Array) => compressLz4(bytes, PURE_LZ4),
    decompress: (bytes: Uint8Array) => decompressLz4(bytes, MAX),
    decode: (bytes: Uint8Array) => decompressLz4(bytes, MAX, PURE_LZ4),
  },
];

describe.each(codecs)("$name without its native package", (codec) => {
  test("has a native one here to be compared with", () => {
    expect(codec.isNative).toBe(true);
  });

  test("reads what the native one writes", () => {
    fc.assert(
      fc.property(contents, (bytes) => {
        expect(Buffer.compare(codec.decode(codec.compress(bytes)), bytes)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("writes what the native one reads", () => {
    fc.assert(
      fc.property(contents, (bytes) => {
        expect(Buffer.compare(codec.decompress(codec.store(bytes)), bytes)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("writes more than one block of much", () => {
    const bytes = new Uint8Array(9 * 1024 * 1024).fill(7);
    expect(Buffer.compare(codec.decompress(codec.store(bytes)), bytes)).toBe(0);
  });

  test("finds mutated bytes corrupt or reads something, and never fails otherwise", () => {
    fc.assert(
      fc.property(contents, fc.nat(), fc.nat(255), (bytes, place, value) => {
        const mutated = Uint8Array.from(codec.compress(bytes));
        mutated[place % mutated.length] = value;
        try {
          codec.decode(mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptRecordError);
        }
      }),
      { numRuns: 200 },
    );
  });
});
