import { FRAME_BLOCK_BYTES, FRAME_BLOCKS_MAX } from "#lib/util/limits.ts";

/**
 * Memory for large frames that is used again and again. What Node's heap does not have to give and take back, it does
 * not have to collect: at 200 MB/s that was the largest part of the process's work.
 *
 * Whoever takes a frame's memory gives it back when nothing refers to the frame any more, at once or never.
 */
export class FrameMemory {
  readonly #free: ArrayBuffer[] = [];
  readonly #lent = new Map<Uint8Array, ArrayBuffer>();

  /** Bytes lent or kept for the next frames. */
  get byteLength(): number {
    return (this.#free.length + this.#lent.size) * FRAME_BLOCK_BYTES;
  }

  /** Memory of that size with anything in it; undefined if it is too large, or if too much is lent: then allocate. */
  take(byteLength: number): Uint8Array | undefined {
    if (byteLength > FRAME_BLOCK_BYTES) return undefined;
    if (this.#free.length === 0 && this.#lent.size >= FRAME_BLOCKS_MAX) return undefined;
    const block = this.#free.pop() ?? new ArrayBuffer(FRAME_BLOCK_BYTES);
    const frame = new Uint8Array(block, 0, byteLength);
    this.#lent.set(frame, block);
    return frame;
  }

  /** Nothing happens to frames whose memory is not from here, or was given back before. */
  giveBack(frame: Uint8Array): void {
    const block = this.#lent.get(frame);
    if (block === undefined) return;
    // By the frame and not by its block, which may be lent to the next one already.
    this.#lent.delete(frame);
    this.#free.push(block);
  }
}
