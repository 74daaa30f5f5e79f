import { assert } from "#lib/util/assert.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import { COPY_BYTES_MAX } from "#lib/util/limits.ts";
import { ProtocolError } from "./protocol-error.ts";

const STRING_BYTES_MAX = 0x7fff;
const BUFFER_BYTES_MAX = 64 * 1024;

/**
 * Writes the primitive types of the Kafka protocol into a list of chunks. Full buffers are closed, never grown, and
 * records of some size become chunks of their own, so nothing is copied twice:
 *
 *     | size, header, fields … | records | fields … | records | … |
 */
export class ProtocolWriter {
  readonly #chunks: Uint8Array[] = [];
  #buffer: Buffer;
  #start = 0;
  #at = 0;
  #closedBytes = 0;

  constructor(initialBytes = 512) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#closedBytes + this.#at - this.#start;
  }

  /** Everything written so far. The writer must not be used afterwards. */
  finish(): readonly Uint8Array[] {
    this.#closeChunk();
    return this.#chunks;
  }

  bool(value: boolean): void {
    this.#put8(value ? 1 : 0);
  }

  int8(value: number): void {
    if (value !== (value << 24) >> 24) outOfRange("int8", value);
    this.#put8(value);
  }

  int16(value: number): void {
    if (value !== (value << 16) >> 16) outOfRange("int16", value);
    this.#put16(value);
  }

  uint16(value: number): void {
    if (value !== (value & 0xffff)) outOfRange("uint16", value);
    this.#put16(value);
  }

  int32(value: number): void {
    if (value !== (value | 0)) outOfRange("int32", value);
    this.#put32(this.#reserve(4), value);
  }

  uint32(value: number): void {
    if (value !== value >>> 0) outOfRange("uint32", value);
    this.#put32(this.#reserve(4), value);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) outOfRange("int64", value);
    const at = this.#reserve(8);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#put32(at, high);
    this.#put32(at + 4, value - high * 0x1_0000_0000);
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    this.#buffer.writeDoubleBE(value, at);
  }

  uvarint(value: number): void {
    let rest = value >>> 0;
    assert(rest === value, "uvarint is not a 32-bit unsigned integer");
    while (rest >= 0x80) {
      this.#put8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.#put8(rest);
  }

  uuid(value: string): void {
    const at = this.#reserve(16);
    if (value === ZERO_UUID) this.#buffer.fill(0, at, at + 16);
    else if (value.length !== 22 || this.#buffer.write(value, at, 16, "base64url") !== 16) {
      throw new ProtocolError(`not a UUID: ${value}`);
    }
  }

  /** Length and UTF-8 of a string. */
  string(value: string, flexible: boolean): void {
    // Short texts are written once, behind a length of known size that is filled in afterwards.
    if (value.length <= 40) {
      const prefix = flexible ? 1 : 2;
      const at = this.#reserve(prefix + value.length * 3);
      const length = this.#buffer.write(value, at + prefix, value.length * 3, "utf8");
      this.#buffer[at] = flexible ? length + 1 : 0;
      if (!flexible) this.#buffer[at + 1] = length;
      this.#at = at + prefix + length;
      return;
    }
    const length = Buffer.byteLength(value);
    if (length > STRING_BYTES_MAX)
      throw new ProtocolError(`string of ${length} bytes is longer than ${STRING_BYTES_MAX}`);
    if (flexible) this.uvarint(length + 1);
    else this.#put16(length);
    const at = this.#reserve(length);
    this.#buffer.write(value, at, length, "utf8");
  }

  /** A length in front of bytes, records or an array; -1 for null. */
  length32(length: number, flexible: boolean): void {
    if (flexible) this.uvarint(length + 1);
    else this.int32(length);
  }

  copy(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.byteLength);
    this.#buffer.set(bytes, at);
  }

  /** Appends `bytes` without copying them, unless they are few. They must not change until they are sent. */
  chunk(bytes: Uint8Array): void {
    if (bytes.byteLength <= COPY_BYTES_MAX) {
      this.copy(bytes);
      return;
    }
    this.#closeChunk();
    this.#chunks.push(bytes);
    this.#closedBytes += bytes.byteLength;
  }

  chunks(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.chunk(chunk);
  }

  /** Leaves 4 bytes for a size that is known only later; the returned function fills it in. */
  reserveInt32(): (value: number) => void {
    const at = this.#reserve(4);
    const buffer = this.#buffer;
    return (value) => {
      buffer.writeInt32BE(value, at);
    };
  }

  // `#reserve` may replace the buffer, so it always comes first.
  #put8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  #put16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer[at] = value >> 8;
    this.#buffer[at + 1] = value;
  }

  #put32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  #closeChunk(): void {
    if (this.#at === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#at));
    this.#closedBytes += this.#at - this.#start;
    this.#start = this.#at;
  }

  #reserve(count: number): number {
    const at = this.#at;
    if (at + count <= this.#buffer.byteLength) {
      this.#at = at + count;
      return at;
    }
    this.#closeChunk();
    this.#buffer = Buffer.allocUnsafe(Math.max(count, Math.min(BUFFER_BYTES_MAX, this.#buffer.byteLength * 2)));
    this.#start = 0;
    this.#at = count;
    return 0;
  }
}

function outOfRange(type: string, value: number): never {
  throw new ProtocolError(`${value} is not an ${type}`);
}
