import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";

/** Walks the record batches in a list of chunks by their headers alone. Chunks may be cut anywhere; nothing is copied. */
export class BatchWalk {
  readonly #chunks: readonly Uint8Array[];
  /** The chunk that the current batch begins in, and where. */
  #index = 0;
  #from = 0;
  #byteLength = 0;
  #position = 0;
  #remaining = 0;
  #header: BatchHeader | undefined;
  readonly #straddling = new Uint8Array(BATCH_HEADER_BYTES);

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
    for (const chunk of chunks) this.#remaining += chunk.byteLength;
  }

  /** Of the current batch, in the concatenation of the chunks; at the end: of what is no whole batch. */
  get position(): number {
    return this.#position;
  }

  /** Of the current batch. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Bytes from the current batch on. Not 0 once `next` has said false: what is left there is no whole batch. */
  get remaining(): number {
    return this.#remaining;
  }

  get header(): BatchHeader {
    return defined(this.#header, "current batch");
  }

  /** Goes on to the next batch; false if no whole one follows. Fields are as they stand: only the length is looked at. */
  next(): boolean {
    this.#skip();
    this.#header = undefined;
    this.#byteLength = 0;
    if (this.#remaining < BATCH_HEADER_BYTES) return false;
    const header = this.#readHeader();
    if (header.sizeBytes < BATCH_HEADER_BYTES || header.sizeBytes > this.#remaining) return false;
    this.#header = header;
    this.#byteLength = header.sizeBytes;
    return true;
  }

  /** Views of the current batch from its byte `from` on. */
  views(from: number): readonly Uint8Array[] {
    return this.#viewsOf(from, this.#byteLength - from);
  }

  #readHeader(): BatchHeader {
    const chunk = this.#chunks[this.#index];
    if (chunk !== undefined && chunk.byteLength - this.#from >= BATCH_HEADER_BYTES) {
      return readBatchHeader(chunk, this.#from);
    }
    let at = 0;
    for (const view of this.#viewsOf(0, BATCH_HEADER_BYTES)) {
      this.#straddling.set(view, at);
      at += view.byteLength;
    }
    return readBatchHeader(this.#straddling);
  }

  #viewsOf(from: number, count: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let skip = this.#from + from;
    let left = count;
    for (let index = this.#index; left > 0; index++) {
      const chunk = defined(this.#chunks[index], "chunk");
      const taken = Math.min(left, chunk.byteLength - skip);
      if (taken > 0) views.push(chunk.subarray(skip, skip + taken));
      left -= Math.max(taken, 0);
      skip = Math.max(skip - chunk.byteLength, 0);
    }
    return views;
  }

  #skip(): void {
    this.#position += this.#byteLength;
    this.#remaining -= this.#byteLength;
    this.#from += this.#byteLength;
    for (;;) {
      const chunk = this.#chunks[this.#index];
      if (chunk === undefined || this.#from < chunk.byteLength) return;
      this.#from -= chunk.byteLength;
      this.#index++;
    }
  }
}
