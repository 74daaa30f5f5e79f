import { ProtocolError } from "./protocol-error.ts";

const SIZE_BYTES = 4;

/** Reads the int32 before each frame, whose bytes need not come together. */
export class FrameSizeReader {
  readonly #frameBytesMax: number;
  #size = 0;
  #sizeBytes = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Whether no byte of a size has come. */
  get isIdle(): boolean {
    return this.#sizeBytes === 0;
  }

  /**
   * Reads on at `start`; `size` is undefined while it is incomplete, `end` is where it stopped. Fails with `ProtocolError`
   * on a size below 0 or above the limit.
   */
  read(chunk: Uint8Array, start: number): { readonly size: number | undefined; readonly end: number } {
    let at = start;
    while (at < chunk.byteLength && this.#sizeBytes < SIZE_BYTES) {
      this.#size = (this.#size << 8) | (chunk[at] ?? 0);
      this.#sizeBytes++;
      at++;
    }
    if (this.#sizeBytes < SIZE_BYTES) return { size: undefined, end: at };
    const size = this.#size;
    this.#size = 0;
    this.#sizeBytes = 0;
    if (size < 0) throw new ProtocolError(`frame of ${size} bytes`);
    if (size > this.#frameBytesMax) {
      throw new ProtocolError(`frame of ${size} bytes is over ${this.#frameBytesMax}${otherProtocol(size)}`);
    }
    return { size, end: at };
  }
}

/** What four bytes are that somebody sends who means another door. */
const OTHER_PROTOCOLS: readonly [name: string, starts: readonly string[]][] = [
  ["HTTP", ["HTTP", "GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC"]],
  ["TLS", ["\u0016\u0003\u0001\u0000", "\u0016\u0003\u0001\u0001", "\u0016\u0003\u0001\u0002"]],
];

function otherProtocol(size: number): string {
  const bytes = Buffer.alloc(SIZE_BYTES);
  bytes.writeInt32BE(size);
  const start = bytes.toString("latin1");
  const found = OTHER_PROTOCOLS.find(([, starts]) => starts.includes(start));
  return found === undefined ? "" : `: the other side speaks ${found[0]}, not Kafka's protocol`;
}
