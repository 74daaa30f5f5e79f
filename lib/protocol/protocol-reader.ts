import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { MESSAGE_ELEMENTS_MAX } from "#lib/util/limits.ts";
import { ProtocolError } from "./protocol-error.ts";

const STRING_BYTES_MAX = 0x7fff;

/**
 * Reads the primitive types of the Kafka protocol from one frame. Every length and count is checked against the bytes
 * that are left before anything is allocated for it; every fault is a `ProtocolError`.
 *
 * Lengths, with null as -1, come in two forms (KIP-482):
 *
 *     classic   strings  int16 length      bytes, records, arrays  int32 length
 *     flexible  all      uvarint of length + 1, hence 0 for null
 */
export class ProtocolReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;
  #end: number;
  #elementsLeft = MESSAGE_ELEMENTS_MAX;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  int64(): number {
    const value = this.#int64();
    if (!Number.isSafeInteger(value)) throw new ProtocolError("64-bit integer exceeds 2^53");
    return value;
  }

  int64Clamped(): number {
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, this.#int64()));
  }

  #int64(): number {
    const at = this.#take(8);
    return this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  /** Unsigned LEB128 of at most 5 bytes. */
  uvarint(): number {
    const first = this.#view.getUint8(this.#take(1));
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let scale = 0x80; scale <= 0x1000_0000; scale *= 0x80) {
      const byte = this.#view.getUint8(this.#take(1));
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ProtocolError("varint is longer than 5 bytes");
  }

  uuid(): Uuid {
    const at = this.#take(16);
    if (this.#view.getInt32(at + 12) === 0 && this.#view.getInt32(at) === 0) {
      if (this.#view.getInt32(at + 4) === 0 && this.#view.getInt32(at + 8) === 0) return ZERO_UUID;
    }
    return this.#bytes.toString("base64url", at, at + 16) as Uuid;
  }

  /** The length of a string, -1 for null. */
  stringLength(flexible: boolean): number {
    const length = flexible ? this.uvarint() - 1 : this.int16();
    if (length > STRING_BYTES_MAX)
      throw new ProtocolError(`string of ${length} bytes is longer than ${STRING_BYTES_MAX}`);
    return length;
  }

  /** The length of bytes or records, -1 for null. */
  bytesLength(flexible: boolean): number {
    return flexible ? this.uvarint() - 1 : this.int32();
  }

  text(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  /** The next `length` bytes: a view, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** The number of elements of an array, -1 for null. Fails unless so many of at least `elementBytesMin` can follow. */
  elementCount(flexible: boolean, elementBytesMin: number): number {
    const count = flexible ? this.uvarint() - 1 : this.int32();
    if (count <= 0) return count;
    if (count * elementBytesMin > this.#end - this.#at) {
      throw new ProtocolError(`array of ${count} elements cannot lie in ${this.#end - this.#at} bytes`);
    }
    // Small elements take many times their bytes in memory, so their number in one message is bounded as well.
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) throw new ProtocolError(`more than ${MESSAGE_ELEMENTS_MAX} array elements`);
    return count;
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Runs `read`, which must use exactly the next `length` bytes. */
  within<T>(length: number, read: (reader: ProtocolReader) => T): T {
    const outerEnd = this.#end;
    const end = this.#at + length;
    if (end > outerEnd) this.#fail(length);
    this.#end = end;
    const value = read(this);
    if (this.#at !== end) throw new ProtocolError(`${end - this.#at} of ${length} bytes left over in a tagged field`);
    this.#end = outerEnd;
    return value;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count < 0 || count > this.#end - at) this.#fail(count);
    this.#at = at + count;
    return at;
  }

  #fail(count: number): never {
    if (count < 0) throw new ProtocolError(`length ${count} at ${this.#at} is negative`);
    throw new ProtocolError(`needs ${count} bytes at ${this.#at}, has ${this.#end - this.#at}`);
  }
}
