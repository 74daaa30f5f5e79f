import { defined } from "#lib/util/assert.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import type { JournalRecord } from "./journal.ts";

// A chunk of an archive: records of a journal as one object, in their order and without holes.
//
//   0   4  magic "MRA1"
//   4   8  number of the first record
//  12   4  number of records, at least 1
//  16      each record: 4 length, then its bytes as they stand in the journal
//
// The pointer that names a chunk has its hash, so it carries no checksum of its own; its records have theirs.

const MAGIC = 0x4d524131;
const HEADER_BYTES = 16;

export function encodeChunk(records: readonly JournalRecord[]): Uint8Array {
  const byteLength = records.reduce((sum, { bytes }) => sum + 4 + bytes.byteLength, HEADER_BYTES);
  const writer = new ByteWriter(byteLength).uint32(MAGIC);
  writer.int64(defined(records[0], "a chunk's first record").seq).uint32(records.length);
  for (const { bytes } of records) writer.uint32(bytes.byteLength).bytes(bytes);
  return writer.view();
}

/**
 * The records of a chunk that follows record `after` and ends at `last`. Each has bytes of its own: what a state keeps of
 * a record would keep all of the chunk in memory. Throws `DecodeError`.
 */
export function decodeChunk(bytes: Uint8Array, after: JournalSeq, last: JournalSeq): readonly JournalRecord[] {
  const reader = new ByteReader(bytes);
  if (reader.uint32() !== MAGIC) throw new DecodeError("not an archive's chunk of version 1");
  const first = reader.int64();
  const count = reader.uint32();
  if (first !== after + 1 || first + count - 1 !== last) {
    throw new DecodeError(`it holds ${count} records from ${first} on, its pointer says ${after + 1} to ${last}`);
  }
  const records: JournalRecord[] = [];
  for (let seq = first; seq <= last; seq++) {
    records.push({ seq, bytes: new Uint8Array(reader.bytes(reader.uint32())) });
  }
  reader.end();
  return records;
}
