import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { FreshFlight, SingleFlight } from "#lib/runtime/single-flight.ts";
import type { JournalId, JournalSeq, TimestampMs } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { LogError } from "#lib/util/errors.ts";
import { APPEND_DOUBT_MS, JOURNAL_PAGE_BYTES_MAX, JOURNAL_PAGE_RECORDS_MAX } from "#lib/util/limits.ts";
import { objectsToRead } from "./command-object.ts";
import type { CommandEnvelope, CommandRecord } from "./command-record.ts";
import { COMMAND_KIND, decodeRecord } from "./command-record.ts";
import type { FoldedCommand } from "./folded-state.ts";
import { FoldedState } from "./folded-state.ts";
import type { Journal, JournalPage } from "./journal.ts";
import { JournalCaller } from "./journal-caller.ts";
import { CorruptRecordError } from "./journal-errors.ts";
import type { JournalObjects } from "./journal-objects.ts";
import { JournalObjectLostError } from "./journal-objects.ts";
import type { ServiceClock } from "./service-clock.ts";
import type { SnapshotShelf } from "./snapshot-shelf.ts";
import type { FoldSteps } from "./state-loader.ts";
import { StateLoader } from "./state-loader.ts";
import type { StateMachine } from "./state-machine.ts";

export interface FollowerParts<State, Command, Outcome> {
  readonly id: JournalId;
  readonly machine: StateMachine<State, Command, Outcome>;
  readonly journal: Journal;
  readonly objects: JournalObjects;
  readonly shelf: SnapshotShelf;
  readonly serviceClock: ServiceClock;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface FollowerEvents<Command, Outcome> {
  /** A record has been folded into the current state. */
  folded(seq: JournalSeq, bytes: Uint8Array, commands: readonly FoldedCommand<Command, Outcome>[]): void;
  /** The state was replaced by a newer one from a snapshot. */
  reloaded(): void;
  /** Nothing is folded any more. */
  stopped(error: Error): void;
}

/** Holds the state and brings it up to the journal: by reads, by records that appends met, by snapshots. */
export class JournalFollower<State, Command, Outcome> {
  readonly #parts: FollowerParts<State, Command, Outcome>;
  readonly #events: FollowerEvents<Command, Outcome>;
  readonly #loader: StateLoader<State, Command, Outcome>;
  readonly #closing = sharedAbortController();
  readonly #caller: JournalCaller;
  readonly #strongReads = new FreshFlight(() => this.#follow("strong"));
  /** A read that was under way may be old already: a process can be frozen in the middle of one. */
  readonly #eventualReads = new FreshFlight(() => this.#follow("eventual"));
  readonly #reloads = new SingleFlight<"reload", void>();
  readonly #ownBodies = new Map<string, Uint8Array>();
  #folded: FoldedState<State, Command, Outcome>;
  #stoppedBy: Error | undefined;
  #isOpen = false;
  /** Whether the state has proved unfit and only a reload helps. */
  #isDropped = true;

  constructor(parts: FollowerParts<State, Command, Outcome>, events: FollowerEvents<Command, Outcome>) {
    this.#parts = parts;
    this.#events = events;
    this.#caller = new JournalCaller(parts, this.#closing.signal);
    this.#loader = new StateLoader(parts.id, parts.machine, parts);
    this.#folded = new FoldedState(parts.id, parts.machine);
  }

  get folded(): FoldedState<State, Command, Outcome> {
    return this.#folded;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get stoppedBy(): Error | undefined {
    return this.#stoppedBy;
  }

  get caller(): JournalCaller {
    return this.#caller;
  }

