import { assert, defined } from "#lib/util/assert.ts";
import { DIRECT_ALIGNMENT_BYTES } from "#lib/util/limits.ts";

const WASM_PAGE_BYTES = 64 * 1024;

/** TypeScript has its type only beside those of a browser. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

/**
 * A fixed number of equal blocks of memory that begin at page boundaries, as writes past the page cache need them. They
 * are cut from a WebAssembly memory: the only memory in JavaScript that is sure to begin at a page boundary. The system
 * provides its pages when they are first used.
 */
export class StagingBlocks {
  readonly blockBytes: number;
  readonly #count: number;
  readonly #waiting: ((block: Uint8Array) => void)[] = [];
  #free: Uint8Array[] | undefined;

  constructor(options: { readonly blockBytes: number; readonly count: number }) {
    assert(options.blockBytes % DIRECT_ALIGNMENT_BYTES === 0, "a staging block is whole pages");
    this.blockBytes = options.blockBytes;
    this.#count = options.count;
  }

  /** Runs `work` with a block of its own, when one is free. Whoever waits longest gets it first. */
  async use<T>(work: (block: Uint8Array) => Promise<T>): Promise<T> {
    const block = await this.#take();
    try {
      return await work(block);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) defined(this.#free).push(block);
      else next(block);
    }
  }

  #take(): Uint8Array | Promise<Uint8Array> {
    this.#free ??= this.#allocate();
    return this.#free.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #allocate(): Uint8Array[] {
    const pages = Math.ceil((this.blockBytes * this.#count) / WASM_PAGE_BYTES);
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return Array.from(
      { length: this.#count },
      (_, index) => new Uint8Array(buffer, index * this.blockBytes, this.blockBytes),
    );
  }
}
