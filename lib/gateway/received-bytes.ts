/** A connection that can stop and go on reading its socket. */
export interface PausableReader {
  pause(): void;
  resume(): void;
}

/**
 * Bounds what all connections together have received and not yet answered.
 *
 * Bytes are counted as they arrive, so a client that only announces a large frame holds nothing. Above the limit every
 * connection that brings more is paused. If all of them were in the middle of a frame, nothing would ever be released;
 * therefore the one that has waited longest may always go on: the total stays below the limit plus one largest frame.
 */
export class ReceivedBytes {
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #waiting = new Set<PausableReader>();
  #privileged: PausableReader | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  received(reader: PausableReader, byteLength: number): void {
    this.#bytes += byteLength;
    if (this.#bytes <= this.#bytesMax || reader === this.#privileged) return;
    if (this.#privileged === undefined) {
      this.#privileged = reader;
      return;
    }
    this.#waiting.add(reader);
    reader.pause();
  }

  released(byteLength: number): void {
    this.#bytes -= byteLength;
    if (this.#bytes > this.#bytesMax) return;
    this.#privileged = undefined;
    const readers = [...this.#waiting];
    this.#waiting.clear();
    for (const reader of readers) reader.resume();
  }

  /** The privileged reader has a whole frame, or the connection is gone: the next one's turn. */
  finished(reader: PausableReader): void {
    this.#waiting.delete(reader);
    if (this.#privileged !== reader) return;
    this.#privileged = undefined;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#privileged = next;
    next.resume();
  }
}
