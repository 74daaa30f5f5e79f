import type { JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";

/** What a fold may know beside the state and the command. */
export interface FoldContext {
  /** The number of the journal record that carries the command. */
  readonly seq: JournalSeq;
  /** Which command of that record it is, from 0. */
  readonly indexInRecord: number;
  /** When the command was proposed, by the journal service's clock as the proposer knew it. */
  readonly proposedAtMs: TimestampMs;
}

/**
 * What a kind of journal means: a pure, deterministic fold and the codecs around it.
 * No clock, no randomness, no I/O, and no order of iteration that depends on anything but the records (J4).
 */
export interface StateMachine<State, Command, Outcome> {
  /** The highest feature level this code understands; a process stops at a journal that demands more. */
  readonly featureLevel: number;
  initial(): State;
  /**
   * Applies one command and says what became of it. Changes `state` in place: it belongs to the fold alone, and a copy
   * per command would cost more than the command.
   */
  fold(state: State, command: Command, context: FoldContext): Outcome;
  encodeCommand(command: Command, writer: ByteWriter): void;
  /** Views into the record may be kept; the record's bytes never change. Throws `DecodeError`. */
  decodeCommand(reader: ByteReader): Command;
  /** Every outcome enters the checksum that the next record's header carries. */
  encodeOutcome(outcome: Outcome, writer: ByteWriter): void;
  /** `decodeState(encodeState(s))` folds on exactly as `s` does and encodes to the same bytes. */
  encodeState(state: State, writer: ByteWriter): void;
  decodeState(reader: ByteReader): State;
  /** The lowest record whose own bytes the state still needs (inlined batches); undefined if none. */
  oldestNeededSeq(state: State): JournalSeq | undefined;
}
