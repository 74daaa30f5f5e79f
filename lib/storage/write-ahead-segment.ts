import { crc32c } from "#lib/record/crc32c.ts";
import { ATTRIBUTES_AT } from "#lib/record/record-batch.ts";
import { assert } from "#lib/util/assert.ts";
import type { FlushId, TopicId } from "#lib/util/branded.ts";
import { flushIdFromBytes, flushIdToBytes, uuidFromBytes, uuidToBytes } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import type { ByteRange } from "./object-store.ts";

// A write-ahead segment, version 1: one object with the batches of many partitions, from one flush. Big-endian.
//
//   header    0  magic            4    "MRWA"
//             4  version          uint16   1
//             6  unused           uint16   0
//             8  flushId          16
//            24  headerCrc        uint32   CRC-32C of bytes 0..23
//   body     28  the parts, one after another, without gaps; a part is a run of whole record batches (magic 2, base
//                offset 0, leader epoch 0) of one partition
//   footer    0  flushId          16
//            16  partCount        uint32
//            20  parts            40 each, in the order of the body:
//                   0  topicId      16
//                  16  partition    int32
//                  20  position     int64    of the part's first byte in the object
//                  28  byteLength   uint32
//                  32  batchCount   uint32
//                  36  headsCrc     uint32   CRC-32C of the first 21 bytes of each batch, one after another
//   trailer   0  footerPosition   int64    of the footer's first byte in the object
//             8  footerByteLength uint32
//            12  footerCrc        uint32   CRC-32C of the footer
//            16  trailerCrc       uint32   CRC-32C of bytes 0..15
//            20  magic            4    "MRWE": the last four bytes of the object
//
// Every byte is under one checksum, or is a checksum or a magic itself. A batch's own CRC covers it from its attributes (byte 21) on, and producers
// had it checked at the door; what it leaves out, the 21 bytes before (base offset, length, leader epoch, magic and the
// CRC itself), is under the part's headsCrc. So sealing sums 21 bytes a batch instead of all bytes a second time.

export const WRITE_AHEAD_VERSION = 1;
export const WRITE_AHEAD_HEADER_BYTES = 28;
export const WRITE_AHEAD_TRAILER_BYTES = 24;
/** What Kafka's CRC of a batch leaves out. */
export const BATCH_HEAD_BYTES = ATTRIBUTES_AT;
const FOOTER_FIXED_BYTES = 20;
const FOOTER_PART_BYTES = 40;
const HEADER_MAGIC = 0x4d525741;
const TRAILER_MAGIC = 0x4d525745;
/** Read at first from the end: holds the footers of flushes with up to some 1,600 parts. */
const FOOTER_GUESS_BYTES = 64 * 1024;

export interface WriteAheadPart {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  /** Whole batches, at least one. */
  readonly batches: readonly Uint8Array[];
}

export interface SealedWriteAheadSegment {
  /** The object's bytes; the batches are the given arrays themselves. */
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
  /** Where each part begins in the object, in the order of the parts. */
  readonly positions: readonly number[];
}

/** Lays out one flush as an object. The caller sorts the parts (by journal, topic, partition) and checks the batches. */
export function sealWriteAheadSegment(flush: {
  readonly flushId: FlushId;
  readonly parts: readonly WriteAheadPart[];
}): SealedWriteAheadSegment {
  const footer = new ByteWriter(
    FOOTER_FIXED_BYTES + FOOTER_PART_BYTES * flush.parts.length + WRITE_AHEAD_TRAILER_BYTES,
  );
  footer.bytes(flushIdToBytes(flush.flushId)).uint32(flush.parts.length);
  const chunks: Uint8Array[] = [encodeHeader(flush.flushId)];
  const positions: number[] = [];
  let position = WRITE_AHEAD_HEADER_BYTES;
  for (const part of flush.parts) {
    let byteLength = 0;
    for (const batch of part.batches) {
      assert(batch.byteLength > BATCH_HEAD_BYTES, "not a record batch");
      chunks.push(batch);
      byteLength += batch.byteLength;
    }
    const topicId = uuidToBytes(part.topicId);
    assert(topicId !== undefined && byteLength > 0, "a part has a topic id and at least one batch");
    footer.bytes(topicId).int32(part.partitionIndex).int64(position);
    footer.uint32(byteLength).uint32(part.batches.length).uint32(sumHeads(part.batches));
    positions.push(position);
    position += byteLength;
  }
  appendTrailer(footer, position);
  const end = footer.toBytes();
  chunks.push(end);
  return { chunks, byteLength: position + end.byteLength, positions };
}

export interface WriteAheadFooterPart {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly position: number;
  readonly byteLength: number;
  readonly batchCount: number;
  readonly headsCrc: number;
}

export interface WriteAheadFooter {
  readonly flushId: FlushId;
  readonly parts: readonly WriteAheadFooterPart[];
  /** Where the body ends. */
  readonly footerPosition: number;
}

/**
 * Reads the index of parts from the object's end, with one read or, if it is long, two. Fails with `DecodeError` if the
 * bytes are not a footer, and as `read` does.
 */
