import { backOffMs } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_BACK_OFF_MS_MAX, JOURNAL_BACK_OFF_MS_MIN, PROPOSE_MS_MAX } from "#lib/util/limits.ts";
import { isTooLate } from "./command-object.ts";
import { encodeRecord, RECORD_COMMANDS_BYTES_MAX } from "./command-record.ts";
import type { FoldedCommand, FoldedState } from "./folded-state.ts";
import type { AppendResult, Journal } from "./journal.ts";
import { JournalUnavailableError } from "./journal.ts";
import { CommandTooLateError, UnknownOutcomeError } from "./journal-errors.ts";
import type { JournalFollower } from "./journal-follower.ts";
import type { LaneQueue, Place } from "./lane-queue.ts";
import type { Proposal } from "./proposal.ts";
import type { ServiceClock } from "./service-clock.ts";

/** The one record of ours that is under way (J7). */
interface Flight<State, Command, Outcome> {
  /** The state that the number follows. */
  readonly base: FoldedState<State, Command, Outcome>;
  readonly seq: JournalSeq;
  readonly bytes: Uint8Array;
  readonly places: readonly Place<Proposal<Outcome>>[];
  /** `won` and `lost` are known from a fold of the record at our number, whoever read it. */
  fate: "open" | "won" | "lost" | "unknown";
  /** Whether some try may have taken effect, or may yet. */
  isAmbiguous: boolean;
  /** Of its last try, for those who give it up. */
  failure: unknown;
}

export interface CommitterParts<State, Command, Outcome> {
  readonly id: JournalId;
  readonly journal: Journal;
  readonly follower: JournalFollower<State, Command, Outcome>;
  readonly lanes: LaneQueue<Proposal<Outcome>>;
  readonly serviceClock: ServiceClock;
  readonly clock: Clock;
  readonly random: Random;
}

const BACK_OFF = { minMs: JOURNAL_BACK_OFF_MS_MIN, maxMs: JOURNAL_BACK_OFF_MS_MAX };
/** After so many lost races in a row the journal is read on, instead of meeting every missed record by a conflict. */
const CONFLICTS_BEFORE_READ = 2;

/** Brings what waits in the lanes into the journal, one record at a time. */
export class Committer<State, Command, Outcome> {
  readonly #parts: CommitterParts<State, Command, Outcome>;
  #flight: Flight<State, Command, Outcome> | undefined;
  #isRunning = false;
  #lostInRow = 0;

  constructor(parts: CommitterParts<State, Command, Outcome>) {
    this.#parts = parts;
  }

  /** Says that something in the lanes has become ready. */
  wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Called with every record folded, before anyone else can act: settles our own, notices lost races. */
  noteFolded(seq: JournalSeq, bytes: Uint8Array, commands: readonly FoldedCommand<Command, Outcome>[]): void {
    const flight = this.#flight;
    if (flight === undefined || flight.seq !== seq || flight.fate !== "open") return;
    if (flight.bytes !== bytes && Buffer.compare(flight.bytes, bytes) !== 0) {
      flight.fate = "lost";
      return;
    }
    flight.fate = "won";
    for (const { outcome, context } of commands) {
      flight.places[context.indexInRecord]?.item?.resolve({ outcome, seq, indexInRecord: context.indexInRecord });
    }
    for (const { item } of flight.places) {
      if (item === undefined || item.isSettled) continue;
      if (item.object !== undefined && isTooLate(item.object, seq)) {
        item.reject(new CommandTooLateError(this.#parts.id, seq));
      }
      // Commands of the machinery itself have no outcome.
      else item.resolve(undefined);
    }
  }

  async #run(): Promise<void> {
    const { follower, lanes } = this.#parts;
    try {
      // Commands proposed in the same turn travel together.
      await undefined;
      while (follower.stoppedBy === undefined) {
        const places = lanes.take(recordFiller());
        if (places.length === 0) break;
        await this.#commit(places);
      }
    } catch (error) {
      follower.stop(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#isRunning = false;
    }
  }

  /** Why the append in flight has not succeeded yet; undefined if it was not refused so far. */
  get failureInFlight(): unknown {
    return this.#flight?.failure;
  }

  async #commit(taken: readonly Place<Proposal<Outcome>>[]): Promise<void> {
    const { follower, lanes, clock } = this.#parts;
    try {
      await follower.settle();
      if (this.#lostInRow >= CONFLICTS_BEFORE_READ) await follower.catchUp();
    } catch (error) {
      rejectUnsettled(taken, error);
      await clock.endOfTurn();
      return;
    }
    // Who gave up during the wait was told that nothing will happen.
    const places = taken.filter(({ item }) => item?.isSettled === false);
    if (places.length === 0) return;
    const envelopes: Uint8Array[] = [];
    for (const { item } of places) {
      if (item === undefined) continue;
      item.isInFlight = true;
      envelopes.push(item.encoded);
    }
    const base = follower.folded;
    const bytes = encodeRecord(base.checksum, envelopes);
    const flight: Flight<State, Command, Outcome> = {
      base,
      seq: base.seq + 1,
      bytes,
      places,
      fate: "open",
      isAmbiguous: false,
      failure: undefined,
    };
    this.#flight = flight;
    const failure = await this.#fly(flight);
    this.#flight = undefined;
    this.#lostInRow = flight.fate === "lost" ? this.#lostInRow + 1 : 0;
    if (flight.fate === "lost" && follower.stoppedBy === undefined)
      lanes.putBack(places.filter((place) => takeBack(place)));
    else if (flight.fate !== "won") {
      this.#rejectAll(flight, failure);
      // Time for their callers to withdraw what stands behind them and must not overtake them.
      await clock.endOfTurn();
    }
  }

  /** Sends the identical call until the fate of our number is known; returns the last failure (J3). */
  async #fly(flight: Flight<State, Command, Outcome>): Promise<unknown> {
    const { clock, random, follower } = this.#parts;
    const giveUpAtMs = clock.monotonicMs() + PROPOSE_MS_MAX;
    for (let attempt = 1; ; attempt++) {
      let failure: unknown;
      try {
        await this.#attempt(flight);
      } catch (error) {
        failure = error;
        flight.failure = error;
      }
      if (flight.fate !== "open" || follower.stoppedBy !== undefined) return failure;
      const isWanted = flight.places.some((place) => place.item?.isSettled === false);
      if (!isWanted || clock.monotonicMs() >= giveUpAtMs || !isRepeatable(failure)) return failure;
      if (attempt === 1 && !isThrottle(failure)) continue;
      await clock.sleep(backOffMs(attempt, BACK_OFF, random), follower.closeSignal).catch(() => undefined);
    }
  }

  async #attempt(flight: Flight<State, Command, Outcome>): Promise<void> {
    const { follower, serviceClock, clock } = this.#parts;
    const beganAtMs = clock.monotonicMs();
    const result = await this.#append(flight);
    serviceClock.note(result);
    flight.isAmbiguous ||= result.kind === "appended" || isOurs(flight, result);
    if (await follower.isFreed(flight.base, flight.seq, result.signedAtMs)) {
      flight.fate = "unknown";
      await follower.reload();
      return;
    }
    await this.#take(flight, result);
    if (result.kind === "appended" && flight.fate === "won") {
      flight.base.asOfMs = Math.max(flight.base.asOfMs, beganAtMs);
    }
  }

