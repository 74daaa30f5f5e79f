import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { verifyWriteAheadSegment } from "#lib/storage/verify-write-ahead-segment.ts";
import {
  parseWriteAheadFooter,
  parseWriteAheadHeader,
  readWriteAheadFooter,
  sealWriteAheadSegment,
  WRITE_AHEAD_HEADER_BYTES,
  type WriteAheadPart,
} from "#lib/storage/write-ahead-segment.ts";
import { flushIdFromBytes, uuidFromBytes } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";

const flushId = flushIdFromBytes(Buffer.alloc(16, 0xab));

function batch(text: string): Uint8Array {
  const value = Buffer.from(text);
  return buildBatch([{ key: null, value, timestampMs: 1_700_000_000_000, headers: [] }]);
}

function part(topic: number, partitionIndex: number, texts: readonly string[]): WriteAheadPart {
  return { topicId: uuidFromBytes(Buffer.alloc(16, topic)), partitionIndex, batches: texts.map(batch) };
}

const parts = [part(1, 0, ["a", "bb", "ccc"]), part(1, 7, ["d"]), part(2, 0, ["e".repeat(500), "f"])];

function seal(of: readonly WriteAheadPart[]) {
  const sealed = sealWriteAheadSegment({ flushId, parts: of });
  return { ...sealed, object: Uint8Array.from(Buffer.concat(sealed.chunks)) };
}

describe("a write-ahead segment", () => {
  test("holds the very arrays it was given, between its header and footer", () => {
    const { chunks, byteLength, object, positions } = seal(parts);
    const batches = parts.flatMap((each) => each.batches);
    expect(chunks.slice(1, -1).every((chunk, index) => chunk === batches[index])).toBe(true);
    expect(object.byteLength).toBe(byteLength);
    expect(positions[0]).toBe(WRITE_AHEAD_HEADER_BYTES);
    for (const [index, position] of positions.entries()) {
      const first = parts[index]?.batches[0] ?? new Uint8Array();
      expect(object.subarray(position, position + first.byteLength)).toEqual(Uint8Array.from(first));
    }
  });

  test("says by its footer what it holds", () => {
    const { object, positions } = seal(parts);
    const footer = parseWriteAheadFooter(object);
    expect(footer.flushId).toBe(flushId);
    expect(parseWriteAheadHeader(object)).toBe(flushId);
    expect(footer.parts).toMatchObject(
      parts.map((each, index) => ({
        topicId: each.topicId,
        partitionIndex: each.partitionIndex,
        position: positions[index],
        byteLength: each.batches.reduce((sum, one) => sum + one.byteLength, 0),
        batchCount: each.batches.length,
      })),
    );
  });

  test("has the drawn layout, byte for byte", () => {
    const { object } = seal([part(3, 5, ["x"])]);
    const bytes = Buffer.from(object);
    expect(bytes.toString("latin1", 0, 4)).toBe("MRWA");
    expect(bytes.readUInt16BE(4)).toBe(1);
    expect(bytes.toString("hex", 8, 24)).toBe("ab".repeat(16));
    expect(bytes.toString("latin1", bytes.length - 4)).toBe("MRWE");
    const footerPosition = Number(bytes.readBigInt64BE(bytes.length - 24));
    expect(bytes.readUInt32BE(bytes.length - 16)).toBe(60);
    expect(footerPosition).toBe(bytes.length - 24 - 60);
    expect(bytes.readUInt32BE(footerPosition + 16)).toBe(1);
    expect(bytes.toString("hex", footerPosition + 20, footerPosition + 36)).toBe("03".repeat(16));
    expect(bytes.readInt32BE(footerPosition + 36)).toBe(5);
    expect(Number(bytes.readBigInt64BE(footerPosition + 40))).toBe(28);
    expect(bytes.readUInt32BE(footerPosition + 48)).toBe(footerPosition - 28);
    expect(bytes.readUInt32BE(footerPosition + 52)).toBe(1);
  });

  test("shows its footer to a reader in one read, or two if it is long", async () => {
    for (const [count, reads] of [
      [3, 1],
      [2_000, 2],
    ] as const) {
      const many = Array.from({ length: count }, (_, index) => part(1, index, ["x"]));
      const { object } = seal(many);
      let calls = 0;
      const footer = await readWriteAheadFooter(object.byteLength, async ({ position, byteLength }) => {
        calls++;
        return object.subarray(position, position + byteLength);
      });
      expect(footer).toEqual(parseWriteAheadFooter(object));
      expect(footer.parts).toHaveLength(count);
      expect(calls).toBe(reads);
    }
  });

  test("passes verification as sealed, whatever its parts", () => {
    const texts = fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 4 });
    const shape = fc.array(fc.tuple(fc.nat(255), fc.nat(1_000), texts), { maxLength: 6 });
    fc.assert(
      fc.property(shape, (drawn) => {
        const { object } = seal(drawn.map(([topic, index, each]) => part(topic, index, each)));
        expect(verifyWriteAheadSegment(object, flushId)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("fails verification with any bit of any byte flipped", () => {
    const { object } = seal(parts);
    for (let at = 0; at < object.byteLength; at++) {
      const damaged = object.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      expect(verifyWriteAheadSegment(damaged).length, `byte ${at}`).toBeGreaterThan(0);
    }
  });

  test("fails verification cut at any length", () => {
    const { object } = seal(parts);
    for (let length = 0; length < object.byteLength; length++) {
      expect(verifyWriteAheadSegment(object.subarray(0, length)).length).toBeGreaterThan(0);
    }
  });

  test("fails verification under the name of another flush", () => {
    const { object } = seal(parts);
    const other = flushIdFromBytes(Buffer.alloc(16, 1));
    expect(verifyWriteAheadSegment(object, other)[0]?.problem).toContain("belongs to flush");
  });

  test("fails verification if two batches of equal length change places", () => {
    const { object, positions } = seal([part(1, 0, ["aaaa", "bbbb"])]);
    const start = positions[0] ?? 0;
    const size = batch("aaaa").byteLength;
    const swapped = object.slice();
    swapped.set(object.subarray(start + size, start + 2 * size), start);
    swapped.set(object.subarray(start, start + size), start + size);
    expect(verifyWriteAheadSegment(swapped)).toMatchObject([{ position: start }]);
  });

  test("of foreign bytes is a decode error, never another one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => parseWriteAheadFooter(bytes)).toThrow(DecodeError);
        expect(() => parseWriteAheadHeader(bytes)).toThrow(DecodeError);
        expect(verifyWriteAheadSegment(bytes).length).toBeGreaterThan(0);
      }),
    );
  });
});
