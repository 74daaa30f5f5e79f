import { ApiKey } from "#lib/protocol/api-key.ts";
import { FrameSizeReader } from "#lib/protocol/frame-size.ts";
import { FRAME_START_BYTES } from "#lib/util/limits.ts";
import type { FrameMemory } from "./frame-memory.ts";

const NOTHING = new Uint8Array(0);

/** The least that a frame gets when it comes in pieces. */
const GROWTH_BYTES_MIN = 1_024;

/**
 * Cuts what a socket brings into frames, as lib/protocol/frame.ts does for clients, but copies every byte once: the chunks
 * lie in a buffer that the next read overwrites.
 *
 *     | size int32 | api key int16 … size bytes | size int32 | …
 *
 * A frame that comes in pieces gets memory as it arrives, so a size that is only announced holds nothing. Large
 * Produce requests, whose bytes nobody keeps, lie in memory that is used again: they must be given back. Other requests
 * may be referred to for ever.
 */
export class FrameAssembler {
  readonly #sizes: FrameSizeReader;
  readonly #memory: FrameMemory;
  /** The frame under way; at first shorter than it will be. */
  #frame: Uint8Array | undefined;
  #frameBytes = 0;
  #filled = 0;

  constructor(options: { readonly frameBytesMax: number; readonly memory: FrameMemory }) {
    this.#sizes = new FrameSizeReader(options.frameBytesMax);
    this.#memory = options.memory;
  }

  /**
   * Calls `onFrame` with each frame that `chunk` completes, in order. Fails with `ProtocolError` on a size below 0 or
   * above the limit. The chunk may change afterwards.
   */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#frame === undefined) {
        at = this.#begin(chunk, at);
        if (this.#frame === undefined) continue;
      } else {
        const count = Math.min(chunk.byteLength - at, this.#frameBytes - this.#filled);
        this.#append(this.#frame, chunk.subarray(at, at + count));
        at += count;
      }
      if (this.#filled < this.#frameBytes) continue;
      const frame = this.#frame;
      this.#frame = undefined;
      onFrame(frame);
    }
  }

  /** Gives back the memory of a frame that will not be completed. */
  drop(): void {
    if (this.#frame !== undefined) this.#memory.giveBack(this.#frame);
    this.#frame = undefined;
  }

  #begin(chunk: Uint8Array, start: number): number {
    const { size, end } = this.#sizes.read(chunk, start);
    if (size === undefined) return end;
    this.#frameBytes = size;
    this.#filled = 0;
    const isHere = size <= chunk.byteLength - end;
    this.#frame = isHere && size <= FRAME_START_BYTES ? Buffer.allocUnsafe(size) : NOTHING;
    return end;
  }

  #append(frame: Uint8Array, part: Uint8Array): void {
    const filled = this.#filled + part.byteLength;
    let target = frame;
    if (filled > frame.byteLength) {
      target = this.#longer(part, filled);
      if (this.#filled > 0) target.set(frame.subarray(0, this.#filled));
    }
    target.set(part, this.#filled);
    this.#filled = filled;
    this.#frame = target;
  }

  /** Memory for `filled` bytes at least; `part` is the frame's beginning if nothing has come before. */
  #longer(part: Uint8Array, filled: number): Uint8Array {
    const isLarge = filled > FRAME_START_BYTES;
    const borrowed = isLarge && this.#isProduce(part) ? this.#memory.take(this.#frameBytes) : undefined;
    if (borrowed !== undefined) return borrowed;
    // Twice as long each time: no more than two thirds of all bytes are ever copied again, and held for nothing.
    const byteLength = Math.max(GROWTH_BYTES_MIN, filled, this.#filled * 2);
    // Not beyond the point where it may be lent memory.
    const byteLengthMax = isLarge ? this.#frameBytes : Math.min(this.#frameBytes, FRAME_START_BYTES);
    return Buffer.allocUnsafeSlow(Math.min(byteLength, byteLengthMax));
  }

  /** By the first two bytes, which need not have come together. */
  #isProduce(part: Uint8Array): boolean {
    const byteAt = (at: number) => (at < this.#filled ? this.#frame?.[at] : part[at - this.#filled]);
    return byteAt(0) === ApiKey.PRODUCE >> 8 && byteAt(1) === (ApiKey.PRODUCE & 0xff);
  }
}