  /** Aborts when the state closes or stops: for work that outlives its callers. */
  get closeSignal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Stops folding for good. */
  stop(error: Error): void {
    if (this.#stoppedBy !== undefined) return;
    this.#stoppedBy = error;
    this.#closing.abort(error);
    this.#events.stopped(error);
  }

  checkRunning(): void {
    if (this.#stoppedBy !== undefined) throw this.#stoppedBy;
  }

  /** The body of one of our own commands in an object, so that folding it reads nothing back. */
  keepBody(key: string, body: Uint8Array): void {
    this.#ownBodies.set(key, body);
  }

  dropBody(key: string): void {
    this.#ownBodies.delete(key);
  }

  catchUp(): Promise<void> {
    return this.#eventualReads.run();
  }

  /** Folds what a strong read shows that begins after this call. */
  readStrong(): Promise<void> {
    return this.#strongReads.run();
  }

  /** Drops the state for the newest snapshot and what follows it. If that fails, nothing but a reload is done next. */
  reload(): Promise<void> {
    this.#isDropped = true;
    return this.#reloads.run("reload", () => this.#reload());
  }

  /** Waits for a reload under way, and makes up for one that failed. */
  async settle(): Promise<void> {
    if (this.#isDropped) await this.reload();
    this.checkRunning();
  }

  /** Folds `bytes` if they are the next record; records folded before are passed over. */
  async apply(seq: JournalSeq, bytes: Uint8Array): Promise<void> {
    if (this.#isDropped) await this.settle();
    try {
      await this.#applyTo(this.#folded, seq, bytes);
    } catch (error) {
      if (!(error instanceof JournalObjectLostError)) throw error;
      await this.reload();
    }
  }

  /**
   * Whether number `seq`, the next one of the state `base`, may have been freed by a trim before a request signed at
   * `signedAtMs` arrived (J6): more than an hour after the last strong read the newest pointer decides, never the record.
   */
  async isFreed(
    base: FoldedState<State, Command, Outcome>,
    seq: JournalSeq,
    signedAtMs: TimestampMs,
  ): Promise<boolean> {
    if (signedAtMs - base.lastStrongReadSignedAtMs <= APPEND_DOUBT_MS) return false;
    const pointer = await this.#caller.repeatedly((signal) => this.#parts.shelf.newestSeq(signal));
    if (pointer.seq >= seq) return true;
    base.lastStrongReadSignedAtMs = Math.max(base.lastStrongReadSignedAtMs, pointer.signedAtMs);
    return false;
  }

  async #reload(): Promise<void> {
    try {
      const steps: FoldSteps<State, Command, Outcome> = {
        foldRecord: (folded, record) => this.#applyTo(folded, record.seq, record.bytes),
        foldToEnd: (folded) => this.#foldPages(folded, "strong"),
      };
      const fresh = await this.#loader.load(steps, this.#caller);
      this.checkRunning();
      this.#folded = fresh;
      this.#isDropped = false;
    } catch (error) {
      throw this.#stopIfBroken(error);
    }
    if (this.#isOpen) this.#events.reloaded();
    this.#isOpen = true;
  }

  async #follow(consistency: "strong" | "eventual"): Promise<void> {
    await this.settle();
    const folded = this.#folded;
    try {
      if (await this.#foldPages(folded, consistency)) return;
      // Only a strong read proves a hole.
      if (consistency === "eventual" && (await this.#foldPages(folded, "strong"))) return;
    } catch (error) {
      if (!(error instanceof JournalObjectLostError)) throw error;
    }
    if (this.#folded === folded) await this.reload();
  }

  /** False if records from there on are gone. */
  async #foldPages(folded: FoldedState<State, Command, Outcome>, consistency: "strong" | "eventual"): Promise<boolean> {
    for (;;) {
      const from = folded.seq + 1;
      const beganAtMs = this.#parts.clock.monotonicMs();
      const page = await this.#readPage(from, consistency);
      if (hasHole(page, from) || (await this.#isOldView(folded, from, page))) return false;
      folded.lastReadSignedAtMs = Math.max(folded.lastReadSignedAtMs, page.signedAtMs);
      if (consistency === "strong") {
        folded.lastStrongReadSignedAtMs = Math.max(folded.lastStrongReadSignedAtMs, page.signedAtMs);
      }
      for (const record of page.records) await this.#applyTo(folded, record.seq, record.bytes);
      if (page.isTruncated && page.records.length > 0) continue;
      folded.asOfMs = Math.max(folded.asOfMs, beganAtMs);
      return true;
    }
  }

  /** After an hour without reads a sleeper's late record may stand at a freed number, so the pointer decides here too. */
  async #isOldView(
    folded: FoldedState<State, Command, Outcome>,
    from: JournalSeq,
    page: JournalPage,
  ): Promise<boolean> {
    // What was just restored stands at a pointer, above every freed number.
    if (folded.lastReadSignedAtMs === 0) return false;
    if (page.signedAtMs - folded.lastReadSignedAtMs <= APPEND_DOUBT_MS) return false;
    return await this.#hasPointerFrom(from);
  }

  async #readPage(from: JournalSeq, consistency: "strong" | "eventual"): Promise<JournalPage> {
    const options = {
      from,
      recordsMax: JOURNAL_PAGE_RECORDS_MAX,
      bytesMax: JOURNAL_PAGE_BYTES_MAX,
      consistency,
    } as const;
    const page = await this.#caller.repeatedly((signal) => this.#parts.journal.read(this.#parts.id, options, signal));
    this.#parts.serviceClock.note(page);
    return page;
  }

  /** Fails with `JournalObjectLostError` if a command's object is gone because nothing above the newest pointer needs it. */
  async #applyTo(folded: FoldedState<State, Command, Outcome>, seq: JournalSeq, bytes: Uint8Array): Promise<void> {
    if (seq !== folded.seq + 1) return;
    this.checkRunning();
    try {
      const record = decodeRecord(bytes);
      // No wait when no command lies in an object: one turn less on the way to every answer.
      const bodies = record.commands.some(isInObject) ? await this.#loadBodies(record, seq) : NO_BODIES;
      if (this.#stoppedBy !== undefined || seq !== folded.seq + 1) return;
      const commands = folded.fold(record, bodies);
      if (folded === this.#folded) this.#events.folded(seq, bytes, commands);
    } catch (error) {
      // Whoever slept since reading the record finds it trimmed, and its object deleted (J8).
      if (error instanceof JournalObjectLostError && (await this.#hasPointerFrom(seq))) throw error;
      throw this.#stopIfBroken(toFoldError(error, this.#parts.id, seq));
    }
  }

  async #hasPointerFrom(seq: JournalSeq): Promise<boolean> {
    const pointer = await this.#caller.repeatedly((signal) => this.#parts.shelf.newestSeq(signal));
    return pointer.seq >= seq;
  }

  async #loadBodies(record: CommandRecord, seq: JournalSeq): Promise<ReadonlyMap<number, Uint8Array>> {
    const bodies = new Map<number, Uint8Array>();
    for (const [index, ref] of objectsToRead(record, seq)) {
      bodies.set(index, this.#ownBodies.get(ref.key) ?? (await this.#parts.objects.get(ref, this.#closing.signal)));
    }
    return bodies;
  }

  /** A broken state answers nothing any more; what only failed for now may be tried again. */
  #stopIfBroken(error: unknown): unknown {
    const isPassing = error instanceof LogError && (error.kind === "unavailable" || error.kind === "conflict");
    if (isPassing || this.#closing.signal.aborted) return error;
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#parts.logger.error("journal stopped", { journal: this.#parts.id, error: describeError(cause) });
    this.stop(cause);
    return cause;
  }
}

const NO_BODIES: ReadonlyMap<number, Uint8Array> = new Map();

function isInObject(envelope: CommandEnvelope): boolean {
  return envelope.kind === COMMAND_KIND.object;
}

function hasHole(page: JournalPage, from: JournalSeq): boolean {
  return page.records.some((record, index) => record.seq !== from + index);
}

function toFoldError(error: unknown, id: JournalId, seq: JournalSeq): unknown {
  if (error instanceof DecodeError) {
    return new CorruptRecordError(id, seq, { reason: error.message, cause: error });
  }
  if (error instanceof JournalObjectLostError) {
    return new CorruptRecordError(id, seq, { reason: `a command's object is lost: ${error.message}`, cause: error });
  }
  return error;
}
