import { READ_MEMORY_FREE_BYTES_MAX, READ_MEMORY_STEP_BYTES } from "#lib/util/limits.ts";

/**
 * Memory that ranges of objects are read into, used again and again: new memory for each read had V8 collect its whole
 * heap once for every 64 MB read. What is lent and never given back is collected like any other memory.
 */
export class ReadMemory {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;

  /** Kept for the next reads, in bytes. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Memory with anything in it. */
  take(byteLength: number): Uint8Array {
    // Little ones are no burden, and would waste most of a step.
    if (byteLength < READ_MEMORY_STEP_BYTES / 4) return new Uint8Array(byteLength);
    const capacity = Math.ceil(byteLength / READ_MEMORY_STEP_BYTES) * READ_MEMORY_STEP_BYTES;
    const block = this.#free.get(capacity)?.pop();
    if (block === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer, 0, byteLength);
    this.#freeBytes -= capacity;
    return new Uint8Array(block, 0, byteLength);
  }

  /** Takes back what `take` answered; nobody may read it any more. */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < READ_MEMORY_STEP_BYTES) return;
    if (this.#freeBytes + buffer.byteLength > READ_MEMORY_FREE_BYTES_MAX) return;
    const blocks = this.#free.get(buffer.byteLength);
    if (blocks === undefined) this.#free.set(buffer.byteLength, [buffer]);
    else blocks.push(buffer);
    this.#freeBytes += buffer.byteLength;
  }
}
