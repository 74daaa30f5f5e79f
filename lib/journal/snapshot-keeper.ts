import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import {
  ARCHIVE_BYTES_MIN,
  ARCHIVE_CHUNKS_MAX,
  JOURNAL_PAGE_RECORDS_MAX,
  SNAPSHOT_PROOF_MS_MAX,
  SNAPSHOT_RECORDS_MIN,
  TRIM_DELAY_MS,
} from "#lib/util/limits.ts";
import { Archiver } from "./archiver.ts";
import type { FoldedState } from "./folded-state.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import type { JournalCaller } from "./journal-caller.ts";
import { CorruptRecordError } from "./journal-errors.ts";
import type { JournalFollower } from "./journal-follower.ts";
import type { JournalObjects } from "./journal-objects.ts";
import { JournalObjectLostError } from "./journal-objects.ts";
import { objectName } from "./object-names.ts";
import type { ServiceClock } from "./service-clock.ts";
import type { SnapshotPointer, SnapshotShelf } from "./snapshot-shelf.ts";
import { decodePointer, objectsOf, snapshotPointer } from "./snapshot-shelf.ts";
import type { StateMachine } from "./state-machine.ts";

export interface KeeperParts<State, Command, Outcome> {
  readonly id: JournalId;
  readonly machine: StateMachine<State, Command, Outcome>;
  readonly journal: Journal;
  readonly objects: JournalObjects;
  readonly shelf: SnapshotShelf;
  readonly serviceClock: ServiceClock;
  readonly follower: JournalFollower<State, Command, Outcome>;
  readonly caller: JournalCaller;
  /** Records after which a snapshot may be due. */
  readonly snapshotRecordsMin?: number;
}

/** Pointers that a trim's first request brings, for those that it looks for are the oldest; each further one brings more. */
const AGED_PAGE_RECORDS = 16;
const AGED_PAGE_GROWTH = 4;
/** So many of the pointers that are a day old are tried, the newest first. */
const AGED_MAX = 3;

/** Takes snapshots and trims what they make superfluous. Never needed for safety: a scheduled worker calls it. */
export class SnapshotKeeper<State, Command, Outcome> {
  readonly #parts: KeeperParts<State, Command, Outcome>;
  readonly #archiver: Archiver;
  /** When this process has last read an object that a trim relied on, by key. */
  readonly #readAtMs = new Map<string, number>();
  /** The number of a pointer, found as the newest, that leads nowhere any more. */
  #lostSeq: JournalSeq | undefined;

  constructor(parts: KeeperParts<State, Command, Outcome>) {
    this.#parts = parts;
    this.#archiver = new Archiver(parts);
  }

