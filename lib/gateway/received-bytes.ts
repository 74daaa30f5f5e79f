/** A connection that can stop and go on reading its socket. */
export interface PausableReader {
  pause(): void;
  resume(): void;
}

/**
 * Bounds what all connections together have received and not yet answered.
 *
 * Bytes are counted as they arrive, so a client that only announces a large frame holds nothing. Above the limit every
 * connection that brings more is paused: as long as one whole frame is held, its answer will release bytes. If all of
 * them were in the middle of a frame, nothing would ever be released; therefore one may then go on to the end of its
 * frame. The total stays below the limit plus one largest frame, and what one read of each socket brings.
 */
export class ReceivedBytes {
  readonly #bytesMax: number;
  #bytes = 0;
  #wholeFrames = 0;
  readonly #waiting = new Set<PausableReader>();
  #privileged: PausableReader | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `byteLength` more have come, which make `frameCount` frames whole. */
  received(reader: PausableReader, byteLength: number, frameCount: number): void {
    this.#bytes += byteLength;
    this.#wholeFrames += frameCount;
    if (frameCount > 0 && reader === this.#privileged) this.#privileged = undefined;
    if (this.#bytes <= this.#bytesMax || reader === this.#privileged) return;
    this.#waiting.add(reader);
    reader.pause();
    this.#handOn();
  }

  /** Frames were answered, or their connection is gone. */
  released(byteLength: number, frameCount: number): void {
    this.#bytes -= byteLength;
    this.#wholeFrames -= frameCount;
    this.#handOn();
  }

  /** The connection is gone; what it held has been released. */
  gone(reader: PausableReader): void {
    this.#waiting.delete(reader);
    if (this.#privileged === reader) this.#privileged = undefined;
    this.#handOn();
  }

  #handOn(): void {
    if (this.#bytes <= this.#bytesMax) {
      this.#privileged = undefined;
      const readers = [...this.#waiting];
      this.#waiting.clear();
      for (const reader of readers) reader.resume();
      return;
    }
    if (this.#wholeFrames > 0 || this.#privileged !== undefined) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#privileged = next;
    next.resume();
  }
}
