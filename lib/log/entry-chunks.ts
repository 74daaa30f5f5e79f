/** Views of `byteLength` bytes from `from` on within the concatenation of `chunks`; fewer if it ends before. */
export function sliceChunks(chunks: readonly Uint8Array[], from: number, byteLength: number): readonly Uint8Array[] {
  const sliced: Uint8Array[] = [];
  let skip = from;
  let left = byteLength;
  for (const chunk of chunks) {
    if (left <= 0) break;
    if (skip >= chunk.byteLength) {
      skip -= chunk.byteLength;
      continue;
    }
    const end = Math.min(chunk.byteLength, skip + left);
    sliced.push(skip === 0 && end === chunk.byteLength ? chunk : chunk.subarray(skip, end));
    left -= end - skip;
    skip = 0;
  }
  return sliced;
}

/** Reads a list of chunks from the left, as if it were one array. */
export class ChunkReader {
  readonly #chunks: readonly Uint8Array[];
  #index = 0;
  /** Bytes of the current chunk that are read already. */
  #used = 0;
  #remaining = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
    for (const chunk of chunks) this.#remaining += chunk.byteLength;
  }

  get remaining(): number {
    return this.#remaining;
  }

  /** Copies the next `count` bytes, which must be there, to `target` at `at`. */
  copy(target: Uint8Array, at: number, count: number): void {
    let to = at;
    const end = at + count;
    while (to < end) {
      const chunk = this.#current();
      const taken = Math.min(end - to, chunk.byteLength - this.#used);
      const isWhole = this.#used === 0 && taken === chunk.byteLength;
      target.set(isWhole ? chunk : chunk.subarray(this.#used, this.#used + taken), to);
      this.#advance(taken);
      to += taken;
    }
  }

  /** Appends views of the next `count` bytes, which must be there, to `list`. */
  views(list: Uint8Array[], count: number): void {
    let left = count;
    while (left > 0) {
      const chunk = this.#current();
      const taken = Math.min(left, chunk.byteLength - this.#used);
      list.push(chunk.subarray(this.#used, this.#used + taken));
      this.#advance(taken);
      left -= taken;
    }
  }

  #current(): Uint8Array {
    for (;;) {
      const chunk = this.#chunks[this.#index];
      if (chunk === undefined) throw new RangeError("read past the end of the chunks");
      if (this.#used < chunk.byteLength) return chunk;
      this.#index++;
      this.#used = 0;
    }
  }

  #advance(count: number): void {
    this.#used += count;
    this.#remaining -= count;
  }
}
