import { objectsToRead } from "#lib/journal/command-object.ts";
import { COMMAND_KIND, type CommandRecord, decodeRecord } from "#lib/journal/command-record.ts";
import { FoldedState } from "#lib/journal/folded-state.ts";
import { hashOf } from "#lib/journal/journal-objects.ts";
import type { SnapshotPointer } from "#lib/journal/snapshot-shelf.ts";
import type { StateMachine } from "#lib/journal/state-machine.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { RESTORE_JOURNAL } from "./finding.ts";
import {
  isStillThere,
  journalRecords,
  readBodies,
  readSnapshots,
  restore,
  type SnapshotContext,
} from "./snapshot-checks.ts";

/** One record as the walk has found it. */
export interface WalkedRecord<Command> {
  readonly seq: JournalSeq;
  /** Of its first command. */
  readonly proposedAtMs: TimestampMs;
  readonly commands: readonly Command[];
}

/**
 * Reads one journal from its first record to its last and folds it with the real state machine: from the start, or from
 * a snapshot where the start is trimmed or a record is damaged. Each break of an invariant is a finding, and the walk
 * goes on behind it.
 */
export class JournalWalk<S, C, O> {
  readonly id: JournalId;
  readonly #machine: StateMachine<S, C, O>;
  readonly #context: SnapshotContext;
  #snapshots: readonly SnapshotPointer[] = [];
  #snapshotsAwayAt: readonly JournalSeq[] = [];
  #folded: FoldedState<S, C, O> | undefined;
  #firstSeq: JournalSeq | undefined;
  #lastSeq: JournalSeq = 0;

  constructor(id: JournalId, machine: StateMachine<S, C, O>, context: SnapshotContext) {
    this.id = id;
    this.#machine = machine;
    this.#context = context;
  }

  /** The state at the last record; undefined if damage lies between it and the last good snapshot. */
  get state(): S | undefined {
    return this.#folded?.state;
  }

  /** The records in order. When it has ended, `state` is the journal's last. */
  async *records(): AsyncGenerator<WalkedRecord<C>> {
    this.#context.findings.tally.journals++;
    const { good, awayAt } = await readSnapshots(this.id, this.#machine, this.#context);
    this.#snapshots = good;
    this.#snapshotsAwayAt = awayAt;
    let isBroken = false;
    const onBroken = () => {
      isBroken = true;
    };
    for await (const { seq, bytes } of journalRecords(this.id, this.#context, onBroken)) {
      this.#checkPlace(seq);
      this.#lastSeq = seq;
      const record = this.#attempt(seq, () => decodeRecord(bytes));
      if (record === undefined) {
        this.#folded = undefined;
        continue;
      }
      yield { seq, proposedAtMs: record.commands[0]?.proposedAtMs ?? 0, commands: await this.#fold(seq, record) };
    }
    if (isBroken) this.#folded = undefined;
    else await this.#checkEnd();
  }

  #checkPlace(seq: JournalSeq): void {
    if (this.#firstSeq === undefined) {
      this.#firstSeq = seq;
      if (seq === 1) this.#folded = new FoldedState(this.id, this.#machine);
      else if (!this.#hasSnapshotFrom(seq - 1)) {
        this.#find("journal-start", seq, `records before ${seq} are gone, and no snapshot stands in for them`);
      }
    } else if (seq !== this.#lastSeq + 1) {
      this.#folded = undefined;
      this.#find("journal-hole", seq, `records ${this.#lastSeq + 1} to ${seq - 1} are missing`);
    }
  }

  #hasSnapshotFrom(seq: JournalSeq): boolean {
    return this.#snapshots.some((pointer) => pointer.seq >= seq) || this.#snapshotsAwayAt.some((at) => at >= seq);
  }

  async #fold(seq: JournalSeq, record: CommandRecord): Promise<readonly C[]> {
    const before = this.#snapshots.find((pointer) => pointer.seq === seq - 1);
    if (this.#folded === undefined && before !== undefined) {
      this.#folded = await this.#restore(before);
    }
    const bodies = await this.#bodies(seq, record);
    const folded = this.#folded;
    if (folded !== undefined) {
      const commands = this.#attempt(seq, () => folded.fold(record, bodies));
      if (commands !== undefined) {
        this.#checkSnapshotAt(seq, folded);
        return commands.map((each) => each.command);
      }
      this.#folded = undefined;
      return [];
    }
    return this.#attempt(seq, () => this.#decode(record, bodies)) ?? [];
  }

