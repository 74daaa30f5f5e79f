import { once } from "node:events";

const CHUNK_BYTES = 64 * 1024;

/** Data on stdout: gathered to chunks, and no faster than its reader takes it. */
export class Output {
  #chunks: Uint8Array[] = [];
  #byteLength = 0;

  /** Answers a promise to wait for when the reader is behind. */
  write(...chunks: readonly (Uint8Array | string)[]): Promise<void> | undefined {
    for (const chunk of chunks) {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      this.#chunks.push(bytes);
      this.#byteLength += bytes.byteLength;
    }
    return this.#byteLength < CHUNK_BYTES ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    if (this.#byteLength === 0) return;
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#byteLength = 0;
    if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
  }
}

/** A reader such as `head` that has enough ends us quietly, as it ends other Unix tools. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}
