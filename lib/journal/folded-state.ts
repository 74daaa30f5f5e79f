import { crc32c } from "#lib/record/crc32c.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { SCRATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { decodeCommandObject, isTooLate } from "./command-object.ts";
import type { CommandRecord } from "./command-record.ts";
import { COMMAND_KIND, decodeFeatureLevel } from "./command-record.ts";
import { CorruptRecordError, DivergenceError, FeatureLevelError } from "./journal-errors.ts";
import type { FoldContext, StateMachine } from "./state-machine.ts";

// A snapshot: the folded state at one number.
//
//   0   4  magic "MRS1"
//   4   4  feature level
//   8   8  number of the last record folded
//  16   4  checksum of all that was folded
//  20   8  bytes of all records folded
//  28      the state, as the state machine encodes it
//
// Its pointer names its hash, so it carries no checksum of its own.

const SNAPSHOT_MAGIC = 0x4d525331;

/** The outcome of a command in an object that comes too late, in the checksum. */
const TOO_LATE = 0xffffffff;

export interface FoldedCommand<Command, Outcome> {
  readonly command: Command;
  readonly outcome: Outcome;
  readonly context: FoldContext;
}

/**
 * A state and how far it has been folded. The checksum chains, record by record, each record's own checksum and the
 * encoded outcomes of its commands: two processes that hold the same one have folded the same records to the same end.
 */
export class FoldedState<State, Command, Outcome> {
  readonly #id: JournalId;
  readonly #machine: StateMachine<State, Command, Outcome>;
  #state: State;
  #seq: JournalSeq = 0;
  #checksum = 0;
  #featureLevel = 1;
  #journalBytes = 0;
  #outcomes = new ByteWriter(1024);
  /** When the last read, and the last strong read, was signed that showed no hole behind this state (J6). */
  lastReadSignedAtMs: TimestampMs = 0;
  /** See `ReplicatedStateView.asOfMs`. */
  asOfMs = Number.NEGATIVE_INFINITY;
  lastStrongReadSignedAtMs: TimestampMs = 0;

  constructor(id: JournalId, machine: StateMachine<State, Command, Outcome>) {
    this.#id = id;
    this.#machine = machine;
    this.#state = machine.initial();
  }

  get state(): State {
    return this.#state;
  }

  get seq(): JournalSeq {
    return this.#seq;
  }

  get checksum(): number {
    return this.#checksum;
  }

  get featureLevel(): number {
    return this.#featureLevel;
  }

  /** Bytes of all records since the journal began. */
  get journalBytes(): number {
    return this.#journalBytes;
  }

  /**
   * Folds the next record, and answers what became of its commands; of those that come too late there is nothing to tell.
   * `bodies` holds the bodies of commands that lie in objects, by their index. After an error the state is not to be used
   * any more.
   */
  fold(record: CommandRecord, bodies: ReadonlyMap<number, Uint8Array>): readonly FoldedCommand<Command, Outcome>[] {
    const seq = this.#seq + 1;
    if (record.checksumBefore !== this.#checksum) throw new DivergenceError(this.#id, seq);
    const outcomes = this.#outcomes.clear().uint32(record.checksum);
    const folded: FoldedCommand<Command, Outcome>[] = [];
    for (const [indexInRecord, envelope] of record.commands.entries()) {
      if (envelope.kind === COMMAND_KIND.featureLevel) {
        this.#raiseFeatureLevel(decodeFeatureLevel(envelope.body));
        continue;
      }
      const isInObject = envelope.kind === COMMAND_KIND.object;
      if (isInObject && isTooLate(decodeCommandObject(envelope.body), seq)) {
        outcomes.uint32(TOO_LATE);
        continue;
      }
      const body = isInObject ? bodies.get(indexInRecord) : envelope.body;
      if (body === undefined) throw new DecodeError("a command's object was not loaded");
      const reader = new ByteReader(body);
      const command = this.#machine.decodeCommand(reader);
      reader.end();
      const context = { seq, indexInRecord, proposedAtMs: envelope.proposedAtMs };
      const outcome = this.#machine.fold(this.#state, command, context);
      this.#machine.encodeOutcome(outcome, outcomes);
      folded.push({ command, outcome, context });
    }
    this.#checksum = crc32c(outcomes.view(), this.#checksum);
    if (outcomes.length > SCRATCH_BYTES_MAX) this.#outcomes = new ByteWriter(1024);
    this.#seq = seq;
    this.#journalBytes += record.byteLength;
    return folded;
  }

  encodeSnapshot(): Uint8Array {
    const writer = new ByteWriter(64 * 1024);
    writer.uint32(SNAPSHOT_MAGIC).int32(this.#featureLevel).int64(this.#seq);
    writer.uint32(this.#checksum).int64(this.#journalBytes);
    this.#machine.encodeState(this.#state, writer);
    return writer.view();
  }

  /** Takes on a snapshot. Throws `CorruptRecordError` or `FeatureLevelError`. */
  restore(snapshot: Uint8Array, expectedSeq: JournalSeq): void {
    try {
      const reader = new ByteReader(snapshot);
      if (reader.uint32() !== SNAPSHOT_MAGIC) throw new DecodeError("not a snapshot of version 1");
      this.#raiseFeatureLevel(reader.int32());
      this.#seq = reader.int64();
      if (this.#seq !== expectedSeq) throw new DecodeError(`it is the state at ${this.#seq}`);
      this.#checksum = reader.uint32();
      this.#journalBytes = reader.int64();
      this.#state = this.#machine.decodeState(reader);
      reader.end();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const reason = `its snapshot cannot be read: ${error.message}`;
      throw new CorruptRecordError(this.#id, expectedSeq, { reason, cause: error });
    }
  }

  #raiseFeatureLevel(demanded: number): void {
    const understood = this.#machine.featureLevel;
    if (demanded > understood) throw new FeatureLevelError(this.#id, { demanded, understood });
    this.#featureLevel = Math.max(this.#featureLevel, demanded);
  }
}
