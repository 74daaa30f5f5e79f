import { CorruptRecordError, DecompressedTooLargeError } from "./errors.ts";
import { type SnappyCodec, snappyCodec } from "./native-codecs.ts";

// Snappy as Kafka writes it: the stream of snappy-java ("xerial").
//
//   0  82 'S' 'N' 'A' 'P' 'P' 'Y' 00   magic
//   8  int32 version 1, int32 oldest version that can read it 1 (big-endian, as all here)
//  16  blocks: int32 length, raw snappy of up to 32 KiB of input
//
// A header may stand again between blocks: streams may be concatenated. What does not begin with the magic is one raw
// snappy block (librdkafka and others write that); its first varint is the decompressed size.

const XERIAL_HEADER = Buffer.from("82534e4150505900" + "00000001" + "00000001", "hex");
const MAGIC_BYTES = 8;
const MAGIC_HEAD = XERIAL_HEADER.readInt32BE(0);
const BLOCK_BYTES_MAX = 32 * 1024;
/** The densest element turns 3 bytes into 64. A larger claim is a lie that would only make us allocate. */
const EXPANSION_MAX = 22;

export function compressSnappy(bytes: Uint8Array, codec: SnappyCodec = snappyCodec()): Uint8Array {
  const parts: Uint8Array[] = [XERIAL_HEADER];
  for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES_MAX) {
    const block = codec.compressBlock(bytes.subarray(at, at + BLOCK_BYTES_MAX));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.byteLength);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** Fails with `CorruptRecordError`, or `DecompressedTooLargeError` before anything is decompressed. */
export function decompressSnappy(bytes: Uint8Array, bytesMax: number, codec: SnappyCodec = snappyCodec()): Uint8Array {
  const blocks = cutBlocks(bytes);
  const sizes = blocks.map(decompressedSize);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > bytesMax) throw new DecompressedTooLargeError(bytesMax);
  const [first] = blocks;
  if (first !== undefined && blocks.length === 1) return decompressBlock(first, codec);
  const whole = Buffer.allocUnsafe(total);
  let at = 0;
  for (const block of blocks) {
    const part = decompressBlock(block, codec);
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

function cutBlocks(bytes: Uint8Array): Uint8Array[] {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isXerial = source.subarray(0, MAGIC_BYTES).equals(XERIAL_HEADER.subarray(0, MAGIC_BYTES));
  if (!isXerial) return [source];
  const blocks: Uint8Array[] = [];
  let at = 0;
  while (at < source.byteLength) {
    if (source.byteLength - at < 4) throw new CorruptRecordError("snappy stream ends within a block length");
    const length = source.readInt32BE(at);
    if (length === MAGIC_HEAD) {
      at += XERIAL_HEADER.byteLength;
      if (at > source.byteLength) throw new CorruptRecordError("snappy stream ends within its header");
      continue;
    }
    at += 4;
    if (length < 0 || length > source.byteLength - at) {
      throw new CorruptRecordError(`snappy block of ${length} bytes in the last ${source.byteLength - at}`);
    }
    blocks.push(source.subarray(at, at + length));
    at += length;
  }
  return blocks;
}

function decompressedSize(block: Uint8Array): number {
  let size = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index];
    if (byte === undefined) break;
    size += (byte & 0x7f) * 2 ** (7 * index);
    if (byte >= 0x80) continue;
    if (size > block.byteLength * EXPANSION_MAX) throw new CorruptRecordError(`snappy block claims ${size} bytes`);
    return size;
  }
  throw new CorruptRecordError("snappy block has no decompressed size");
}

function decompressBlock(block: Uint8Array, codec: SnappyCodec): Uint8Array {
  try {
    return codec.decompressBlock(block);
  } catch (cause) {
    throw new CorruptRecordError("snappy block is broken", { cause });
  }
}