  async #append(flight: Flight<State, Command, Outcome>): Promise<AppendResult> {
    const { id, journal, follower } = this.#parts;
    try {
      return await follower.caller.once((signal) => journal.append(id, flight.seq, flight.bytes, signal));
    } catch (error) {
      flight.isAmbiguous ||= !isThrottle(error);
      throw error;
    }
  }

  async #take(flight: Flight<State, Command, Outcome>, result: AppendResult): Promise<void> {
    const { follower } = this.#parts;
    if (result.kind === "trimmed") {
      // This try had no effect, but an earlier one may have had it before the trim.
      flight.fate = flight.isAmbiguous ? "unknown" : "lost";
      await follower.reload();
      return;
    }
    const standing = result.kind === "appended" ? flight.bytes : result.existing;
    await follower.apply(flight.seq, standing);
    if (flight.fate !== "open") return;
    // A reload went past our number: the record counted, if it was ours, but its outcomes are part of the snapshot.
    flight.fate = Buffer.compare(standing, flight.bytes) === 0 ? "unknown" : "lost";
  }

  #rejectAll(flight: Flight<State, Command, Outcome>, failure: unknown): void {
    const { id, follower } = this.#parts;
    const reason = describe(flight, failure);
    const mayCount = flight.fate === "unknown" || (flight.fate === "open" && flight.isAmbiguous);
    const error = mayCount
      ? new UnknownOutcomeError(id, flight.seq, { reason, cause: failure })
      : (follower.stoppedBy ?? failure);
    rejectUnsettled(flight.places, error);
  }
}

function rejectUnsettled<Outcome>(places: readonly Place<Proposal<Outcome>>[], error: unknown): void {
  for (const { item } of places) {
    if (item?.isSettled === false) item.reject(error);
  }
}

/** Accepts proposals until a record is full. */
function recordFiller<Outcome>(): (proposal: Proposal<Outcome>) => boolean {
  let byteLength = 0;
  return (proposal) => {
    byteLength += proposal.encoded.byteLength;
    return byteLength <= RECORD_COMMANDS_BYTES_MAX;
  };
}

/** Makes a proposal wait again; false if its caller has given up, for then it must never be proposed again. */
function takeBack<Outcome>(place: Place<Proposal<Outcome>>): boolean {
  if (place.item === undefined || place.item.isSettled) return false;
  place.item.isInFlight = false;
  return true;
}

function isOurs(flight: { readonly bytes: Uint8Array }, result: AppendResult): boolean {
  return result.kind === "conflict" && Buffer.compare(result.existing, flight.bytes) === 0;
}

function isThrottle(error: unknown): boolean {
  return error instanceof JournalUnavailableError && error.throttled;
}

/** A store that does not give out the object of a foreign command is as passing as a journal that does not answer. */
function isRepeatable(error: unknown): boolean {
  return error instanceof LogError && error.kind === "unavailable";
}

function describe(flight: { readonly fate: string }, failure: unknown): string {
  if (flight.fate === "unknown") return "its number was reached by a trim or a reload";
  return failure instanceof Error ? failure.message : "no answer";
}
