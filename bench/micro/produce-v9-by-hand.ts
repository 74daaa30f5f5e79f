// Produce v9 as somebody would write it who needs this one version only:
//
//   | transactional id: compact string or null | acks int16 | timeout int32 | topics: compact array | tags |
//   topic      | name: compact string | partitions: compact array | tags |
//   partition  | index int32 | records: compact bytes or null | tags |

export interface HandDecodedProduce {
  readonly transactionalId: string | null;
  readonly acks: number;
  readonly timeoutMs: number;
  readonly topics: readonly HandDecodedTopic[];
}

interface HandDecodedTopic {
  readonly name: string;
  readonly partitions: readonly { readonly index: number; readonly records: Uint8Array | null }[];
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  text(): string | null {
    const bytes = this.compactBytes();
    return bytes === null ? null : bytes.toString("latin1");
  }

  compactBytes(): Buffer | null {
    const length = this.uvarint() - 1;
    if (length < 0) return null;
    if (this.#at + length > this.#bytes.byteLength) throw new RangeError(`${length} bytes are not there`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  tags(): void {
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.#at += this.uvarint();
    }
  }
}

export function decodeProduceV9ByHand(bytes: Buffer): HandDecodedProduce {
  const cursor = new Cursor(bytes);
  const transactionalId = cursor.text();
  const acks = cursor.int16();
  const timeoutMs = cursor.int32();
  const topics: HandDecodedTopic[] = [];
  for (let left = cursor.uvarint() - 1; left > 0; left--) {
    const name = cursor.text() ?? "";
    const partitions = [];
    for (let more = cursor.uvarint() - 1; more > 0; more--) {
      partitions.push({ index: cursor.int32(), records: cursor.compactBytes() });
      cursor.tags();
    }
    cursor.tags();
    topics.push({ name, partitions });
  }
  cursor.tags();
  return { transactionalId, acks, timeoutMs, topics };
}
