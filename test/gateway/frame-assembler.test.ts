import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameAssembler } from "#lib/gateway/frame-assembler.ts";
import { FrameMemory } from "#lib/gateway/frame-memory.ts";
import { ApiKey } from "#lib/protocol/api-key.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { defined } from "#lib/util/assert.ts";
import { FRAME_BLOCK_BYTES, FRAME_BLOCKS_MAX, FRAME_START_BYTES } from "#lib/util/limits.ts";

const FRAME_BYTES_MAX = 4 * FRAME_BLOCK_BYTES;

/** What a size of its own announces, begun with the API's key and then counting up from it. */
function frameOf(apiKey: number, byteLength: number): Buffer {
  const frame = Buffer.alloc(byteLength);
  for (let at = 0; at < byteLength; at++) frame[at] = (at + apiKey + byteLength) % 251;
  if (byteLength >= 2) frame.writeInt16BE(apiKey);
  return frame;
}

function wireOf(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(frame.byteLength);
      return [size, frame];
    }),
  );
}

/** An assembler that is fed as a socket feeds it: from one buffer, which is overwritten after each chunk. */
class Feeder {
  readonly memory = new FrameMemory();
  readonly assembler = new FrameAssembler({ frameBytesMax: FRAME_BYTES_MAX, memory: this.memory });
  readonly #readBuffer = new Uint8Array(FRAME_BYTES_MAX + 64);

  push(chunk: Uint8Array): readonly Uint8Array[] {
    const frames: Uint8Array[] = [];
    this.#readBuffer.set(chunk);
    this.assembler.push(this.#readBuffer.subarray(0, chunk.byteLength), (frame) => frames.push(frame));
    this.#readBuffer.fill(0xee, 0, chunk.byteLength);
    return frames;
  }

  /** The chunks end at `cuts`. */
  pushAll(wire: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
    const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < wire.byteLength), wire.byteLength])];
    let from = 0;
    return ends
      .sort((a, b) => a - b)
      .flatMap((end) => {
        const chunk = wire.subarray(from, end);
        from = end;
        return this.push(chunk);
      });
  }
}

/** Whether the frame lies in memory that the next frame gets when it is given back. */
function isLent(memory: FrameMemory, frame: Uint8Array): boolean {
  memory.giveBack(frame);
  const next = defined(memory.take(1));
  memory.giveBack(next);
  return next.buffer === frame.buffer;
}

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: 0, max: 6_000 }),
  fc.constantFrom(FRAME_START_BYTES - 1, FRAME_START_BYTES, FRAME_START_BYTES + 1, 3 * FRAME_START_BYTES),
);
const apiKeys = fc.constantFrom(ApiKey.PRODUCE, ApiKey.FETCH, ApiKey.SYNC_GROUP, 256);

test("any frames come out as they went in, however they are cut, though each chunk is overwritten behind them", () => {
  const cut = fc.oneof(fc.integer({ min: 0, max: 400_000 }), fc.integer({ min: 0, max: 200 }));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(apiKeys, sizes), { minLength: 1, maxLength: 5 }),
      fc.array(cut, { maxLength: 30 }),
      (kinds, cuts) => {
        const sent = kinds.map(([apiKey, byteLength]) => frameOf(apiKey, byteLength));
        const received = new Feeder().pushAll(wireOf(sent), cuts);
        expect(received.length).toBe(sent.length);
        for (const [index, frame] of received.entries()) expect(defined(sent[index]).equals(frame)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test("frames that come byte by byte come whole", () => {
  const sent = [frameOf(ApiKey.PRODUCE, 300), frameOf(ApiKey.FETCH, 0), frameOf(ApiKey.FETCH, 1), frameOf(0, 5_000)];
  const wire = wireOf(sent);
  const received = new Feeder().pushAll(
    wire,
    Array.from({ length: wire.byteLength }, (_, at) => at),
  );
  expect(received.map((frame) => Buffer.from(frame))).toEqual(sent);
});

test("only large Produce requests lie in memory that is used again, wherever the first chunks end", () => {
  fc.assert(
    fc.property(
      apiKeys,
      fc.constantFrom(100, FRAME_START_BYTES, FRAME_START_BYTES + 1, 5 * FRAME_START_BYTES),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 200_000 })), { maxLength: 6 }),
      (apiKey, byteLength, cuts) => {
        const feeder = new Feeder();
        const [frame] = feeder.pushAll(wireOf([frameOf(apiKey, byteLength)]), cuts);
        const isLarge = byteLength > FRAME_START_BYTES;
        expect(isLent(feeder.memory, defined(frame))).toBe(apiKey === ApiKey.PRODUCE && isLarge);
      },
    ),
    { numRuns: 80 },
  );
});

