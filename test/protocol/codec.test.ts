import { describe, expect, test } from "vitest";
import { decode, decodeFrom, encode } from "#lib/protocol/codec.ts";
import { ApiVersionsResponse } from "#lib/protocol/messages/api-versions.ts";
import { FetchRequest, FetchResponse } from "#lib/protocol/messages/fetch.ts";
import { MetadataRequest } from "#lib/protocol/messages/metadata.ts";
import { ProduceRequest } from "#lib/protocol/messages/produce.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { ProtocolReader } from "#lib/protocol/protocol-reader.ts";
import {
  array,
  bytes,
  float64,
  int32,
  int64,
  message,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from "#lib/protocol/schema.ts";
import { type Uuid, uuidFromBytes, ZERO_UUID } from "#lib/util/branded.ts";
import { joined } from "./arbitrary.ts";

const hex = (chunks: readonly Uint8Array[]) => Buffer.from(joined(chunks)).toString("hex");
const fromHex = (text: string) => Buffer.from(text, "hex");

const Sample = message({
  name: "Sample",
  validVersions: "0-3",
  flexibleVersions: "2+",
  fields: {
    id: int32(),
    note: string({ versions: "1+", nullable: "2+", default: "none" }),
    hint: string({ versions: "1+", ignorable: true }),
    inner: struct({ a: uint16(), b: uint32() }, { versions: "1+", nullable: "1+", default: null }),
    weight: float64({ versions: "2+", default: 1, tag: 1, taggedVersions: "2+" }),
    blob: bytes({ versions: "3+", tag: 0, taggedVersions: "3+" }),
    list: array(int64(), { versions: "3+", tag: 2, taggedVersions: "3+" }),
  },
});

describe("a field that the version lacks", () => {
  test("takes its default when decoded", () => {
    expect(decode(Sample, 0, fromHex("00000007"))).toMatchObject({
      id: 7,
      note: "none",
      hint: "",
      inner: null,
      weight: 1,
      list: [],
    });
  });

  test("is refused when encoded with another value than its default", () => {
    expect(() => encode(Sample, 0, { id: 7, note: "x" })).toThrow("Sample v0: note cannot be said in version 0");
    expect(hex(encode(Sample, 0, { id: 7, note: "none" }))).toBe("00000007");
    expect(() => encode(Sample, 2, { id: 7, list: [1] })).toThrow(ProtocolError);
    expect(hex(encode(Sample, 2, { id: 7, list: [] }))).toBe("00000007056e6f6e6501ff00");
  });

  test("is dropped when encoded if it is ignorable", () => {
    expect(hex(encode(Sample, 0, { id: 7, hint: "gone" }))).toBe("00000007");
  });
});

describe("null", () => {
  test("is refused where the version does not allow it, in both directions", () => {
    expect(() => encode(Sample, 1, { id: 1, note: null })).toThrow("note must not be null in version 1");
    expect(() => decode(Sample, 1, fromHex("00000001ffff0000ff"))).toThrow("note must not be null");
    expect(decode(Sample, 2, fromHex("000000010001ff00")).note).toBeNull();
  });

  test("of a struct is one byte", () => {
    expect(hex(encode(Sample, 1, { id: 1, inner: { a: 2, b: 0xffffffff } }))).toBe(
      "0000000100046e6f6e650000010002ffffffff",
    );
    expect(hex(encode(Sample, 1, { id: 1, inner: null }))).toBe("0000000100046e6f6e650000ff");
  });
});

describe("tagged fields", () => {
  test("are written in the order of their tags, and only if they say something", () => {
    const empty = "00000001056e6f6e6501ff00";
    expect(hex(encode(Sample, 3, { id: 1, weight: 1, blob: new Uint8Array(0), list: [] }))).toBe(empty);
    expect(hex(encode(Sample, 3, { id: 1, weight: 2, blob: fromHex("aa"), list: [-1] }))).toBe(
      `${empty.slice(0, -2)}03000202aa01084000000000000000020902ffffffffffffffff`,
    );
  });

  test("that nobody knows are skipped", () => {
    expect(decode(Sample, 3, fromHex("00000001056e6f6e6501ff016303aabbcc")).id).toBe(1);
  });

  test("must lie in the message and have the length they claim", () => {
    const head = "00000001056e6f6e6501ff";
    expect(() => decode(Sample, 3, fromHex(`${head}016309aabbcc`))).toThrow(ProtocolError);
    expect(() => decode(Sample, 3, fromHex(`${head}0100030102`))).toThrow(ProtocolError);
    expect(() => decode(Sample, 3, fromHex(`${head}0100040101ffff`))).toThrow(/left over/);
    expect(() => decode(Sample, 3, fromHex(`${head}ffffffff0f`))).toThrow(ProtocolError);
  });
});

describe("numbers", () => {
  test("of 64 bits must be safe integers", () => {
    const Number64 = message({ name: "N", validVersions: "0", flexibleVersions: "none", fields: { n: int64() } });
    expect(decode(Number64, 0, fromHex("001fffffffffffff")).n).toBe(Number.MAX_SAFE_INTEGER);
    expect(decode(Number64, 0, fromHex("ffe0000000000001")).n).toBe(Number.MIN_SAFE_INTEGER);
    expect(decode(Number64, 0, fromHex("fffffffffffffffa")).n).toBe(-6);
    expect(() => decode(Number64, 0, fromHex("0020000000000000"))).toThrow("exceeds 2^53");
    expect(() => decode(Number64, 0, fromHex("8000000000000000"))).toThrow("exceeds 2^53");
    expect(() => encode(Number64, 0, { n: 2 ** 53 })).toThrow("not an int64");
  });

  test("out of the range of their type are refused", () => {
    expect(() => encode(Sample, 0, { id: 2 ** 31 })).toThrow("is not an int32");
    expect(() => encode(Sample, 1, { id: 1, inner: { a: -1, b: 1 } })).toThrow("is not an uint16");
    expect(() => encode(Sample, 1, { id: 1, inner: { a: 1, b: 2 ** 32 } })).toThrow("is not an uint32");
  });
});

describe("strings", () => {
  test("of more than 32,767 bytes are refused in both directions", () => {
    expect(() => encode(MetadataRequest, 9, { topics: [{ name: "x".repeat(32_768) }] })).toThrow(/longer than 32767/);
    const longest = "é".repeat(16_383);
    const bytes = joined(encode(MetadataRequest, 9, { topics: [{ name: longest }] }));
    expect(decode(MetadataRequest, 9, bytes).topics?.[0]?.name).toBe(longest);
    expect(() => decode(MetadataRequest, 9, Buffer.concat([fromHex("02818002"), Buffer.alloc(40_000)]))).toThrow(
      /longer than 32767/,
    );
  });

  test("keep every character, short and long", () => {
    for (const name of ["", "a", "ü", "日本語", "😀".repeat(20), "x".repeat(40), "x".repeat(41), "é".repeat(300)]) {
      for (const version of [1, 9]) {
        const bytes = joined(encode(MetadataRequest, version, { topics: [{ name }] }));
        expect(decode(MetadataRequest, version, bytes).topics?.[0]?.name).toBe(name);
      }
    }
  });
});

describe("a UUID", () => {
  const Id = message({ name: "Id", validVersions: "0", flexibleVersions: "none", fields: { id: uuid() } });

  test("is text of 22 characters for 16 bytes", () => {
    const bytes = fromHex("fb3fff000102030405060708090a0b0c");
    expect(decode(Id, 0, bytes).id).toBe(uuidFromBytes(bytes));
    expect(hex(encode(Id, 0, { id: uuidFromBytes(bytes) }))).toBe("fb3fff000102030405060708090a0b0c");
    expect(hex(encode(Id, 0, { id: ZERO_UUID }))).toBe("0".repeat(32));
    expect(decode(Id, 0, Buffer.alloc(16)).id).toBe(ZERO_UUID);
  });

  test("of another form is refused", () => {
    for (const id of ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAA AAAAAAAAAAA"]) {
      expect(() => encode(Id, 0, { id: id as Uuid })).toThrow("not a UUID");
    }
  });
});

describe("records", () => {
  test("are decoded as a view of the frame", () => {
    const frame = joined(
      encode(ProduceRequest, 9, {
        acks: 1,
        timeoutMs: 0,
        topicData: [{ name: "t", partitionData: [{ index: 0, records: new Uint8Array(1000) }] }],
      }),
    );
    const records = decode(ProduceRequest, 9, frame).topicData[0]?.partitionData[0]?.records;
    expect(records?.buffer).toBe(frame.buffer);
    expect(records?.byteLength).toBe(1000);
  });

  test("of 50 MB pass into a response without a copy", () => {
    const chunks = Array.from({ length: 50 }, () => new Uint8Array(1_000_000));
    const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1 };
    const encoded = encode(FetchResponse, 12, {
      responses: [
        {
          topic: "t",
          partitions: [
            { ...partition, records: chunks },
            { ...partition, records: chunks.slice(0, 1) },
            { ...partition, records: null },
            { ...partition, records: [] },
          ],
        },
      ],
    });
    const shared = encoded.filter((chunk) => chunks.some((each) => each === chunk));
    expect(shared).toHaveLength(51);
    const decoded = decode(FetchResponse, 12, joined(encoded)).responses[0]?.partitions;
    expect(decoded?.map(({ records }) => records?.byteLength)).toEqual([50_000_000, 1_000_000, undefined, 0]);
  });

  test("that are small are copied beside the fields", () => {
    const records = [new Uint8Array(100), new Uint8Array(100)];
    const partitions = [{ partitionIndex: 0, errorCode: 0, highWatermark: 1, records }];
    expect(encode(FetchResponse, 12, { responses: [{ topic: "t", partitions }] })).toHaveLength(1);
  });
});

test("a message of many buffers is whole", () => {
  const topics = Array.from({ length: 20_000 }, (_, i) => ({ name: `topic-${i}` }));
  const bytes = joined(encode(MetadataRequest, 9, { topics }));
  expect(decode(MetadataRequest, 9, bytes).topics?.map(({ name }) => name)).toEqual(topics.map(({ name }) => name));
});

test("an unknown version is refused", () => {
  expect(() => encode(MetadataRequest, 14, { topics: null })).toThrow("MetadataRequest has no version 14");
  expect(() => decode(FetchRequest, 3, new Uint8Array(0))).toThrow("FetchRequest has no version 3");
});

test("bytes behind a message are left to the caller", () => {
  const bytes = Buffer.concat([joined(encode(MetadataRequest, 0, { topics: [] })), fromHex("aabb")]);
  const reader = new ProtocolReader(bytes);
  expect(decodeFrom(MetadataRequest, 0, reader).topics).toEqual([]);
  expect(reader.remaining).toBe(2);
});

test("defaults are shared and cannot be changed by whoever decodes", () => {
  const { supportedFeatures } = decode(ApiVersionsResponse, 0, fromHex("000000000000"));
  expect(Object.isFrozen(supportedFeatures)).toBe(true);
});