  /**
   * Takes a snapshot of the state as folded, if one is due: 256 records after the last one or as many bytes as it has,
   * whichever is more, or at once if a trim has found the last one lost. If none is, archives the records behind the newest pointer when they pass 1 MiB. Returns whether
   * a pointer to the snapshot or to the archive stands.
   */
  async takeIfDue(signal: AbortSignal): Promise<boolean> {
    const { follower, shelf, caller } = this.#parts;
    const newest = await caller.repeatedly((limited) => shelf.newest(limited), signal);
    const { folded } = follower;
    if (folded.seq <= (newest?.seq ?? 0)) return false;
    const pointer = newest === undefined ? undefined : readable(newest);
    if (this.#isSnapshotDue(folded, newest, pointer)) return this.#takeSnapshot(folded, signal);
    if (pointer === undefined || folded.journalBytes - pointer.journalBytes < ARCHIVE_BYTES_MIN) return false;
    return this.#archiver.extend(pointer, folded.seq, signal);
  }

  /**
   * Removes records that no process needs any more (J6): at or below the second newest pointer, or the newest before it
   * that is a day old, when what both it and the journal's newest lead to can be read; but none whose bytes the state
   * still needs, and never the newest record. Returns the number up to which nothing is left, 0 if nothing may go yet.
   */
  async trim(signal: AbortSignal): Promise<JournalSeq> {
    // Entries can only cease to be needed, so a state that is not behind the pointer knows all that count.
    await this.#parts.follower.readStrong();
    const { newest, aged } = await this.#agedPointers(signal);
    if (newest === undefined) return 0;
    let failure: unknown;
    for (const pointer of aged) {
      const upTo = this.#highestUnneeded(pointer);
      if (upTo < 1 || (await this.#isTrimmed(upTo, signal))) return Math.max(0, upTo);
      try {
        await this.#readObjects(pointer, signal);
      } catch (error) {
        // Who slept for long before the pointer was put has put one to what is garbage by now; older ones do as well.
        if (!(error instanceof JournalObjectLostError)) throw error;
        failure ??= error;
        continue;
      }
      const newestPointer = this.#pointer(newest);
      try {
        await this.#readObjects(newestPointer, signal);
      } catch (error) {
        if (error instanceof JournalObjectLostError) this.#lostSeq = newest.seq;
        throw error;
      }
      this.#forgetReadsExcept([pointer, newestPointer]);
      await this.#trimTo(upTo, signal);
      return upTo;
    }
    if (failure !== undefined) throw failure;
    return 0;
  }

  async #takeSnapshot(folded: FoldedState<State, Command, Outcome>, signal: AbortSignal): Promise<boolean> {
    const { id, objects, shelf, serviceClock, caller } = this.#parts;
    const { seq, journalBytes } = folded;
    const bytes = folded.encodeSnapshot();
    const takenAtMs = serviceClock.nowMs();
    const object = await objects.put(objectName(id, "snapshots", seq), [bytes], signal);
    const pointer = snapshotPointer({ seq, takenAtMs, journalBytes, object });
    const result = await caller.repeatedly((limited) => shelf.put(pointer, limited), signal);
    return result.kind === "appended";
  }

  #isSnapshotDue(
    folded: { readonly seq: JournalSeq; readonly journalBytes: number },
    newest: JournalRecord | undefined,
    pointer: SnapshotPointer | undefined,
  ): boolean {
    const recordsSince = folded.seq - (pointer?.snapshotSeq ?? newest?.seq ?? 0);
    const isLongAgo = recordsSince >= (this.#parts.snapshotRecordsMin ?? SNAPSHOT_RECORDS_MIN);
    if (newest === undefined) return isLongAgo || folded.journalBytes >= ARCHIVE_BYTES_MIN;
    // A damaged pointer is as good as none: the next snapshot stands above it.
    if (pointer === undefined) return isLongAgo;
    if (pointer.seq === this.#lostSeq) return true;
    if (pointer.chunks.length >= ARCHIVE_CHUNKS_MAX) {
      return folded.journalBytes - pointer.journalBytes >= ARCHIVE_BYTES_MIN;
    }
    return isLongAgo && folded.journalBytes - pointer.snapshotJournalBytes >= pointer.object.byteLength;
  }

  /**
   * The newest pointer, and the last of those before it that are a day old, newest first. They are looked for from the
   * oldest on, which are few, for trims take them away; a busy journal has many that are younger.
   */
  async #agedPointers(signal: AbortSignal) {
    const { shelf, caller, serviceClock } = this.#parts;
    const aged: SnapshotPointer[] = [];
    let newest: JournalRecord | undefined;
    let recordsMax = AGED_PAGE_RECORDS;
    for (;;) {
      const from = (newest?.seq ?? 0) + 1;
      const page = await caller.repeatedly((limited) => shelf.page(from, recordsMax, limited), signal);
      newest = page.records.at(-1) ?? newest;
      const pointers = page.records.map(readable).filter((pointer) => pointer !== undefined);
      const old = pointers.filter(({ takenAtMs }) => serviceClock.nowMs() - takenAtMs >= TRIM_DELAY_MS);
      aged.unshift(...old.toReversed());
      aged.splice(AGED_MAX + 1);
      if (!page.isTruncated || page.records.length === 0) break;
      if (old.length === pointers.length) {
        recordsMax = Math.min(recordsMax * AGED_PAGE_GROWTH, JOURNAL_PAGE_RECORDS_MAX);
        continue;
      }
      newest = await caller.repeatedly((limited) => shelf.newest(limited), signal);
      break;
    }
    const newestSeq = newest?.seq ?? 0;
    return { newest, aged: aged.filter(({ seq }) => seq < newestSeq) };
  }

  #highestUnneeded(pointer: SnapshotPointer): JournalSeq {
    const { folded } = this.#parts.follower;
    if (folded.seq < pointer.seq) return 0;
    const neededSeq = this.#parts.machine.oldestNeededSeq(folded.state) ?? Number.POSITIVE_INFINITY;
    return Math.min(pointer.seq, neededSeq - 1, folded.seq - 1);
  }

  async #isTrimmed(upTo: JournalSeq, signal: AbortSignal): Promise<boolean> {
    const options = { from: 1, recordsMax: 1, bytesMax: 1, consistency: "strong" } as const;
    const { caller, journal, id } = this.#parts;
    const page = await caller.repeatedly((limited) => journal.read(id, options, limited), signal);
    const first = page.records[0];
    return first !== undefined && first.seq > upTo;
  }

  /**
   * Fails unless everything that `pointer` leads to can be read. A journal with a large state gets many pointers between
   * two snapshots, so what was read lately is not read again.
   */
  async #readObjects(pointer: SnapshotPointer, signal: AbortSignal): Promise<void> {
    const { objects, serviceClock } = this.#parts;
    for (const object of objectsOf(pointer)) {
      const nowMs = serviceClock.nowMs();
      const readAtMs = this.#readAtMs.get(object.key);
      if (readAtMs !== undefined && nowMs - readAtMs < SNAPSHOT_PROOF_MS_MAX) continue;
      await objects.get(object, signal);
      this.#readAtMs.set(object.key, nowMs);
    }
  }

  #forgetReadsExcept(pointers: readonly SnapshotPointer[]): void {
    const keys = new Set(pointers.flatMap(objectsOf).map(({ key }) => key));
    for (const key of this.#readAtMs.keys()) if (!keys.has(key)) this.#readAtMs.delete(key);
  }

  async #trimTo(upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    const { caller, journal, id, shelf } = this.#parts;
    await caller.repeatedly((limited) => journal.trim(id, upTo, limited), signal);
    // Older pointers lead to records that are gone.
    await caller.repeatedly((limited) => shelf.trim(upTo - 1, limited), signal);
  }

  #pointer(record: JournalRecord): SnapshotPointer {
    try {
      return decodePointer(record);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const reason = `its snapshot pointer cannot be read: ${error.message}`;
      throw new CorruptRecordError(this.#parts.id, record.seq, { reason, cause: error });
    }
  }
}

/** A damaged pointer is as good as none: the next snapshot stands above it. */
function readable(record: JournalRecord): SnapshotPointer | undefined {
  try {
    return decodePointer(record);
  } catch {
    return undefined;
  }
}
