import { crc32c } from "#lib/record/crc32c.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { journalId } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { JOURNAL_PAGE_BYTES_MAX, JOURNAL_PAGE_RECORDS_MAX } from "#lib/util/limits.ts";
import type { AppendResult, Journal, JournalRecord } from "./journal.ts";
import type { JournalObjectRef } from "./journal-objects.ts";
import { decodeObjectRef, encodeObjectRef } from "./journal-objects.ts";
import type { ServiceClock } from "./service-clock.ts";

// A pointer: one record of the journal `<journal>/snapshots`, at the number of the last record that the snapshot holds.
//
//   0        4  magic "MRP1"
//   4        8  taken at, ms since the epoch by the journal service's clock
//  12        8  bytes of all records up to there
//  20           object reference (journal-objects.ts)
//  end - 4   4  CRC-32C of everything before it

const MAGIC = 0x4d525031;
const TRAILER_BYTES = 4;

export interface SnapshotPointer {
  readonly seq: JournalSeq;
  readonly takenAtMs: TimestampMs;
  readonly journalBytes: number;
  readonly object: JournalObjectRef;
}

export function encodePointer(pointer: SnapshotPointer): Uint8Array {
  const writer = new ByteWriter().uint32(MAGIC).int64(pointer.takenAtMs).int64(pointer.journalBytes);
  encodeObjectRef(pointer.object, writer);
  return writer.uint32(crc32c(writer.view())).toBytes();
}

/** Throws `DecodeError`. */
export function decodePointer(record: JournalRecord): SnapshotPointer {
  const end = record.bytes.byteLength - TRAILER_BYTES;
  if (end < 0) throw new DecodeError("too short for a snapshot pointer");
  const content = record.bytes.subarray(0, end);
  const reader = new ByteReader(content);
  if (reader.uint32() !== MAGIC) throw new DecodeError("not a snapshot pointer of version 1");
  if (new ByteReader(record.bytes.subarray(end)).uint32() !== crc32c(content)) {
    throw new DecodeError("the pointer's checksum does not match its bytes");
  }
  const takenAtMs = reader.int64();
  const journalBytes = reader.int64();
  const object = decodeObjectRef(reader);
  reader.end();
  return { seq: record.seq, takenAtMs, journalBytes, object };
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
      const page = await this.#journal.read(
        this.#pointers,
        { from, recordsMax: JOURNAL_PAGE_RECORDS_MAX, bytesMax: JOURNAL_PAGE_BYTES_MAX, consistency: "strong" },
        signal,
      );
      this.#serviceClock.note(page);
      records.push(...page.records);
      if (!page.isTruncated || page.records.length === 0) return records;
    }
  }

  put(pointer: SnapshotPointer, signal: AbortSignal): Promise<AppendResult> {
    return this.#journal.append(this.#pointers, pointer.seq, encodePointer(pointer), signal);
  }

  trim(upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    return this.#journal.trim(this.#pointers, upTo, signal);
  }
}