export async function readWriteAheadFooter(
  byteLength: number,
  read: (range: ByteRange) => Promise<Uint8Array>,
): Promise<WriteAheadFooter> {
  const guess = Math.min(byteLength, FOOTER_GUESS_BYTES);
  if (guess < WRITE_AHEAD_TRAILER_BYTES) throw new DecodeError(`an object of ${byteLength} bytes has no trailer`);
  const tail = await read({ position: byteLength - guess, byteLength: guess });
  const trailer = decodeTrailer(tail.subarray(guess - WRITE_AHEAD_TRAILER_BYTES), byteLength);
  const start = trailer.footerPosition - (byteLength - guess);
  const footer =
    start >= 0
      ? tail.subarray(start, start + trailer.footerByteLength)
      : await read({ position: trailer.footerPosition, byteLength: trailer.footerByteLength });
  return decodeFooter(footer, trailer);
}

/** The same from an object that is in memory. */
export function parseWriteAheadFooter(object: Uint8Array): WriteAheadFooter {
  if (object.byteLength < WRITE_AHEAD_TRAILER_BYTES) {
    throw new DecodeError(`an object of ${object.byteLength} bytes has no trailer`);
  }
  const trailer = decodeTrailer(object.subarray(object.byteLength - WRITE_AHEAD_TRAILER_BYTES), object.byteLength);
  return decodeFooter(object.subarray(trailer.footerPosition, object.byteLength - WRITE_AHEAD_TRAILER_BYTES), trailer);
}

/** The flush that the header names. Fails with `DecodeError` on a wrong magic, version or sum. */
export function parseWriteAheadHeader(bytes: Uint8Array): FlushId {
  const reader = new ByteReader(bytes);
  if (reader.uint32() !== HEADER_MAGIC) throw new DecodeError("the header's magic is wrong");
  const version = reader.uint16();
  const unused = reader.uint16();
  const flushId = reader.bytes(16);
  if (reader.uint32() !== crc32c(bytes.subarray(0, 24))) throw new DecodeError("the header's checksum is wrong");
  if (version !== WRITE_AHEAD_VERSION || unused !== 0) throw new DecodeError(`version ${version} is unknown`);
  return flushIdFromBytes(flushId);
}

/** CRC-32C over the first 21 bytes of each batch. One native call a part: the call costs more than copying the heads. */
export function sumHeads(batches: readonly Uint8Array[]): number {
  const [only] = batches;
  if (only !== undefined && batches.length === 1) return crc32c(only.subarray(0, BATCH_HEAD_BYTES));
  const heads = Buffer.allocUnsafe(batches.length * BATCH_HEAD_BYTES);
  let at = 0;
  for (const batch of batches) {
    // Copied by the byte: 21 are too few to pay for a view and a `set`.
    for (let index = 0; index < BATCH_HEAD_BYTES; index++) heads[at + index] = batch[index] ?? 0;
    at += BATCH_HEAD_BYTES;
  }
  return crc32c(heads);
}

function encodeHeader(flushId: FlushId): Uint8Array {
  const header = new ByteWriter(WRITE_AHEAD_HEADER_BYTES);
  header.uint32(HEADER_MAGIC).uint16(WRITE_AHEAD_VERSION).uint16(0).bytes(flushIdToBytes(flushId));
  return header.uint32(crc32c(header.view())).toBytes();
}

function appendTrailer(footer: ByteWriter, footerPosition: number): void {
  const footerByteLength = footer.length;
  const footerCrc = crc32c(footer.view());
  footer.int64(footerPosition).uint32(footerByteLength).uint32(footerCrc);
  footer.uint32(crc32c(footer.view().subarray(footerByteLength))).uint32(TRAILER_MAGIC);
}

interface Trailer {
  readonly footerPosition: number;
  readonly footerByteLength: number;
  readonly footerCrc: number;
}

function decodeTrailer(bytes: Uint8Array, objectByteLength: number): Trailer {
  const reader = new ByteReader(bytes);
  // The magic comes first, so that a foreign object is told from a damaged one.
  if (new ByteReader(bytes.subarray(20)).uint32() !== TRAILER_MAGIC)
    throw new DecodeError("the trailer's magic is wrong");
  if (crc32c(bytes.subarray(0, 16)) !== new ByteReader(bytes.subarray(16)).uint32()) {
    throw new DecodeError("the trailer's checksum is wrong");
  }
  const trailer = { footerPosition: reader.int64(), footerByteLength: reader.uint32(), footerCrc: reader.uint32() };
  const end = trailer.footerPosition + trailer.footerByteLength + WRITE_AHEAD_TRAILER_BYTES;
  if (trailer.footerPosition < WRITE_AHEAD_HEADER_BYTES || end !== objectByteLength) {
    throw new DecodeError(`the trailer speaks of an object of ${end} bytes, it has ${objectByteLength}`);
  }
  return trailer;
}

function decodeFooter(bytes: Uint8Array, trailer: Trailer): WriteAheadFooter {
  if (crc32c(bytes) !== trailer.footerCrc) throw new DecodeError("the footer's checksum is wrong");
  const reader = new ByteReader(bytes);
  const flushId = flushIdFromBytes(reader.bytes(16));
  const partCount = reader.uint32();
  if (reader.remaining !== partCount * FOOTER_PART_BYTES)
    throw new DecodeError(`the footer cannot hold ${partCount} parts`);
  const parts: WriteAheadFooterPart[] = [];
  for (let index = 0; index < partCount; index++) {
    parts.push({
      topicId: uuidFromBytes(reader.bytes(16)),
      partitionIndex: reader.int32(),
      position: reader.int64(),
      byteLength: reader.uint32(),
      batchCount: reader.uint32(),
      headsCrc: reader.uint32(),
    });
  }
  return { flushId, parts, footerPosition: trailer.footerPosition };
}
