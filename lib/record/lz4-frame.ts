import { CorruptRecordError, DecompressedTooLargeError } from "./errors.ts";
import { type Lz4Codec, lz4Codec } from "./native-codecs.ts";

// Kafka's lz4 is the LZ4 frame format 1.6; its Java reader takes version 01 with independent blocks only, which is what
// we write. Numbers are little-endian.
//
//   magic 04 22 4d 18 | FLG | BD | content size 8? | dictionary id 4? | header checksum 1
//   blocks: uint32 size (top bit: stored uncompressed), data, checksum 4?
//   uint32 0 | content checksum 4?
//
//   FLG   bits 7..6   5                  4              3             2                 1  0
//         version 01  block independence block checksum content size  content checksum  0  dictionary id
//
// The native decoder has no limit on its output and takes a frame without an end for whole. So we walk the frame first:
// the tokens of its blocks tell the decompressed size, without decompressing.

const MAGIC = 0x184d2204;
const VERSION_MASK = 0xc0;
const VERSION_01 = 0x40;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const DICTIONARY_BIT = 0x01;
const STORED_BIT = 0x8000_0000;
const MATCH_BYTES_MIN = 4;

export function compressLz4(bytes: Uint8Array, codec: Lz4Codec = lz4Codec()): Uint8Array {
  return codec.compressFrame(bytes);
}

/** Fails with `CorruptRecordError`, or `DecompressedTooLargeError` before anything is decompressed. */
export function decompressLz4(bytes: Uint8Array, bytesMax: number, codec: Lz4Codec = lz4Codec()): Uint8Array {
  const frame = asBuffer(bytes);
  const size = measureFrame(frame, bytesMax);
  const decompressed = decodeFrame(frame, size, codec);
  if (decompressed.byteLength !== size) throw new CorruptRecordError("lz4 frame is broken");
  return decompressed;
}

function decodeFrame(frame: Buffer, size: number, codec: Lz4Codec): Uint8Array {
  try {
    return codec.decompressFrame(frame, size);
  } catch (cause) {
    throw new CorruptRecordError("lz4 frame is broken", { cause });
  }
}

function measureFrame(frame: Buffer, bytesMax: number): number {
  const flags = frame[4] ?? 0;
  if (frame.byteLength < 7 || frame.readUInt32LE(0) !== MAGIC) throw new CorruptRecordError("not an lz4 frame");
  if ((flags & VERSION_MASK) !== VERSION_01 || (flags & DICTIONARY_BIT) !== 0) {
    throw new CorruptRecordError(`lz4 frame with flags ${flags} is not supported`);
  }
  const checksumBytes = (flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4;
  let at = 7 + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8);
  let total = 0;
  while (true) {
    if (frame.byteLength - at < 4) throw new CorruptRecordError("lz4 frame has no end");
    const word = frame.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED_BIT;
    const end = at + (isStored ? word - STORED_BIT : word);
    if (end > frame.byteLength) throw new CorruptRecordError("lz4 frame ends within a block");
    total += isStored ? end - at : measureBlock(frame, at, end);
    if (total > bytesMax) throw new DecompressedTooLargeError(bytesMax);
    at = end + checksumBytes;
  }
  at += (flags & CONTENT_CHECKSUM_BIT) === 0 ? 0 : 4;
  if (at !== frame.byteLength) throw new CorruptRecordError(`lz4 frame ends at byte ${at} of ${frame.byteLength}`);
  return total;
}

/** Sum of the literal and match lengths of the sequences between `from` and `end`. */
function measureBlock(frame: Buffer, from: number, end: number): number {
  let size = 0;
  let at = from;
  while (at < end) {
    const token = frame[at++] ?? 0;
    let literals = token >>> 4;
    for (let more = literals === 15; more && at < end; at++) {
      const byte = frame[at] ?? 0;
      literals += byte;
      more = byte === 255;
    }
    at += literals;
    size += literals;
    // The last sequence of a block has literals only.
    if (at >= end) break;
    at += 2;
    let match = (token & 0x0f) + MATCH_BYTES_MIN;
    for (let more = (token & 0x0f) === 15; more && at < end; at++) {
      const byte = frame[at] ?? 0;
      match += byte;
      more = byte === 255;
    }
    size += match;
  }
  if (at !== end) throw new CorruptRecordError("lz4 block ends within a sequence");
  return size;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
