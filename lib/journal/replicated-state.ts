import type { Clock } from "#lib/runtime/clock.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { assert, defined } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { QUEUED_COMMANDS_MAX, SCRATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { encodeCommandObject } from "./command-object.ts";
import {
  COMMAND_KIND,
  encodeEnvelope,
  encodeFeatureLevel,
  envelopeBody,
  RECORD_COMMANDS_BYTES_MAX,
} from "./command-record.ts";
import { Committer } from "./committer.ts";
import type { FoldedCommand } from "./folded-state.ts";
import type { Journal } from "./journal.ts";
import { QueueFullError, StateClosedError, UnknownOutcomeError } from "./journal-errors.ts";
import { JournalFollower } from "./journal-follower.ts";
import type { JournalObjects } from "./journal-objects.ts";
import type { Place } from "./lane-queue.ts";
import { LaneQueue } from "./lane-queue.ts";
import { objectName } from "./object-names.ts";
import { Proposal } from "./proposal.ts";
import type { Committed, FoldListener, LaneSlot, ReplicatedStateView } from "./replicated-state-api.ts";
import { ServiceClock } from "./service-clock.ts";
import { SnapshotKeeper } from "./snapshot-keeper.ts";
import { SnapshotShelf } from "./snapshot-shelf.ts";
import type { StateMachine } from "./state-machine.ts";

export interface ReplicatedStateOptions<State, Command, Outcome> {
  readonly id: JournalId;
  readonly machine: StateMachine<State, Command, Outcome>;
  readonly journal: Journal;
  readonly objects: JournalObjects;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Records after which a snapshot may be due; the default suits a journal service that is paid by the request. */
  readonly snapshotRecordsMin?: number;
  /** Commands that may wait at once. */
  readonly queuedCommandsMax?: number;
}

const COMMAND_ID_BYTES = 16;

