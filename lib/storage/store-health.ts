import type { Clock } from "#lib/runtime/clock.ts";
import type { StoreId } from "#lib/util/branded.ts";
import {
  STORE_SUSPECT_FAILURES,
  STORE_SUSPECT_MS,
  STORE_TRIAL_SPACING_MS,
  STORE_WRITE_DOUBT_MS,
} from "#lib/util/limits.ts";

/** Calls under way to one store that are watched for silence. */
const CALLS_REMEMBERED_MAX = 256;
/** Whose own time limit was as long began to count a moment before the call, and timers end a moment early. */
const GIVEN_UP_SHARE = 0.9;

export type StoreCallKind = "read" | "write";

/** A call to a store, from its beginning to its end. */
export interface StoreCall {
  readonly kind: StoreCallKind;
  readonly beganAtMs: number;
  /** A call of this kind and size that takes longer is as good as failed. */
  readonly patienceMs: number;
}

/** What is known of one store. Times are of the monotonic clock. */
interface StoreRecord {
  readonly calls: Set<StoreCall>;
  readonly succeededAtMs: { read: number; write: number };
  /** In a row. */
  failures: number;
  failingSinceMs: number | undefined;
  suspectSinceMs: number | undefined;
  writeFailedAtMs: number | undefined;
  /** Whether it bears the marker that is expected of it, as far as anybody looked. */
  isForeign: boolean;
  /** Whether its root was gone, or another one, since it was last counted as an outage. */
  wasRootless: boolean;
  outages: number;
  readonly trials: Readonly<Record<StoreCallKind, Trial>>;
}

interface Trial {
  isOn: boolean;
  beganAtMs: number;
}

function newTrial(): Trial {
  return { isOn: false, beganAtMs: Number.NEGATIVE_INFINITY };
}

/**
 * Which stores fail, by what this process's own calls come to (`watchStores` tells it of each one). A store is *suspect*
 * when its last calls have failed or it has been silent for seconds. Others may reach it: a suspect store is a hint for
 * where to write and what to read first, and for the journal's leader to take it out of the ISR.
 */
