// The sizes of an entry's batches, two uvarints each, in the entry's order:
//
//   { byteLength uvarint, offsetCount uvarint } ...
//
// Kept as bytes because a partition has one such pair for every batch that is not compacted yet.

interface BatchSize {
  readonly byteLength: number;
  readonly offsetCount: number;
}

export function encodeBatchSizes(batches: readonly BatchSize[]): Uint8Array {
  let length = 0;
  for (const batch of batches) length += uvarintBytes(batch.byteLength) + uvarintBytes(batch.offsetCount);
  // Never from Node's pool: a few bytes that stay would keep a whole block of it, with everybody's passing buffers.
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const batch of batches) at = putUvarint(bytes, putUvarint(bytes, at, batch.byteLength), batch.offsetCount);
  return bytes;
}

function uvarintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count++;
  return count;
}

/** Returns where the next one begins. */
function putUvarint(bytes: Uint8Array, begin: number, value: number): number {
  let at = begin;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[at++] = rest;
  return at;
}
