import { READ_MEMORY_FREE_BYTES_MAX, READ_MEMORY_STEP_BYTES } from "#lib/util/limits.ts";

/** A block may be larger than what is asked for by this part of it: reads that go together seldom have quite the same size. */
const SPARE_PART = 1 / 3;

/**
 * Memory that ranges of objects are read into, used again and again: new memory for each read had V8 collect its whole
 * heap once for every 64 MB read. What is lent and never given back is collected like any other memory.
 */
export class ReadMemory {
  /** In the order in which they came back. */
  readonly #free = new Set<ArrayBuffer>();
  readonly #newMemory: (byteLength: number) => Uint8Array;
  #freeBytes = 0;

  /** Kept for the next reads, in bytes. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** `newMemory` answers all of a buffer. */
  constructor(newMemory: (byteLength: number) => Uint8Array = Buffer.allocUnsafeSlow) {
    this.#newMemory = newMemory;
  }

  /** Memory with anything in it. */
  take(byteLength: number): Uint8Array {
    // Little ones are no burden, and would waste most of a step.
    if (byteLength < READ_MEMORY_STEP_BYTES / 4) return new Uint8Array(byteLength);
    const capacity = Math.ceil(byteLength / READ_MEMORY_STEP_BYTES) * READ_MEMORY_STEP_BYTES;
    const block = this.#fitting(capacity);
    if (block === undefined) return new Uint8Array(this.#newMemory(capacity).buffer, 0, byteLength);
    this.#drop(block);
    return new Uint8Array(block, 0, byteLength);
  }

  /** Takes back what `take` answered; nobody may read it any more. */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < READ_MEMORY_STEP_BYTES) return;
    if (buffer.byteLength > READ_MEMORY_FREE_BYTES_MAX) return;
    this.#free.add(buffer);
    this.#freeBytes += buffer.byteLength;
    // Sizes that nobody wants any more must not take the room of those that are wanted.
    for (const oldest of this.#free) {
      if (this.#freeBytes <= READ_MEMORY_FREE_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  /** The smallest that is large enough and not much too large; of several the last one that came back. */
  #fitting(capacity: number): ArrayBuffer | undefined {
    let best: ArrayBuffer | undefined;
    for (const block of this.#free) {
      const isFitting = block.byteLength >= capacity && block.byteLength * (1 - SPARE_PART) <= capacity;
      if (isFitting && block.byteLength <= (best?.byteLength ?? Infinity)) best = block;
    }
    return best;
  }

  #drop(block: ArrayBuffer): void {
    this.#free.delete(block);
    this.#freeBytes -= block.byteLength;
  }
}
