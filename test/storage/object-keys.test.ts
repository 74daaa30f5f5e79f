import { describe, expect, test } from "vitest";
import {
  InvalidObjectKeyError,
  journalObjectKey,
  MARKER_KEY,
  parseObjectKey,
  parseSegmentKey,
  parseWriteAheadKey,
  SEGMENT_SUFFIXES,
  segmentDirectory,
  segmentFileKey,
  uploadEpochOf,
  writeAheadKey,
} from "#lib/storage/object-keys.ts";
import { encodeStoreMarker, newStoreMarker, parseStoreMarker } from "#lib/storage/store-marker.ts";
import { flushIdFromBytes } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { PARTITIONS_PER_TOPIC_MAX } from "#lib/util/limits.ts";

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

describe("keys of log segments", () => {
  const attemptId = "00112233445566778899aabbccddeeff";
  const parts = { uploadEpoch: 497_000, attemptId, topic: "web-clicks-7", partitionIndex: 12 };

  test("are Kafka's file names behind the epoch, the attempt and the partition, and read back", () => {
    const directory = segmentDirectory(parts);
    expect(directory).toBe(`segments/0000497000/${attemptId}/web-clicks-7-12`);
    expect(segmentFileKey(directory, 123_456, "log")).toBe(`${directory}/00000000000000123456.log`);
    for (const suffix of SEGMENT_SUFFIXES) {
      const key = segmentFileKey(directory, 2 ** 53 - 1, suffix);
      expect(parseObjectKey(key)).toBe(key);
      expect(parseSegmentKey(key)).toEqual({ ...parts, baseOffset: 2 ** 53 - 1, suffix });
    }
  });

  test("hold the longest topic name with the highest partition", () => {
    const longest = { ...parts, topic: "t".repeat(249), partitionIndex: PARTITIONS_PER_TOPIC_MAX - 1 };
    const key = segmentFileKey(segmentDirectory(longest), 0, "timeindex");
    expect(parseSegmentKey(key)).toEqual({ ...longest, baseOffset: 0, suffix: "timeindex" });
    expect(() => segmentDirectory({ ...longest, partitionIndex: 1_000_000 })).toThrow(InvalidObjectKeyError);
  });

  test("are told from what others put there", () => {
    const directory = segmentDirectory(parts);
    const strangers = [
      `${directory}/123.log`,
      `${directory}/00000000000000123456.snapshot`,
      `${directory}/00000000000000123456.log.deleted`,
      `${directory}/99999999999999999999.log`,
      `${directory}/deep/00000000000000123456.log`,
      `${directory.replace("-12", "-012")}/00000000000000123456.log`,
      `${directory.replace("-12", "")}x/00000000000000123456.log`,
      `${directory.replace("0000497000", "497000")}/00000000000000123456.log`,
      `${directory.replace(attemptId, attemptId.toUpperCase())}/00000000000000123456.log`,
      "segments/readme.txt",
    ];
    for (const key of strangers) {
      expect(parseSegmentKey(key), key).toBeUndefined();
      expect(uploadEpochOf(key), key).toBeUndefined();
    }
  });
});

test("every key of ours but the marker's names its upload epoch", () => {
  const uploadEpoch = 497_000;
  const flushId = flushIdFromBytes(Buffer.alloc(16, 1));
  const directory = segmentDirectory({ uploadEpoch, attemptId: "ab".repeat(16), topic: "t", partitionIndex: 0 });
  const keys = [
    writeAheadKey({ uploadEpoch, writerId: "0123456789abcdef", flushId }),
    journalObjectKey({ uploadEpoch, name: "log-3/snapshots", random: Buffer.alloc(8, 1) }),
    segmentFileKey(directory, 0, "txnindex"),
  ];
  for (const key of keys) expect(uploadEpochOf(key), key).toBe(uploadEpoch);
  for (const key of [MARKER_KEY, "wal/0000497000/notes", "journals/0000497000/log-3", "data/0000497000/a/b"]) {
    expect(uploadEpochOf(key), key).toBeUndefined();
  }
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