export class StoreHealth {
  readonly #clock: Clock;
  readonly #records = new Map<StoreId, StoreRecord>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isSuspect(id: StoreId): boolean {
    return this.suspectSinceMs(id) !== undefined;
  }

  /** Whether the store is suspect, or its last call has failed. */
  isFailing(id: StoreId): boolean {
    return this.isSuspect(id) || this.#records.get(id)?.failingSinceMs !== undefined;
  }

  /** Since when the store is suspect, by the monotonic clock. */
  suspectSinceMs(id: StoreId): number | undefined {
    const record = this.#records.get(id);
    return record === undefined ? undefined : this.#suspectSince(record);
  }

  /** When the store last answered anything, by the monotonic clock. */
  succeededAtMs(id: StoreId): number {
    const record = this.#records.get(id);
    if (record === undefined) return Number.NEGATIVE_INFINITY;
    return Math.max(record.succeededAtMs.read, record.succeededAtMs.write);
  }

  /**
   * How often the store has been replaced, or has come back after calls to it had failed until it was suspect, or after
   * its root was gone: what it had before it need not have any more.
   */
  outages(id: StoreId): number {
    return this.#records.get(id)?.outages ?? 0;
  }

  /** The stores in the given order, but suspect ones last. */
  trustedFirst(ids: readonly StoreId[]): readonly StoreId[] {
    if (!ids.some((id) => this.isSuspect(id))) return ids;
    return [...ids.filter((id) => !this.isSuspect(id)), ...ids.filter((id) => this.isSuspect(id))];
  }

  /**
   * Leave to try a suspect store; undefined if somebody tries the same just now or did so within the last second. Dispose of
   * it when the trial has ended. Reads and writes are tried side by side: one says little of the other.
   */
  tryTrial(id: StoreId, kind: StoreCallKind): Disposable | undefined {
    const trial = this.#record(id).trials[kind];
    const nowMs = this.#clock.monotonicMs();
    if (trial.isOn || nowMs - trial.beganAtMs < STORE_TRIAL_SPACING_MS) return undefined;
    trial.isOn = true;
    trial.beganAtMs = nowMs;
    return {
      [Symbol.dispose]() {
        trial.isOn = false;
      },
    };
  }

  /** Whether the store has shown the marker that is expected of it. One that has not is suspect, whatever it answers. */
  noteProof(id: StoreId, isProven: boolean): void {
    const record = this.#record(id);
    if (!isProven) {
      record.isForeign = true;
      record.suspectSinceMs ??= this.#clock.monotonicMs();
    } else if (record.isForeign) {
      record.isForeign = false;
      this.#noteOutage(record);
      if (record.failures < STORE_SUSPECT_FAILURES) record.suspectSinceMs = undefined;
    }
  }

  /** Another store has come into the place of this one, without any call that failed. */
  noteReplaced(id: StoreId): void {
    this.#noteOutage(this.#record(id));
  }

  begin(id: StoreId, kind: StoreCallKind, patienceMs: number): StoreCall {
    const call = { kind, patienceMs, beganAtMs: this.#clock.monotonicMs() };
    const record = this.#record(id);
    const { calls } = record;
    if (calls.size >= CALLS_REMEMBERED_MAX) {
      // Calls that their callers gave up may never end.
      for (const each of calls) if (isOutrun(each, record)) calls.delete(each);
    }
    // The oldest tell of silence first: under many calls the newer ones are those to leave out.
    if (calls.size < CALLS_REMEMBERED_MAX) calls.add(call);
    return call;
  }

  /** The store has answered; that an object does not exist is an answer too. */
  noteSuccess(id: StoreId, call: StoreCall): void {
    const record = this.#record(id);
    const nowMs = this.#clock.monotonicMs();
    const wasSuspect = this.#suspectSince(record) !== undefined;
    record.calls.delete(call);
    record.succeededAtMs[call.kind] = nowMs;
    const { writeFailedAtMs } = record;
    const isInDoubt = call.kind === "read" && writeFailedAtMs !== undefined;
    // A full store can be read.
    if (isInDoubt && nowMs - writeFailedAtMs < STORE_WRITE_DOUBT_MS) return;
    if (record.wasRootless || (wasSuspect && record.failures > 0)) this.#noteOutage(record);
    // Nobody has written since: the next write that fails is enough.
    record.failures = isInDoubt ? STORE_SUSPECT_FAILURES - 1 : 0;
    record.failingSinceMs = undefined;
    record.suspectSinceMs = record.isForeign ? record.suspectSinceMs : undefined;
    if (call.kind === "write") record.writeFailedAtMs = undefined;
  }

  noteFailure(id: StoreId, call: StoreCall, options: { readonly isRootGone: boolean }): void {
    const record = this.#record(id);
    const nowMs = this.#clock.monotonicMs();
    record.calls.delete(call);
    record.failures++;
    record.failingSinceMs ??= call.beganAtMs;
    record.wasRootless ||= options.isRootGone;
    if (call.kind === "write") record.writeFailedAtMs = nowMs;
    const isLong = nowMs - record.failingSinceMs >= STORE_SUSPECT_MS;
    if (record.failures >= STORE_SUSPECT_FAILURES || isLong) record.suspectSinceMs ??= nowMs;
  }

  /** The caller has given the call up: that says something only if it took too long. */
  noteAbandoned(id: StoreId, call: StoreCall): void {
    const isSilent = this.#clock.monotonicMs() - call.beganAtMs >= call.patienceMs * GIVEN_UP_SHARE;
    if (isSilent) this.noteFailure(id, call, { isRootGone: false });
    else this.#record(id).calls.delete(call);
  }

  #suspectSince(record: StoreRecord): number | undefined {
    if (record.suspectSinceMs !== undefined) return record.suspectSinceMs;
    const nowMs = this.#clock.monotonicMs();
    for (const call of record.calls) {
      const { beganAtMs, patienceMs } = call;
      if (nowMs - beganAtMs < patienceMs || isOutrun(call, record)) continue;
      record.suspectSinceMs = beganAtMs + patienceMs;
      break;
    }
    return record.suspectSinceMs;
  }

  #noteOutage(record: StoreRecord): void {
    record.outages++;
    record.wasRootless = false;
  }

  #record(id: StoreId): StoreRecord {
    let record = this.#records.get(id);
    if (record === undefined) {
      record = {
        calls: new Set(),
        succeededAtMs: { read: Number.NEGATIVE_INFINITY, write: Number.NEGATIVE_INFINITY },
        failures: 0,
        failingSinceMs: undefined,
        suspectSinceMs: undefined,
        writeFailedAtMs: undefined,
        isForeign: false,
        wasRootless: false,
        outages: 0,
        trials: { read: newTrial(), write: newTrial() },
      };
      this.#records.set(id, record);
    }
    return record;
  }
}

/** A store that has answered later calls is not silent, it is slow. */
function isOutrun({ kind, beganAtMs }: StoreCall, { succeededAtMs }: StoreRecord): boolean {
  const { read, write } = succeededAtMs;
  return beganAtMs < (kind === "write" ? write : Math.max(read, write));
}
