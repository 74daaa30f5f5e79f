import { CorruptRecordError } from "./errors.ts";

// Raw snappy: the decompressed size as a varint, then elements. The lowest two bits of an element's first byte are its type:
//
//   00  literal: length - 1 in the upper six bits, or (60 to 63) in the next 1 to 4 bytes; then the bytes
//   01  copy: length - 4 in bits 2..4, offset in bits 5..7 and the next byte
//   10  copy: length - 1 in the upper six bits, offset in the next 2 bytes
//   11  copy: length - 1 in the upper six bits, offset in the next 4 bytes
//
// Numbers are little-endian. An offset counts back from the end of what is decompressed so far.

const LITERAL_INLINE_MAX = 60;
const LITERAL_TWO_BYTES = 61 << 2;

/** Valid raw snappy that is a little larger than `bytes`, of which there are at most 64 KiB. */
export function storeSnappyBlock(bytes: Uint8Array): Uint8Array {
  const size = bytes.byteLength;
  const head: number[] = [];
  for (let rest = size; ; rest >>>= 7) {
    head.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
    if (rest < 0x80) break;
  }
  if (size > 0) head.push(LITERAL_TWO_BYTES, (size - 1) & 0xff, (size - 1) >>> 8);
  const block = new Uint8Array(head.length + size);
  block.set(head);
  block.set(bytes, head.length);
  return block;
}

/** Fails with `CorruptRecordError`. The caller has checked that the size which the block claims is a sound one. */
export function decodeSnappyBlock(block: Uint8Array): Uint8Array {
  let at = 0;
  const next = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index++) value += (block[at + index] ?? 0) * 2 ** (8 * index);
    at += count;
    return value;
  };
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = next(1);
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80 || shift > 28) break;
  }
  const target = new Uint8Array(size);
  let filled = 0;
  while (at < block.byteLength) {
    const tag = next(1);
    const type = tag & 3;
    if (type === 0) {
      const inTag = tag >>> 2;
      const length = inTag < LITERAL_INLINE_MAX ? inTag + 1 : next(inTag - LITERAL_INLINE_MAX + 1) + 1;
      if (length > block.byteLength - at || length > size - filled) throw broken();
      target.set(block.subarray(at, at + length), filled);
      at += length;
      filled += length;
      continue;
    }
    const length = type === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const offset = type === 1 ? ((tag >>> 5) << 8) + next(1) : next(type === 2 ? 2 : 4);
    if (offset === 0 || offset > filled || length > size - filled) throw broken();
    copyBack(target, filled, { offset, length });
    filled += length;
  }
  if (at !== block.byteLength || filled !== size) throw broken();
  return target;
}

/** Repeats what stands `offset` before `at`; the two ranges may overlap, and then the first bytes are repeated. */
export function copyBack(
  target: Uint8Array,
  at: number,
  { offset, length }: { readonly offset: number; readonly length: number },
): void {
  if (offset >= length) target.copyWithin(at, at - offset, at - offset + length);
  else for (let index = at; index < at + length; index++) target[index] = target[index - offset] ?? 0;
}

function broken(): CorruptRecordError {
  return new CorruptRecordError("snappy block is broken");
}
