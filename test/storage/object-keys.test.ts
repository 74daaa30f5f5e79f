import { describe, expect, test } from "vitest";
import {
  InvalidObjectKeyError,
  journalObjectKey,
  parseObjectKey,
  parseWriteAheadKey,
  writeAheadKey,
} from "#lib/storage/object-keys.ts";
import { encodeStoreMarker, newStoreMarker, parseStoreMarker } from "#lib/storage/store-marker.ts";
import { flushIdFromBytes } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";

describe("object keys", () => {
  const parts = { uploadEpoch: 497_000, writerId: "00112233445566778899aabbccddeeff" };
  const flushId = flushIdFromBytes(Buffer.alloc(16, 0xfe));

  test("a write-ahead segment's key names epoch, writer and flush, and reads back", () => {
    const key = writeAheadKey({ ...parts, flushId });
    expect(key).toBe(`wal/0000497000/${parts.writerId}/${"fe".repeat(16)}`);
    expect(parseObjectKey(key)).toBe(key);
    expect(parseWriteAheadKey(key)).toEqual({ ...parts, flushId });
    expect(parseWriteAheadKey(`${key}0`)).toBeUndefined();
    expect(parseWriteAheadKey("marker.json")).toBeUndefined();
  });

  test("keys of a later epoch come later", () => {
    const key = (uploadEpoch: number) => writeAheadKey({ ...parts, uploadEpoch, flushId });
    expect(key(99_999) < key(100_000)).toBe(true);
    expect(key(9) < key(10)).toBe(true);
  });

  test("a journal's object has the given name in its key", () => {
    const random = Buffer.alloc(8, 1);
    expect(journalObjectKey({ uploadEpoch: 1, name: "cluster/s-1", random })).toBe(
      "journals/0000000001/cluster/s-1/0101010101010101",
    );
    for (const name of ["", "..", "a//b", "/a", "a b"]) {
      expect(() => journalObjectKey({ uploadEpoch: 1, name, random })).toThrow(InvalidObjectKeyError);
    }
  });
});

describe("a store's marker", () => {
  const marker = newStoreMarker(2, Buffer.alloc(16, 7));

  test("is one line of JSON and reads back", () => {
    const text = Buffer.from(encodeStoreMarker(marker)).toString();
    expect(text).toBe(`{"format":"millrace-store","version":1,"storeId":2,"identity":"${"07".repeat(16)}"}\n`);
    expect(parseStoreMarker(Buffer.from(text))).toEqual(marker);
  });

  test("is refused if it is anything else", () => {
    const good = Buffer.from(encodeStoreMarker(marker)).toString();
    const texts = [
      "",
      "null",
      "[]",
      "7",
      "{}",
      good.slice(0, 40),
      good.replace('"version":1', '"version":2'),
      good.replace("millrace", "other"),
      good.replace('"storeId":2', '"storeId":-1'),
      good.replace('"storeId":2', '"storeId":"2"'),
      good.replace("0707", "07G7"),
      good + " ".repeat(1_024),
    ];
    for (const text of texts) expect(() => parseStoreMarker(Buffer.from(text)), text).toThrow(DecodeError);
  });
});
