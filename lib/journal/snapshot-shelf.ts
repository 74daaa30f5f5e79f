import { crc32c } from "#lib/record/crc32c.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { journalId } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { JOURNAL_PAGE_BYTES_MAX, JOURNAL_PAGE_RECORDS_MAX } from "#lib/util/limits.ts";
import type { AppendResult, Journal, JournalPage, JournalRecord } from "./journal.ts";
import type { JournalObjectRef } from "./journal-objects.ts";
import { decodeObjectRef, encodeObjectRef } from "./journal-objects.ts";
import type { ServiceClock } from "./service-clock.ts";

// A pointer: one record of the journal `<journal>/snapshots`, at the number of the last record that it stands for. It leads
// to the state at that number: a snapshot of it,
//
//   0        4  magic "MRP1"
//   4        8  taken at, ms since the epoch by the journal service's clock
//  12        8  bytes of all records up to there
//  20           object reference (journal-objects.ts)
//  end - 4   4  CRC-32C of everything before it
//
// or an older snapshot and an archive, which holds the records from there on:
//
//   0        4  magic "MRP2"
//   4        8  taken at
//  12        8  bytes of all records up to the pointer's number
//  20        8  number of the snapshot
//  28        8  bytes of all records up to the snapshot
//  36           object reference of the snapshot
//               uvarint number of chunks, at least 1, each (archive-chunk.ts)
//                 uvarint  number of its last record; that of the last chunk is the pointer's
//                 object reference
//  end - 4   4  CRC-32C of everything before it
//
// No feature level guards the second form, for nobody can take it for the first: a version that knows only the first one
// sees a pointer that cannot be read, takes an older one if the records behind that still stand, and stops if they do not.

const MAGIC_SNAPSHOT = 0x4d525031;
const MAGIC_ARCHIVE = 0x4d525032;
const TRAILER_BYTES = 4;

export interface ArchiveChunk {
  readonly lastSeq: JournalSeq;
  readonly object: JournalObjectRef;
}

export interface SnapshotPointer {
  readonly seq: JournalSeq;
  readonly takenAtMs: TimestampMs;
  readonly journalBytes: number;
  /** The snapshot. */
  readonly object: JournalObjectRef;
  /** The number of the snapshot: the pointer's own without an archive. */
  readonly snapshotSeq: JournalSeq;
  readonly snapshotJournalBytes: number;
  /** The records from the snapshot up to the pointer's number, in order. */
  readonly chunks: readonly ArchiveChunk[];
}

/** Everything that is needed to come to the pointer's state. */
export function objectsOf(pointer: Pick<SnapshotPointer, "object" | "chunks">): readonly JournalObjectRef[] {
  return [pointer.object, ...pointer.chunks.map((chunk) => chunk.object)];
}

/** A pointer to a snapshot of the state at its own number. */
export function snapshotPointer(
  fields: Pick<SnapshotPointer, "seq" | "takenAtMs" | "journalBytes" | "object">,
): SnapshotPointer {
  return { ...fields, snapshotSeq: fields.seq, snapshotJournalBytes: fields.journalBytes, chunks: [] };
}

export function encodePointer(pointer: SnapshotPointer): Uint8Array {
  const writer = new ByteWriter().uint32(pointer.chunks.length === 0 ? MAGIC_SNAPSHOT : MAGIC_ARCHIVE);
  writer.int64(pointer.takenAtMs).int64(pointer.journalBytes);
  if (pointer.chunks.length > 0) writer.int64(pointer.snapshotSeq).int64(pointer.snapshotJournalBytes);
  encodeObjectRef(pointer.object, writer);
  if (pointer.chunks.length > 0) writer.uvarint(pointer.chunks.length);
  for (const { lastSeq, object } of pointer.chunks) encodeObjectRef(object, writer.uvarint(lastSeq));
  return writer.uint32(crc32c(writer.view())).toBytes();
}