/** One journal as a state (docs/ARCHITECTURE.md section 2, J1 to J8). */
export class ReplicatedState<State, Command, Outcome>
  implements ReplicatedStateView<State, Command, Outcome>, Disposable
{
  readonly id: JournalId;
  readonly #options: ReplicatedStateOptions<State, Command, Outcome>;
  readonly #serviceClock: ServiceClock;
  readonly #lanes = new LaneQueue<Proposal<Outcome>>();
  readonly #follower: JournalFollower<State, Command, Outcome>;
  readonly #committer: Committer<State, Command, Outcome>;
  readonly #keeper: SnapshotKeeper<State, Command, Outcome>;
  readonly #foldListeners = new Set<FoldListener<Command, Outcome>>();
  readonly #reloadListeners = new Set<() => void>();
  #scratch = new ByteWriter(1024);
  #queuedCount = 0;

  constructor(options: ReplicatedStateOptions<State, Command, Outcome>) {
    this.id = options.id;
    this.#options = options;
    this.#serviceClock = new ServiceClock(options.clock);
    const shelf = new SnapshotShelf(options.journal, options.id, this.#serviceClock);
    const parts = { ...options, shelf, serviceClock: this.#serviceClock };
    this.#follower = new JournalFollower(parts, {
      folded: (seq, bytes, commands) => this.#noteFolded(seq, bytes, commands),
      reloaded: () => this.#noteReloaded(),
      stopped: (error) => this.#rejectQueued(error),
    });
    this.#keeper = new SnapshotKeeper({ ...parts, follower: this.#follower, caller: this.#follower.caller });
    this.#committer = new Committer({ ...parts, follower: this.#follower, lanes: this.#lanes });
  }

  get state(): State {
    return this.#follower.folded.state;
  }

  get seq(): JournalSeq {
    return this.#follower.folded.seq;
  }

  get asOfMs(): number {
    return this.#follower.folded.asOfMs;
  }

  /** The level that every process at this journal must understand. */
  get featureLevel(): number {
    return this.#follower.folded.featureLevel;
  }

  /** Two processes with the same number and checksum have folded the same records to the same outcomes. */
  get checksum(): number {
    return this.#follower.folded.checksum;
  }

  nowMs(): TimestampMs {
    return this.#serviceClock.nowMs();
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#follower.checkRunning();
    if (!this.#follower.isOpen) await abortable(this.#follower.reload(), signal);
  }

  reserve(lane: string): LaneSlot<Command, Outcome> {
    assert(this.#follower.isOpen, "a state is opened before its first command");
    const place = this.#lanes.reserve(lane);
    return {
      propose: (command, signal) => this.#propose(place, command, signal),
      release: () => this.#release(place),
    };
  }

  propose(
    command: Command,
    options: { readonly lane: string; readonly signal: AbortSignal },
  ): Promise<Committed<Outcome>> {
    return this.reserve(options.lane).propose(command, options.signal);
  }

  async catchUp(signal: AbortSignal): Promise<void> {
    this.#follower.checkRunning();
    await abortable(this.#follower.catchUp(), signal);
  }

  async readBarrier(signal: AbortSignal): Promise<void> {
    this.#follower.checkRunning();
    await abortable(this.#follower.readStrong(), signal);
  }

  onFold(listener: FoldListener<Command, Outcome>): () => void {
    this.#foldListeners.add(listener);
    return () => this.#foldListeners.delete(listener);
  }

  onReload(listener: () => void): () => void {
    this.#reloadListeners.add(listener);
    return () => this.#reloadListeners.delete(listener);
  }

  /** Takes a snapshot, or archives records, if either is due (J5); resolves to whether it did. Off the request path. */
  async takeSnapshot(signal: AbortSignal): Promise<boolean> {
    await this.#follower.settle();
    return this.#keeper.takeIfDue(signal);
  }

  /** Removes records that snapshots have made superfluous for a day (J6); resolves to the last number removed, or 0. */
  async trim(signal: AbortSignal): Promise<JournalSeq> {
    await this.#follower.settle();
    return this.#keeper.trim(signal);
  }

  /**
   * Lets commands, outcomes or snapshots of `level` into the journal: processes that do not understand it stop when
   * they meet the record. A journal without such a record is at level 1. Propose nothing new before it resolves.
   */
  async raiseFeatureLevel(level: number, signal: AbortSignal): Promise<void> {
    assert(level <= this.#options.machine.featureLevel, "a process raises the level to its own at most");
    this.#follower.checkRunning();
    signal.throwIfAborted();
    if (this.featureLevel >= level) return;
    const encodeBody = (writer: ByteWriter) => encodeFeatureLevel(level, writer);
    const encoded = encodeEnvelope(this.#newEnvelope(COMMAND_KIND.featureLevel), encodeBody, this.#scratch);
    await this.#enqueue(this.#lanes.reserve("feature-level"), new Proposal(encoded, undefined), signal);
  }

  /** Drops what is queued and stops. What is in flight may still take effect. */
  close(): void {
    this.#follower.stop(new StateClosedError(this.id));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #propose(place: Place<Proposal<Outcome>>, command: Command, signal: AbortSignal): Promise<Committed<Outcome>> {
    try {
      signal.throwIfAborted();
      this.#follower.checkRunning();
      const { queuedCommandsMax = QUEUED_COMMANDS_MAX } = this.#options;
      // As many connections as there may be, each with as many requests under way, can bring more than fit in memory.
      if (this.#queuedCount >= queuedCommandsMax) throw new QueueFullError(this.id, queuedCommandsMax);
      const encoded = this.#encode(command);
      const proposal =
        encoded.byteLength <= RECORD_COMMANDS_BYTES_MAX
          ? new Proposal<Outcome>(encoded, undefined)
          : await this.#proposeByObject(envelopeBody(encoded), signal);
      // Both may have changed during the upload of a large command.
      signal.throwIfAborted();
      this.#follower.checkRunning();
      return defined(await this.#enqueue(place, proposal, signal), "the command's outcome");
    } catch (error) {
      this.#release(place);
      throw error;
    }
  }

  async #enqueue(
    place: Place<Proposal<Outcome>>,
    proposal: Proposal<Outcome>,
    signal: AbortSignal,
  ): Promise<Committed<Outcome> | undefined> {
    const onAbort = () => this.#abandon(place, proposal, signal.reason);
    const { object } = proposal;
    signal.addEventListener("abort", onAbort, { once: true });
    if (object !== undefined) this.#follower.keepBody(object.key, object.body);
    this.#queuedCount++;
    try {
      this.#lanes.fill(place, proposal);
      this.#committer.wake();
      return await proposal.result;
    } finally {
      this.#queuedCount--;
      signal.removeEventListener("abort", onAbort);
      if (object !== undefined) this.#follower.dropBody(object.key);
    }
  }

  #abandon(place: Place<Proposal<Outcome>>, proposal: Proposal<Outcome>, reason: unknown): void {
    if (proposal.isSettled) return;
    if (proposal.isInFlight) {
      const failure = this.#committer.failureInFlight;
      const options = { reason: "its caller gave up while it was in flight", cause: failure ?? reason };
      proposal.reject(new UnknownOutcomeError(this.id, this.seq + 1, options));
      return;
    }
    this.#lanes.remove(place);
    proposal.reject(reason);
  }

  #release(place: Place<Proposal<Outcome>>): void {
    if (place.isRemoved) return;
    this.#lanes.remove(place);
    // What stood behind it may be ready.
    this.#committer.wake();
  }

  #encode(command: Command): Uint8Array {
    const encoded = encodeEnvelope(
      this.#newEnvelope(COMMAND_KIND.machine),
      (writer) => this.#options.machine.encodeCommand(command, writer),
      this.#scratch,
    );
    if (this.#scratch.length > SCRATCH_BYTES_MAX) this.#scratch = new ByteWriter(1024);
    return encoded;
  }

  async #proposeByObject(body: Uint8Array, signal: AbortSignal): Promise<Proposal<Outcome>> {
    const foldedSeq = this.seq;
    const object = await this.#options.objects.put(objectName(this.id, "commands", foldedSeq), [body], signal);
    const encoded = encodeEnvelope(
      this.#newEnvelope(COMMAND_KIND.object),
      (writer) => encodeCommandObject({ foldedSeq, object }, writer),
      this.#scratch,
    );
    return new Proposal(encoded, { key: object.key, foldedSeq, body });
  }

  #newEnvelope(kind: (typeof COMMAND_KIND)[keyof typeof COMMAND_KIND]) {
    return { id: this.#options.random.bytes(COMMAND_ID_BYTES), proposedAtMs: this.nowMs(), kind };
  }

  #noteFolded(seq: JournalSeq, bytes: Uint8Array, commands: readonly FoldedCommand<Command, Outcome>[]): void {
    this.#committer.noteFolded(seq, bytes, commands);
    for (const { command, outcome, context } of commands) {
      for (const listener of this.#foldListeners) {
        this.#guard(() => listener(command, outcome, context));
      }
    }
  }

  #noteReloaded(): void {
    for (const listener of this.#reloadListeners) this.#guard(listener);
  }

  /** A listener's fault is its own: the fold has happened. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.logger.error("fold listener failed", { journal: this.id, error: describeError(error) });
    }
  }

  #rejectQueued(error: Error): void {
    for (const proposal of this.#lanes.clear()) proposal.reject(error);
  }
}
