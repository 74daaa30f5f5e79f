import { ApiKey } from "#lib/protocol/api-key.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { FRAME_START_BYTES } from "#lib/util/limits.ts";
import type { FrameMemory } from "./frame-memory.ts";

/**
 * Cuts what a socket brings into frames, as lib/protocol/frame.ts does for clients, but copies every byte once: the chunks
 * lie in a buffer that the next read overwrites.
 *
 *     | size int32 | api key int16 … size bytes | size int32 | …
 *
 * A frame begins with little memory and gets more as it arrives, so a size that is only announced holds nothing. Large
 * Produce requests, whose bytes nobody keeps, lie in memory that is used again: they must be given back. Other requests
 * may be referred to for ever.
 */
export class FrameAssembler {
  readonly #frameBytesMax: number;
  readonly #memory: FrameMemory;
  #size = 0;
  #sizeBytes = 0;
  /** The frame under way; at first shorter than it will be. */
  #frame: Uint8Array | undefined;
  #frameBytes = 0;
  #filled = 0;

  constructor(options: { readonly frameBytesMax: number; readonly memory: FrameMemory }) {
    this.#frameBytesMax = options.frameBytesMax;
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
        at = this.#readSize(chunk, at);
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

  #readSize(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.byteLength && this.#sizeBytes < 4) {
      this.#size = (this.#size << 8) | (chunk[at] ?? 0);
      this.#sizeBytes++;
      at++;
    }
    if (this.#sizeBytes < 4) return at;
    const size = this.#size;
    this.#size = 0;
    this.#sizeBytes = 0;
    if (size < 0) throw new ProtocolError(`frame of ${size} bytes`);
    if (size > this.#frameBytesMax) throw new ProtocolError(`frame of ${size} bytes is over ${this.#frameBytesMax}`);
    this.#frameBytes = size;
    this.#filled = 0;
    this.#frame = Buffer.allocUnsafe(Math.min(size, FRAME_START_BYTES));
    return at;
  }

  #append(frame: Uint8Array, part: Uint8Array): void {
    const filled = this.#filled + part.byteLength;
    const target = filled <= frame.byteLength ? frame : this.#grown(frame, filled);
    target.set(part, this.#filled);
    this.#filled = filled;
    this.#frame = target;
  }

  /** Longer memory with the same beginning, for `filled` bytes at least. */
  #grown(frame: Uint8Array, filled: number): Uint8Array {
    // Twice as long each time: no more than two thirds of all bytes are ever copied again, and held for nothing.
    const byteLength = Math.min(this.#frameBytes, Math.max(filled, frame.byteLength * 2));
    const grown =
      (this.#isBorrowable(frame) ? this.#memory.take(this.#frameBytes) : undefined) ??
      Buffer.allocUnsafeSlow(byteLength);
    grown.set(frame.subarray(0, this.#filled));
    return grown;
  }

  #isBorrowable(frame: Uint8Array): boolean {
    return this.#filled >= 2 && ((frame[0] ?? 0) << 8) + (frame[1] ?? 0) === ApiKey.PRODUCE;
  }
}