/** Throws `DecodeError`. */
export function decodePointer(record: JournalRecord): SnapshotPointer {
  const { seq } = record;
  const end = record.bytes.byteLength - TRAILER_BYTES;
  if (end < 0) throw new DecodeError("too short for a snapshot pointer");
  const content = record.bytes.subarray(0, end);
  const reader = new ByteReader(content);
  const magic = reader.uint32();
  if (magic !== MAGIC_SNAPSHOT && magic !== MAGIC_ARCHIVE) {
    throw new DecodeError("not a snapshot pointer of version 1 or 2");
  }
  if (new ByteReader(record.bytes.subarray(end)).uint32() !== crc32c(content)) {
    throw new DecodeError("the pointer's checksum does not match its bytes");
  }
  const takenAtMs = reader.int64();
  const journalBytes = reader.int64();
  const isArchive = magic === MAGIC_ARCHIVE;
  const snapshotSeq = isArchive ? reader.int64() : seq;
  const snapshotJournalBytes = isArchive ? reader.int64() : journalBytes;
  const object = decodeObjectRef(reader);
  const chunks = isArchive ? decodeChunks(reader, snapshotSeq, seq) : [];
  reader.end();
  return { seq, takenAtMs, journalBytes, object, snapshotSeq, snapshotJournalBytes, chunks };
}

function decodeChunks(reader: ByteReader, after: JournalSeq, last: JournalSeq): readonly ArchiveChunk[] {
  const chunks: ArchiveChunk[] = [];
  let end = after;
  for (let left = reader.uvarint(); left > 0; left--) {
    const lastSeq = reader.uvarint();
    if (lastSeq <= end) throw new DecodeError(`a chunk ends at record ${lastSeq}, the one before it at ${end}`);
    chunks.push({ lastSeq, object: decodeObjectRef(reader) });
    end = lastSeq;
  }
  if (chunks.length === 0 || end !== last) throw new DecodeError(`its archive ends at record ${end}`);
  return chunks;
}

/** The pointers to one journal's snapshots. They are put if absent, so the latest is the last and none goes back. */
export class SnapshotShelf {
  readonly #pointers: JournalId;
  readonly #journal: Journal;
  readonly #serviceClock: ServiceClock;

  constructor(journal: Journal, id: JournalId, serviceClock: ServiceClock) {
    this.#journal = journal;
    this.#pointers = journalId(`${id}/snapshots`);
    this.#serviceClock = serviceClock;
  }

  /** The number of the newest pointer, 0 without one, and when the request was signed. */
  async newestSeq(signal: AbortSignal): Promise<{ readonly seq: JournalSeq; readonly signedAtMs: TimestampMs }> {
    const page = await this.#journal.last(this.#pointers, signal);
    this.#serviceClock.note(page);
    return { seq: page.records[0]?.seq ?? 0, signedAtMs: page.signedAtMs };
  }

  /** The newest pointer's record; whether it can be read is the caller's to find out. */
  async newest(signal: AbortSignal): Promise<JournalRecord | undefined> {
    const page = await this.#journal.last(this.#pointers, signal);
    this.#serviceClock.note(page);
    return page.records[0];
  }

  /** All pointers' records, oldest first: as many as were taken in the last days. */
  async all(signal: AbortSignal): Promise<readonly JournalRecord[]> {
    const records: JournalRecord[] = [];
    for (let from = 1; ; from = (records.at(-1)?.seq ?? 0) + 1) {
      const page = await this.page(from, JOURNAL_PAGE_RECORDS_MAX, signal);
      records.push(...page.records);
      if (!page.isTruncated || page.records.length === 0) return records;
    }
  }

  /** Some pointers' records from number `from` on, by a strong read. */
  async page(from: JournalSeq, recordsMax: number, signal: AbortSignal): Promise<JournalPage> {
    const options = { from, recordsMax, bytesMax: JOURNAL_PAGE_BYTES_MAX, consistency: "strong" } as const;
    const page = await this.#journal.read(this.#pointers, options, signal);
    this.#serviceClock.note(page);
    return page;
  }

  put(pointer: SnapshotPointer, signal: AbortSignal): Promise<AppendResult> {
    return this.#journal.append(this.#pointers, pointer.seq, encodePointer(pointer), signal);
  }

  trim(upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    return this.#journal.trim(this.#pointers, upTo, signal);
  }
}
