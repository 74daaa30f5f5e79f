import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import {
  ARCHIVE_CHUNK_BYTES_MAX,
  ARCHIVE_CHUNKS_MAX,
  JOURNAL_PAGE_BYTES_MAX,
  JOURNAL_PAGE_RECORDS_MAX,
} from "#lib/util/limits.ts";
import { encodeChunk } from "./archive-chunk.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import type { JournalCaller } from "./journal-caller.ts";
import type { JournalObjects } from "./journal-objects.ts";
import { objectName } from "./object-names.ts";
import type { ServiceClock } from "./service-clock.ts";
import type { ArchiveChunk, SnapshotPointer, SnapshotShelf } from "./snapshot-shelf.ts";

export interface ArchiverParts {
  readonly id: JournalId;
  readonly journal: Journal;
  readonly objects: JournalObjects;
  readonly shelf: SnapshotShelf;
  readonly serviceClock: ServiceClock;
  readonly caller: JournalCaller;
}

/** Writes records behind the newest pointer as objects, which are read faster than the journal's pages (J5). */
export class Archiver {
  readonly #parts: ArchiverParts;

  constructor(parts: ArchiverParts) {
    this.#parts = parts;
  }

  /**
   * Archives the records behind `newest` up to number `upTo`, which this process has folded; fewer if one pointer cannot
   * name them all. Resolves to whether a pointer to them stands; false if somebody else's came to stand meanwhile.
   */
  async extend(newest: SnapshotPointer, upTo: JournalSeq, signal: AbortSignal): Promise<boolean> {
    const { id, objects, shelf, serviceClock, caller } = this.#parts;
    const takenAtMs = serviceClock.nowMs();
    const chunks: ArchiveChunk[] = [...newest.chunks];
    let { seq, journalBytes } = newest;
    while (seq < upTo && chunks.length < ARCHIVE_CHUNKS_MAX) {
      const records = await this.#readRun(seq + 1, upTo, signal);
      const last = records?.at(-1);
      if (records === undefined || last === undefined) return false;
      seq = last.seq;
      for (const { bytes } of records) journalBytes += bytes.byteLength;
      chunks.push({
        lastSeq: seq,
        object: await objects.put(objectName(id, "archive", upTo), [encodeChunk(records)], signal),
      });
    }
    if (chunks.length === newest.chunks.length) return false;
    // Numbers behind the newest pointer are never freed, so as long as it is the newest no sleeper's late record can be
    // among those that were read, and nothing that the new pointer names can be garbage.
    const standing = await caller.repeatedly((limited) => shelf.newestSeq(limited), signal);
    if (standing.seq !== newest.seq) return false;
    const pointer: SnapshotPointer = { ...newest, seq, takenAtMs, journalBytes, chunks };
    const result = await caller.repeatedly((limited) => shelf.put(pointer, limited), signal);
    return result.kind === "appended";
  }

  /** The records from `from` up to `upTo` at most, enough for a chunk; undefined if they are not all there any more. */
  async #readRun(
    from: JournalSeq,
    upTo: JournalSeq,
    signal: AbortSignal,
  ): Promise<readonly JournalRecord[] | undefined> {
    const { id, journal, caller } = this.#parts;
    const records: JournalRecord[] = [];
    let byteLength = 0;
    for (let next = from; next <= upTo && byteLength < ARCHIVE_CHUNK_BYTES_MAX; ) {
      const recordsMax = Math.min(JOURNAL_PAGE_RECORDS_MAX, upTo - next + 1);
      const options = { from: next, recordsMax, bytesMax: JOURNAL_PAGE_BYTES_MAX, consistency: "strong" } as const;
      const page = await caller.repeatedly((limited) => journal.read(id, options, limited), signal);
      if (page.records.length === 0) return undefined;
      for (const record of page.records) {
        if (record.seq !== next) return undefined;
        records.push(record);
        byteLength += record.bytes.byteLength;
        next++;
      }
    }
    return records;
  }
}
