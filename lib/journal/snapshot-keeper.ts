import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { SNAPSHOT_RECORDS_MIN, TRIM_DELAY_MS } from "#lib/util/limits.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import type { JournalCaller } from "./journal-caller.ts";
import { CorruptRecordError } from "./journal-errors.ts";
import type { JournalFollower } from "./journal-follower.ts";
import type { JournalObjects } from "./journal-objects.ts";
import type { ServiceClock } from "./service-clock.ts";
import type { SnapshotPointer, SnapshotShelf } from "./snapshot-shelf.ts";
import { decodePointer } from "./snapshot-shelf.ts";
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

/** Takes snapshots and trims what they make superfluous. Never needed for safety: a scheduled worker calls it. */
export class SnapshotKeeper<State, Command, Outcome> {
  readonly #parts: KeeperParts<State, Command, Outcome>;

  constructor(parts: KeeperParts<State, Command, Outcome>) {
    this.#parts = parts;
  }

  /**
   * Takes a snapshot of the state as folded, if one is due: 256 records after the last one or as many bytes as it has,
   * whichever is more. Returns whether a pointer to it stands.
   */
  async takeIfDue(signal: AbortSignal): Promise<boolean> {
    const { follower, shelf, caller } = this.#parts;
    const newest = await caller.repeatedly((limited) => shelf.newest(limited), signal);
    const { folded } = follower;
    if (!this.#isDue(folded, newest)) return false;
    const seq = folded.seq;
    const journalBytes = folded.journalBytes;
    const bytes = folded.encodeSnapshot();
    const takenAtMs = this.#parts.serviceClock.nowMs();
    const object = await this.#parts.objects.put(`${this.#parts.id}/snapshots`, [bytes], signal);
    const pointer: SnapshotPointer = { seq, takenAtMs, journalBytes, object };
    const result = await caller.repeatedly((limited) => shelf.put(pointer, limited), signal);
    return result.kind === "appended";
  }

  /**
   * Removes records that no process needs any more (J6): at or below the second newest pointer, or the newest before it
   * that is a day old, when both its snapshot and the journal's newest can be read; but none whose bytes the state still
   * needs, and never the newest record. Returns the number up to which nothing is left, 0 if nothing may go yet.
   */
  async trim(signal: AbortSignal): Promise<JournalSeq> {
    const { follower, shelf, caller, journal, id } = this.#parts;
    // Entries can only cease to be needed, so a state that is not behind the pointer knows all that count.
    await follower.readStrong();
    const records = await caller.repeatedly((limited) => shelf.all(limited), signal);
    const newest = records.at(-1);
    const aged = this.#newestAged(records.slice(0, -1));
    if (newest === undefined || aged === undefined) return 0;
    const upTo = this.#highestUnneeded(aged);
    if (upTo < 1 || (await this.#isTrimmed(upTo, signal))) return Math.max(0, upTo);
    for (const pointer of [aged, this.#pointer(newest)]) await this.#parts.objects.get(pointer.object, signal);
    await caller.repeatedly((limited) => journal.trim(id, upTo, limited), signal);
    // Older pointers lead to records that are gone.
    await caller.repeatedly((limited) => shelf.trim(upTo - 1, limited), signal);
    return upTo;
  }

  #isDue(
    folded: { readonly seq: JournalSeq; readonly journalBytes: number },
    newest: JournalRecord | undefined,
  ): boolean {
    const pointer = newest === undefined ? undefined : readable(newest);
    const recordsSince = folded.seq - (newest?.seq ?? 0);
    if (recordsSince < (this.#parts.snapshotRecordsMin ?? SNAPSHOT_RECORDS_MIN)) return false;
    if (pointer === undefined) return true;
    return folded.journalBytes - pointer.journalBytes >= pointer.object.byteLength;
  }

  /** A busy journal takes several snapshots a day, so its second newest one is never old. */
  #newestAged(records: readonly JournalRecord[]): SnapshotPointer | undefined {
    const nowMs = this.#parts.serviceClock.nowMs();
    for (const record of records.toReversed()) {
      const pointer = this.#pointer(record);
      if (nowMs - pointer.takenAtMs >= TRIM_DELAY_MS) return pointer;
    }
    return undefined;
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
