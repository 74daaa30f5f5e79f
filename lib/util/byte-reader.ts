import { assert } from "./assert.ts";
import { LogError } from "./errors.ts";

/** The bytes are not what their format says: too short, a length out of range, a number that does not fit. */
export class DecodeError extends LogError {
  override readonly name = "DecodeError";
  override readonly kind = "corrupt";
}

/** Reads what `ByteWriter` writes. Never reads past its end; every fault is a `DecodeError`. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.byteLength - this.#at;
  }

  /** Goes back to where `position` stood before. */
  returnTo(position: number): void {
    assert(position <= this.#at, "a reader returns to what it has read");
    this.#at = position;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** A 64-bit integer that must fit in a safe integer. */
  int64(): number {
    const at = this.#take(8);
    const value = this.#bytes.readInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new DecodeError("64-bit integer exceeds 2^53");
    return value;
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  uvarint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.uint8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new DecodeError("varint exceeds 2^53");
        return value;
      }
      scale *= 0x80;
    }
    throw new DecodeError("varint is longer than 8 bytes");
  }

  varint(): number {
    // Almost every varint of a record has one to four bytes, so bigint is left to the long ones.
    let short = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint8();
      short |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (short >>> 1) ^ -(short & 1);
    }
    let value = BigInt(short);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.uint8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const decoded = Number(BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)));
        if (!Number.isSafeInteger(decoded)) throw new DecodeError("varint exceeds 2^53");
        return decoded;
      }
    }
    throw new DecodeError("varint is longer than 10 bytes");
  }

  /** The next `count` bytes as a view, not a copy. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  lengthPrefixed(): Uint8Array {
    return this.bytes(this.uvarint());
  }

  text(): string {
    const count = this.uvarint();
    const at = this.#take(count);
    return this.#bytes.toString("utf8", at, at + count);
  }

  /** Fails unless everything has been read. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes left over`);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count < 0 || count > this.#bytes.byteLength - at) {
      throw new DecodeError(`needs ${count} bytes at ${at}, has ${this.#bytes.byteLength - at}`);
    }
    this.#at = at + count;
    return at;
  }
}