test("a request whose API key comes in two pieces is known by both of them", () => {
  // Fetch is 0x0001 and begins like Produce, 0x0000.
  for (const apiKey of [ApiKey.FETCH, ApiKey.PRODUCE]) {
    const feeder = new Feeder();
    const [frame] = feeder.pushAll(wireOf([frameOf(apiKey, 3 * FRAME_START_BYTES)]), [5]);
    expect(isLent(feeder.memory, defined(frame))).toBe(apiKey === ApiKey.PRODUCE);
  }
});

test("given back, the memory of a request is that of the next one", () => {
  const feeder = new Feeder();
  const wire = wireOf([frameOf(ApiKey.PRODUCE, 500_000)]);
  for (let round = 0; round < 5; round++) {
    const frame = defined(feeder.push(wire)[0]);
    expect(frameOf(ApiKey.PRODUCE, 500_000).equals(frame)).toBe(true);
    feeder.memory.giveBack(frame);
  }
  expect(feeder.memory.byteLength).toBe(FRAME_BLOCK_BYTES);
});

test("when all of it is lent, further requests have memory of their own", () => {
  const feeder = new Feeder();
  const sent = frameOf(ApiKey.PRODUCE, FRAME_START_BYTES + 1);
  const frames = Array.from({ length: FRAME_BLOCKS_MAX + 3 }, () => defined(feeder.push(wireOf([sent]))[0]));
  expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(frames.length);
  expect(frames.every((frame) => sent.equals(frame))).toBe(true);
  expect(feeder.memory.byteLength).toBe(FRAME_BLOCKS_MAX * FRAME_BLOCK_BYTES);
});

test("a size that is only announced holds nothing", () => {
  const feeder = new Feeder();
  const before = process.memoryUsage().arrayBuffers;
  const assemblers = Array.from({ length: 2_000 }, (_, at) => {
    const assembler = new FrameAssembler({ frameBytesMax: FRAME_BYTES_MAX, memory: feeder.memory });
    const size = Buffer.alloc(4);
    size.writeInt32BE(at % 2 === 0 ? FRAME_START_BYTES : FRAME_BYTES_MAX);
    assembler.push(size, () => {});
    return assembler;
  });
  // Not even a beginning takes what is announced: the client may never send the rest.
  for (const assembler of assemblers) assembler.push(new Uint8Array(10), () => {});
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000 * 8_192);
  expect(feeder.memory.byteLength).toBe(0);
});

test("what a connection leaves unfinished is given back when it is dropped", () => {
  const feeder = new Feeder();
  const wire = wireOf([frameOf(ApiKey.PRODUCE, 500_000)]);
  for (let round = 0; round < FRAME_BLOCKS_MAX + 1; round++) {
    const assembler = new FrameAssembler({ frameBytesMax: FRAME_BYTES_MAX, memory: feeder.memory });
    assembler.push(wire.subarray(0, 300_000), () => {});
    assembler.drop();
    assembler.drop();
  }
  expect(feeder.memory.byteLength).toBe(FRAME_BLOCK_BYTES);
});

test("a size below 0 or above the limit is refused, behind what came whole before it", () => {
  const good = frameOf(ApiKey.FETCH, 20);
  for (const size of [-1, FRAME_BYTES_MAX + 1, -0x8000_0000]) {
    const wire = wireOf([good, new Uint8Array(0)]);
    wire.writeInt32BE(size, wire.byteLength - 4);
    const frames: Uint8Array[] = [];
    const { assembler } = new Feeder();
    expect(() => assembler.push(wire, (frame) => frames.push(frame))).toThrow(ProtocolError);
    expect(frames).toEqual([good]);
  }
});
