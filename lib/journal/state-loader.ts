import type { JournalId } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { FoldedState } from "./folded-state.ts";
import type { JournalRecord } from "./journal.ts";
import type { JournalCaller } from "./journal-caller.ts";
import { CorruptRecordError, StateUnreachableError } from "./journal-errors.ts";
import type { JournalObjects } from "./journal-objects.ts";
import { JournalObjectLostError } from "./journal-objects.ts";
import type { SnapshotShelf } from "./snapshot-shelf.ts";
import { decodePointer } from "./snapshot-shelf.ts";
import type { StateMachine } from "./state-machine.ts";

/** Folds all records behind the state's number; false if the first of them are gone. */
export type FoldToEnd<State, Command, Outcome> = (folded: FoldedState<State, Command, Outcome>) => Promise<boolean>;

/** A trim between the read of a pointer and that of the records makes the next pointer necessary, but not for ever. */
const ATTEMPTS_MAX = 3;

/** Makes a state out of nothing: newest pointer, its object, the journal's pages behind it (J5). */
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
    foldToEnd: FoldToEnd<State, Command, Outcome>,
    caller: JournalCaller,
  ): Promise<FoldedState<State, Command, Outcome>> {
    let reasons: readonly string[] = [];
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const newest = await caller.repeatedly((signal) => this.#shelf.newest(signal));
      const pointers = newest === undefined ? [] : [newest];
      const first = await this.#loadFrom(pointers, foldToEnd, caller);
      if (first.folded !== undefined) return first.folded;
      const older =
        newest === undefined
          ? []
          : (await caller.repeatedly((signal) => this.#shelf.all(signal))).toReversed().slice(1);
      const second = await this.#loadFrom(older, foldToEnd, caller);
      if (second.folded !== undefined) return second.folded;
      // A journal that was never trimmed needs no snapshot.
      const whole = new FoldedState(this.#id, this.#machine);
      if (await foldToEnd(whole)) return whole;
      reasons = [...first.reasons, ...second.reasons, "the journal's first records are trimmed"];
    }
    throw new StateUnreachableError(this.#id, reasons);
  }

  /** The first of `pointers` that leads to the journal's end. */
  async #loadFrom(
    pointers: readonly JournalRecord[],
    foldToEnd: FoldToEnd<State, Command, Outcome>,
    caller: JournalCaller,
  ) {
    const reasons: string[] = [];
    for (const record of pointers) {
      const folded = new FoldedState(this.#id, this.#machine);
      try {
        const pointer = decodePointer(record);
        folded.restore(await this.#objects.get(pointer.object, caller.closeSignal), pointer.seq);
      } catch (error) {
        if (!isDamage(error)) throw error;
        reasons.push(`snapshot ${record.seq}: ${error.message}`);
        continue;
      }
      if (await foldToEnd(folded)) return { folded, reasons };
      reasons.push(`snapshot ${record.seq}: records after it are trimmed`);
    }
    return { folded: undefined, reasons };
  }
}

function isDamage(error: unknown): error is Error {
  return error instanceof JournalObjectLostError || error instanceof CorruptRecordError || error instanceof DecodeError;
}
