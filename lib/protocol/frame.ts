import { assert, defined } from "#lib/util/assert.ts";
import { FrameSizeReader } from "./frame-size.ts";

/** Chunks below this size are gathered, so that a peer which sends byte by byte cannot make us hold an object for each. */
const SMALL_CHUNK_BYTES = 4 * 1024;
const GATHER_BYTES = 64 * 1024;

/**
 * Cuts a byte stream into frames:
 *
 *     | size int32 | size bytes | size int32 | size bytes | …
 *
 * A frame that lies in one chunk is a view of it; one that arrives in several is joined once. What is held is never
 * more than what has arrived, whatever the size promises.
 */
export class FrameSplitter {
  readonly #sizes: FrameSizeReader;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;
  #gather: Buffer | undefined;
  #gathered = 0;
  /** The size of the frame under way, undefined while its size itself is incomplete. */
  #frameBytes: number | undefined;

  constructor(frameBytesMax: number) {
    this.#sizes = new FrameSizeReader(frameBytesMax);
  }

  /** Bytes of the frame under way that have arrived. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether the stream stands between two frames. */
  get isIdle(): boolean {
    return this.#frameBytes === undefined && this.#sizes.isIdle;
  }

  /** The frames that `chunk` completes, in order. Fails with `ProtocolError` on a size below 0 or above the limit. */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#frameBytes === undefined) {
        const { size, end } = this.#sizes.read(chunk, at);
        this.#frameBytes = size;
        at = end;
        if (this.#frameBytes !== 0) continue;
      }
      const end = Math.min(chunk.byteLength, at + this.#frameBytes - this.#heldBytes);
      const frame = this.#take(chunk.subarray(at, end));
      if (frame !== undefined) frames.push(frame);
      at = end;
    }
    return frames;
  }

  #take(part: Uint8Array): Uint8Array | undefined {
    const isComplete = this.#heldBytes + part.byteLength === this.#frameBytes;
    if (!isComplete) {
      this.#hold(part);
      return undefined;
    }
    const frame = this.#heldBytes === 0 ? part : this.#join(part);
    this.#frameBytes = undefined;
    return frame;
  }

  #hold(part: Uint8Array): void {
    const missingBytes = defined(this.#frameBytes) - this.#heldBytes;
    this.#heldBytes += part.byteLength;
    if (part.byteLength >= SMALL_CHUNK_BYTES) {
      this.#closeGather();
      this.#parts.push(part);
      return;
    }
    if (this.#gather !== undefined && this.#gathered + part.byteLength > this.#gather.byteLength) this.#closeGather();
    this.#gather ??= Buffer.allocUnsafeSlow(Math.min(GATHER_BYTES, missingBytes));
    this.#gather.set(part, this.#gathered);
    this.#gathered += part.byteLength;
  }

  #closeGather(): void {
    if (this.#gather === undefined) return;
    this.#parts.push(this.#gather.subarray(0, this.#gathered));
    // The rest of the buffer goes on gathering; only a nearly full one is given up.
    this.#gather = this.#gather.subarray(this.#gathered);
    if (this.#gather.byteLength < SMALL_CHUNK_BYTES) this.#gather = undefined;
    this.#gathered = 0;
  }

  #join(last: Uint8Array): Uint8Array {
    this.#closeGather();
    const parts = [...this.#parts, last];
    const frame = Buffer.concat(parts, this.#heldBytes + last.byteLength);
    assert(frame.byteLength === this.#frameBytes, "a frame has the size it announced");
    this.#parts = [];
    this.#heldBytes = 0;
    this.#gather = undefined;
    return frame;
  }
}
