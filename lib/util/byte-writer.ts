import { assert } from "./assert.ts";

/**
 * Appends big-endian numbers, varints and bytes to a buffer that grows by doubling.
 * Large byte arrays that should not be copied belong into a list of chunks beside it, not in here.
 */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What has been written so far: a view, valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of exactly what has been written. */
  toBytes(): Uint8Array {
    // Not `slice`, which takes the long way over a Buffer's own constructor.
    const copy = new Uint8Array(this.#length);
    copy.set(this.#bytes.subarray(0, this.#length));
    return copy;
  }

  /** Forgets what was written and keeps the buffer, for writers that are used again and again. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  int8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  uint8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  uint16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  uint32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  /** Writes a safe integer as 64 bits. */
  int64(value: number): this {
    assert(Number.isSafeInteger(value), "int64 is not a safe integer");
    const at = this.#reserve(8);
    this.#bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
    this.#bytes.writeUInt32BE(
      value % 0x1_0000_0000 < 0 ? (value % 0x1_0000_0000) + 0x1_0000_0000 : value % 0x1_0000_0000,
      at + 4,
    );
    return this;
  }

  float64(value: number): this {
    const at = this.#reserve(8);
    this.#bytes.writeDoubleBE(value, at);
    return this;
  }

  /** Unsigned LEB128 of a safe non-negative integer, 1 to 8 bytes. */
  uvarint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, "uvarint is not a safe non-negative integer");
    let rest = value;
    while (rest >= 0x80) {
      this.uint8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.uint8(rest);
  }

  /** Zigzag LEB128 of a safe integer, as in Kafka's record fields. */
  varint(value: number): this {
    // Doubling a large safe integer may leave the safe range by one bit, so large magnitudes take the exact path.
    if (value >= -0x4000_0000 && value < 0x4000_0000) return this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1);
    return this.#varint64((BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.byteLength);
    this.#bytes.set(value, at);
    return this;
  }

  /** Byte length as uvarint, then the bytes. */
  lengthPrefixed(value: Uint8Array): this {
    return this.uvarint(value.byteLength).bytes(value);
  }

  /** Byte length as uvarint, then UTF-8. */
  text(value: string): this {
    const byteLength = Buffer.byteLength(value);
    this.uvarint(byteLength);
    const at = this.#reserve(byteLength);
    this.#bytes.write(value, at, byteLength);
    return this;
  }

  /** Leaves `count` bytes to be filled by `patchInt32` and its like; returns where they begin. */
  skip(count: number): number {
    return this.#reserve(count);
  }

  patchInt32(at: number, value: number): void {
    this.#bytes.writeInt32BE(value, at);
  }

  patchUint32(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value, at);
  }

  #varint64(zigzag: bigint): this {
    let rest = BigInt.asUintN(64, zigzag);
    while (rest >= 0x80n) {
      this.uint8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return this.uint8(Number(rest));
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.byteLength) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.byteLength * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}
