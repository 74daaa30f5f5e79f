import { CorruptRecordError } from "./errors.ts";
import { copyBack } from "./snappy-block.ts";

// The blocks of an LZ4 frame (lz4-frame.ts draws the frame): sequences of
//
//   token: literals in the upper four bits, match length - 4 in the lower four; 15 goes on in further bytes up to one < 255
//   literals | offset of the match, 2 bytes, counted back from the end of what is decompressed so far
//
// The last sequence of a block has literals only.

/** Magic; version 01 with independent blocks and no checksums; blocks of up to 4 MiB; the header's checksum. */
const STORED_FRAME_HEAD = Buffer.from("04224d18607073", "hex");
const STORED_BLOCK_BYTES_MAX = 4 * 1024 * 1024;
const STORED_BIT = 0x8000_0000;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const MATCH_BYTES_MIN = 4;

/** A valid frame that is a little larger than `bytes`: its blocks are stored as they are. */
export function storeLz4(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [STORED_FRAME_HEAD];
  for (let at = 0; at < bytes.byteLength; at += STORED_BLOCK_BYTES_MAX) {
    const block = bytes.subarray(at, at + STORED_BLOCK_BYTES_MAX);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(STORED_BIT + block.byteLength);
    parts.push(size, block);
  }
  parts.push(Buffer.alloc(4));
  return Buffer.concat(parts);
}

/**
 * Decompresses a frame that has been walked through, so that its blocks lie within it and come to `byteLength` bytes.
 * Fails with `CorruptRecordError` where a match reaches back too far.
 */
export function decodeLz4Blocks(frame: Buffer, byteLength: number): Uint8Array {
  const flags = frame[4] ?? 0;
  const checksumBytes = (flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4;
  const target = new Uint8Array(byteLength);
  let filled = 0;
  let at = 7 + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8);
  for (;;) {
    const word = frame.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED_BIT;
    const end = at + (isStored ? word - STORED_BIT : word);
    const block = frame.subarray(at, end);
    if (isStored) target.set(block, filled);
    filled = isStored ? filled + block.byteLength : decodeBlock(block, target, filled);
    at = end + checksumBytes;
  }
  return target.subarray(0, filled);
}

/** Answers how far `target` is filled then. */
function decodeBlock(block: Uint8Array, target: Uint8Array, from: number): number {
  let filled = from;
  let at = 0;
  const lengthFrom = (bits: number): number => {
    let length = bits;
    for (let more = bits === 15; more && at < block.byteLength; at++) {
      const byte = block[at] ?? 0;
      length += byte;
      more = byte === 255;
    }
    return length;
  };
  while (at < block.byteLength) {
    const token = block[at++] ?? 0;
    const literals = lengthFrom(token >>> 4);
    if (literals > block.byteLength - at || literals > target.byteLength - filled) throw broken();
    target.set(block.subarray(at, at + literals), filled);
    at += literals;
    filled += literals;
    if (at >= block.byteLength) break;
    const offset = (block[at] ?? 0) + (block[at + 1] ?? 0) * 256;
    at += 2;
    const length = lengthFrom(token & 0x0f) + MATCH_BYTES_MIN;
    if (offset === 0 || offset > filled || length > target.byteLength - filled) throw broken();
    copyBack(target, filled, { offset, length });
    filled += length;
  }
  return filled;
}

function broken(): CorruptRecordError {
  return new CorruptRecordError("lz4 frame is broken");
}
