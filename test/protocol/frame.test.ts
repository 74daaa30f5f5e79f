import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { MIB } from "#lib/util/limits.ts";

function framed(...bodies: Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(body.byteLength);
      return [size, body];
    }),
  );
}

test("a stream cut anywhere gives the same frames", () => {
  const bodies = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.integer({ min: 4_000, max: 20_000 }).map((size) => Buffer.alloc(size, size)),
    ),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(bodies, fc.array(fc.nat({ max: 12_000 })), (sent, cuts) => {
      const splitter = new FrameSplitter(MIB);
      const stream = framed(...sent);
      const received: Uint8Array[] = [];
      let rest = stream;
      for (const cut of cuts) {
        received.push(...splitter.push(rest.subarray(0, cut)));
        rest = rest.subarray(Math.min(cut, rest.byteLength));
      }
      received.push(...splitter.push(rest));
      expect(received.map((frame) => Buffer.from(frame))).toEqual(sent.map((body) => Buffer.from(body)));
      expect(splitter.heldBytes).toBe(0);
      expect(splitter.isIdle).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("a stream that comes byte by byte gives the same frames", () => {
  const splitter = new FrameSplitter(MIB);
  const body = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
  const received: Uint8Array[] = [];
  for (const byte of framed(body, new Uint8Array(0), body)) received.push(...splitter.push(Buffer.from([byte])));
  expect(received.map((frame) => frame.byteLength)).toEqual([70_000, 0, 70_000]);
  expect(Buffer.compare(received[2] ?? new Uint8Array(0), body)).toBe(0);
});

test("a frame that lies in one chunk is a view of it", () => {
  const chunk = framed(Buffer.alloc(10, 1), Buffer.alloc(20, 2));
  const frames = new FrameSplitter(MIB).push(chunk);
  expect(frames.map((frame) => frame.buffer === chunk.buffer)).toEqual([true, true]);
});

describe("a size out of bounds", () => {
  test.each(["7fffffff", "00100001", "ffffffff", "80000000"])("%s is refused as soon as it is known", (size) => {
    const splitter = new FrameSplitter(MIB);
    const bytes = Buffer.from(size, "hex");
    expect(splitter.push(bytes.subarray(0, 3))).toEqual([]);
    expect(() => splitter.push(bytes.subarray(3))).toThrow(ProtocolError);
  });

  test("is not refused at the limit itself", () => {
    const splitter = new FrameSplitter(MIB);
    expect(splitter.push(framed(new Uint8Array(MIB)))).toHaveLength(1);
  });
});

test("a size alone makes nobody allocate what it promises", () => {
  const before = process.memoryUsage().arrayBuffers;
  const splitters = Array.from({ length: 100 }, () => new FrameSplitter(100 * MIB));
  for (const splitter of splitters) splitter.push(Buffer.from("0640000000", "hex"));
  expect(splitters[0]?.heldBytes).toBe(1);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * MIB);
});

test.each([
  ["HTTP/1.1 400 Bad Request", "the other side speaks HTTP"],
  ["POST /topics HTTP/1.1", "the other side speaks HTTP"],
  ["\u0016\u0003\u0001\u0002\u0000\u0001", "the other side speaks TLS"],
  ["zzzz", "is over 104857600$"],
])("a size that is the beginning of %j says so", (text, message) => {
  expect(() => new FrameSplitter(104_857_600).push(Buffer.from(text, "latin1"))).toThrow(new RegExp(message));
});
