import type { Offset } from "#lib/util/branded.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";

// The sizes of an entry's batches, two uvarints each, in the entry's order:
//
//   { byteLength uvarint, offsetCount uvarint } ...
//
// Kept as bytes because a partition has one such pair for every batch that is not compacted yet. Most entries of many
// partitions are of one batch, which is as large as the entry: an array of its own for each would be half of the state.

interface BatchSize {
  readonly byteLength: number;
  readonly offsetCount: number;
}

/** What an entry says of its own size, and of its batches' if there are several. */
export interface SizedEntry {
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly byteLength: number;
  readonly batches: Uint8Array;
}

/** Stands in a state for the sizes of an entry of one batch: they are the entry's. */
export const ONE_BATCH = new Uint8Array(0);

/** The sizes as a state keeps them. */
export function keptBatchSizes(batches: readonly BatchSize[]): Uint8Array {
  return batches.length === 1 ? ONE_BATCH : encodeBatchSizes(batches);
}

/** The sizes of an entry's batches, of one batch too. */
export function batchSizesOf(entry: SizedEntry): Uint8Array {
  const { batches, byteLength, nextOffset, baseOffset } = entry;
  return batches.byteLength > 0 ? batches : encodeBatchSizes([{ byteLength, offsetCount: nextOffset - baseOffset }]);
}

/** The same behind their length, as a snapshot has them. */
export function writeBatchSizes(entry: SizedEntry, writer: ByteWriter): void {
  const { batches, byteLength, nextOffset, baseOffset } = entry;
  if (batches.byteLength > 0) {
    writer.lengthPrefixed(batches);
    return;
  }
  const offsetCount = nextOffset - baseOffset;
  writer
    .uvarint(uvarintBytes(byteLength) + uvarintBytes(offsetCount))
    .uvarint(byteLength)
    .uvarint(offsetCount);
}

/** Reads what `writeBatchSizes` wrote of an entry of that size, as a state keeps it. */
export function readBatchSizes(entry: BatchSize, reader: ByteReader): Uint8Array {
  const { byteLength, offsetCount } = entry;
  const length = reader.uvarint();
  const begin = reader.position;
  // Two batches may take as many bytes, but the first of them is smaller than the entry.
  if (length === uvarintBytes(byteLength) + uvarintBytes(offsetCount)) {
    if (reader.uvarint() === byteLength && reader.uvarint() === offsetCount) return ONE_BATCH;
    reader.returnTo(begin);
  }
  // A copy of its own: the snapshot must not stay for a few bytes of it, nor a block of Node's pool.
  return new Uint8Array(reader.bytes(length));
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
