import { defined } from "#lib/util/assert.ts";
import type { JournalId } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { ARCHIVE_CHUNKS_AHEAD } from "#lib/util/limits.ts";
import { decodeChunk } from "./archive-chunk.ts";
import { FoldedState } from "./folded-state.ts";
import type { JournalRecord } from "./journal.ts";
import type { JournalCaller } from "./journal-caller.ts";
import { CorruptRecordError, StateUnreachableError } from "./journal-errors.ts";
import type { JournalObjects } from "./journal-objects.ts";
import { JournalObjectLostError } from "./journal-objects.ts";
import type { ArchiveChunk, SnapshotPointer, SnapshotShelf } from "./snapshot-shelf.ts";
import { decodePointer } from "./snapshot-shelf.ts";
import type { StateMachine } from "./state-machine.ts";

/**
 * How records come into a state that is being loaded. Both fail with `JournalObjectLostError` if a command's object is
 * gone and a newer pointer stands in for it; any other damage stops the process.
 */
export interface FoldSteps<State, Command, Outcome> {
  /** Folds the next record, as an archive holds it. */
  foldRecord(folded: FoldedState<State, Command, Outcome>, record: JournalRecord): Promise<void>;
  /** Folds all records behind the state's number; false if the first of them are gone. */
  foldToEnd(folded: FoldedState<State, Command, Outcome>): Promise<boolean>;
}

interface Course<State, Command, Outcome> {
  readonly steps: FoldSteps<State, Command, Outcome>;
  readonly caller: JournalCaller;
  /** Why what was tried so far did not lead to the journal's end. */
  readonly reasons: string[];
}

/** A trim between the read of a pointer and that of the records makes the next pointer necessary, but not for ever. */
const ATTEMPTS_MAX = 3;

/** Makes a state out of nothing: newest pointer, its objects, the journal's pages behind it (J5). */
export class StateLoader<State, Command, Outcome> {
  readonly #id: JournalId;
  readonly #machine: StateMachine<State, Command, Outcome>;
  readonly #objects: JournalObjects;
  readonly #shelf: SnapshotShelf;

  constructor(
    id: JournalId,
    machine: StateMachine<State, Command, Outcome>,
    from: { readonly objects: JournalObjects; readonly shelf: SnapshotShelf },
  ) {
    this.#id = id;
    this.#machine = machine;
    this.#objects = from.objects;
    this.#shelf = from.shelf;
  }

  /** Fails with `StateUnreachableError` if neither a snapshot nor the whole journal is there. */
  async load(
    steps: FoldSteps<State, Command, Outcome>,
    caller: JournalCaller,
  ): Promise<FoldedState<State, Command, Outcome>> {
    let reasons: readonly string[] = [];
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const course: Course<State, Command, Outcome> = { steps, caller, reasons: [] };
      const newest = await caller.repeatedly((signal) => this.#shelf.newest(signal));
      const loaded = (newest && (await this.#loadFrom(newest, course))) ?? (await this.#loadOtherwise(newest, course));
      if (loaded !== undefined) return loaded;
      reasons = course.reasons;
    }
    throw new StateUnreachableError(this.#id, reasons);
  }

  /** By way of an older pointer, or from the first record: a journal that was never trimmed needs no snapshot. */
  async #loadOtherwise(newest: JournalRecord | undefined, course: Course<State, Command, Outcome>) {
    const { caller } = course;
    const all = newest === undefined ? [] : await caller.repeatedly((signal) => this.#shelf.all(signal));
    for (const record of all.toReversed()) {
      const loaded = record.seq === newest?.seq ? undefined : await this.#loadFrom(record, course);
      if (loaded !== undefined) return loaded;
    }
    return this.#loadFrom(undefined, course);
  }

  /** The state at the journal's end from one pointer on; undefined, with the reason noted, if that does not lead there. */
  async #loadFrom(record: JournalRecord | undefined, course: Course<State, Command, Outcome>) {
    const what = record === undefined ? "the whole journal" : `snapshot ${record.seq}`;
    try {
      const folded = new FoldedState(this.#id, this.#machine);
      if (record !== undefined) await this.#restore(folded, decodePointer(record), course);
      if (await course.steps.foldToEnd(folded)) return folded;
      course.reasons.push(`${what}: its next records are trimmed`);
    } catch (error) {
      // What has stopped the process is no matter of one pointer.
      if (!isDamage(error) || course.caller.closeSignal.aborted) throw error;
      course.reasons.push(`${what}: ${error.message}`);
    }
    return undefined;
  }

  async #restore(
    folded: FoldedState<State, Command, Outcome>,
    pointer: SnapshotPointer,
    { steps, caller }: Course<State, Command, Outcome>,
  ): Promise<void> {
    const nextBytes = this.#readAhead(pointer.chunks, caller.closeSignal);
    folded.restore(await this.#objects.get(pointer.object, caller.closeSignal), pointer.snapshotSeq);
    for (const { lastSeq } of pointer.chunks) {
      for (const record of decodeChunk(await nextBytes(), folded.seq, lastSeq)) await steps.foldRecord(folded, record);
    }
  }

  /** Begins to read the first chunks. Each call answers the bytes of the next one, and begins to read one more. */
  #readAhead(chunks: readonly ArchiveChunk[], signal: AbortSignal): () => Promise<Uint8Array> {
    const ahead: Promise<Uint8Array>[] = [];
    let begunCount = 0;
    const begin = (): void => {
      const chunk = chunks[begunCount++];
      if (chunk === undefined) return;
      const reading = this.#objects.get(chunk.object, signal);
      // Nobody may come to wait for it.
      reading.catch(() => undefined);
      ahead.push(reading);
    };
    for (let left = ARCHIVE_CHUNKS_AHEAD; left > 0; left--) begin();
    return () => {
      begin();
      return defined(ahead.shift(), "a chunk that is being read");
    };
  }
}

function isDamage(error: unknown): error is Error {
  return error instanceof JournalObjectLostError || error instanceof CorruptRecordError || error instanceof DecodeError;
}