  /** The bodies of commands that lie in objects, by their index. */
  async #bodies(seq: JournalSeq, record: CommandRecord): Promise<ReadonlyMap<number, Uint8Array>> {
    const objects = this.#attempt(seq, () => objectsToRead(record, seq)) ?? new Map();
    const isStillNamed = () => isStillThere(this.id, seq, this.#context);
    return await readBodies(objects, { where: `journal ${this.id} record ${seq}`, isStillNamed }, this.#context);
  }

  #decode(record: CommandRecord, bodies: ReadonlyMap<number, Uint8Array>): readonly C[] {
    const commands: C[] = [];
    for (const [index, envelope] of record.commands.entries()) {
      if (envelope.kind === COMMAND_KIND.featureLevel) continue;
      const body = envelope.kind === COMMAND_KIND.object ? bodies.get(index) : envelope.body;
      if (body === undefined) continue;
      const reader = new ByteReader(body);
      commands.push(this.#machine.decodeCommand(reader));
      reader.end();
    }
    return commands;
  }

  /** Whoever took the snapshot had folded the same records, so it has the same bytes. */
  #checkSnapshotAt(seq: JournalSeq, folded: FoldedState<S, C, O>): void {
    const pointer = this.#snapshots.find((each) => each.snapshotSeq === seq);
    if (pointer === undefined) return;
    if (Buffer.compare(hashOf([folded.encodeSnapshot()]), pointer.object.hash) === 0) return;
    this.#find("snapshot-differs", seq, "the snapshot at this number is not what its records fold to");
  }

  /** What is wrong with a snapshot has been said when the walk began. */
  #restore(pointer: SnapshotPointer): Promise<FoldedState<S, C, O> | undefined> {
    return restore(this.id, this.#machine, pointer, { ...this.#context, findings: this.#context.findings.muted() });
  }

  async #checkEnd(): Promise<void> {
    const newest = this.#snapshots.at(-1);
    if (newest !== undefined && newest.seq > this.#lastSeq) {
      this.#find(
        "journal-end",
        newest.seq,
        `its snapshot stands at a record that is not there; the last is ${this.#lastSeq}`,
      );
    } else if (newest !== undefined && newest.seq === this.#lastSeq && this.#folded === undefined) {
      this.#folded = await this.#restore(newest);
    }
    const folded = this.#folded;
    if (folded === undefined) return;
    const needed = this.#machine.oldestNeededSeq(folded.state);
    if (needed !== undefined && needed < (this.#firstSeq ?? 1)) {
      this.#find("journal-trimmed", needed, "it is trimmed, and batches inlined in it are still needed");
    }
    this.#checkRoundTrip(folded);
  }

  /** `decode(encode(state))` encodes to the same bytes (J4). */
  #checkRoundTrip(folded: FoldedState<S, C, O>): void {
    const bytes = Uint8Array.from(folded.encodeSnapshot());
    const again = new FoldedState(this.id, this.#machine);
    const encoded = this.#attempt(folded.seq, () => {
      again.restore(bytes, folded.seq);
      return again.encodeSnapshot();
    });
    if (encoded === undefined || Buffer.compare(encoded, bytes) === 0) return;
    this.#find("snapshot-codec", folded.seq, "the state, encoded and decoded, encodes to other bytes");
  }

  /** Damaged bytes may trip anything, assertions included: whatever is thrown is a finding about that record. */
  #attempt<T>(seq: JournalSeq, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const kind = error instanceof Error && error.name === "DivergenceError" ? "journal-outcomes" : "journal-record";
      this.#find(kind, seq, describeError(error));
      return undefined;
    }
  }

  #find(kind: string, seq: JournalSeq, what: string): void {
    this.#context.findings.add({ kind, where: `journal ${this.id} record ${seq}`, what, remedy: RESTORE_JOURNAL });
  }
}
