import { retry } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import {
  STORE_BACKGROUND_BYTES_MAX,
  STORE_BACKGROUND_MS_MAX,
  STORE_PUT_ATTEMPTS_MAX,
  STORE_PUT_RETRY_MS_MAX,
  STORE_PUT_RETRY_MS_MIN,
} from "#lib/util/limits.ts";
import { StoreUnavailableError } from "./object-store.ts";
import type { StoreHealth } from "./store-health.ts";
import type { StoreSet } from "./store-set.ts";

export interface ReplicatedPut {
  /** Under a key that nobody else writes: an object that stands there already is taken for this one. */
  readonly key: ObjectKey;
  readonly chunks: readonly Uint8Array[];
  /** The stores that should have it. */
  readonly placement: readonly StoreId[];
  /** How many of them must have it before the answer. */
  readonly needed: number;
  /** Calls back when fewer are enough than before. Answers the way to stop it. */
  readonly onFewerNeeded?: (listener: (needed: number) => void) => () => void;
  /** Called once, when no store reads the chunks any more: at the answer or later, whether or not the put fails. */
  readonly onUnused?: () => void;
}

const RETRY = {
  attemptsMax: STORE_PUT_ATTEMPTS_MAX,
  minMs: STORE_PUT_RETRY_MS_MIN,
  maxMs: STORE_PUT_RETRY_MS_MAX,
  // A full disk or a missing root does not mend within milliseconds; the other stores decide.
  isRetriable: (error: unknown) => error instanceof StoreUnavailableError && error.reason === "io",
};

/** Hears of the copies that an answer does not name. */
export interface LateCopyObserver {
  /** A store has the object after all. */
  arrived(key: ObjectKey, storeId: StoreId): void;
  /** A store of the placement has it not, and nobody tries any more. */
  missed(key: ObjectKey, storeId: StoreId, byteLength: number): void;
}

export interface ReplicatedWriterPorts {
  readonly stores: StoreSet;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Without it every store is tried, however often it has failed. */
  readonly health?: StoreHealth | undefined;
  readonly lateCopies?: LateCopyObserver | undefined;
}

/**
 * Writes objects to several stores at once and answers as soon as enough have them. The uploads that are not needed any
 * more go on within a bound of bytes and time; what does not arrive is left to the replicator. Suspect stores are left
 * out while the others are enough, but for one upload a second that finds out whether they are back.
 */
export class ReplicatedWriter {
  readonly #ports: ReplicatedWriterPorts;
  readonly #background = new Set<Promise<void>>();
  #backgroundBytes = 0;

  constructor(ports: ReplicatedWriterPorts) {
    this.#ports = ports;
  }

  /** Bytes of uploads that nobody waits for any more. */
  get backgroundBytes(): number {
    return this.#backgroundBytes;
  }

  /**
   * Resolves with the stores that have the object, `needed` or more, in ascending order. Fails with
   * `StoreUnavailableError` as soon as `needed` cannot be reached, or with the signal's reason; then every upload is
   * given up. The chunks must not change before `onUnused`, which may be called after the answer: a slow store may still be
   * reading them.
   */
  async put(put: ReplicatedPut, signal: AbortSignal): Promise<readonly StoreId[]> {
    assert(put.needed >= 1 && put.needed <= put.placement.length, "more copies needed than stores placed");
    if (signal.aborted) {
      put.onUnused?.();
      throw signal.reason;
    }
    const round = new UploadRound(put, this.#ports);
    const giveUp = () => round.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    const stopHearing = put.onFewerNeeded?.((needed) => round.lower(needed));
    try {
      const copies = await abortable(round.enough, signal);
      this.#goOn(round, put);
      return copies;
    } catch (error) {
      round.abort(error);
      throw error;
    } finally {
      stopHearing?.();
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Resolves when no upload is left in the background. */
  async drain(): Promise<void> {
    await Promise.all(this.#background);
  }

  #goOn(round: UploadRound, put: ReplicatedPut): void {
    if (round.pendingCount === 0) return;
    const bytes = put.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    if (this.#backgroundBytes + bytes > STORE_BACKGROUND_BYTES_MAX) {
      round.abort(new StoreUnavailableError("too many late copies are under way", { reason: "io" }));
      return;
    }
    this.#backgroundBytes += bytes;
    const limit = timeLimit(this.#ports.clock, STORE_BACKGROUND_MS_MAX);
    limit.signal.addEventListener("abort", () => round.abort(limit.signal.reason), { once: true });
    const rest: Promise<void> = round.all.finally(() => {
      limit[Symbol.dispose]();
      this.#backgroundBytes -= bytes;
      this.#background.delete(rest);
    });
    this.#background.add(rest);
  }
}

/** The uploads of one object. */
class UploadRound {
  /** Resolves when every upload has ended, well or not. */
  readonly all: Promise<void>;
  pendingCount = 0;
  #needed: number;
  readonly #put: ReplicatedPut;
  readonly #ports: ReplicatedWriterPorts;
  readonly #controller = new AbortController();
  readonly #enough = deferred<readonly StoreId[]>();
  readonly #ended = deferred<void>();
  readonly #copies: StoreId[] = [];
  readonly #failures = new Map<StoreId, unknown>();
  /** Suspect stores that are tried only if others fail. */
  #inReserve: StoreId[] = [];
  #hasEnough = false;

  constructor(put: ReplicatedPut, ports: ReplicatedWriterPorts) {
    this.#put = put;
    this.#needed = put.needed;
    this.#ports = ports;
    this.all = this.#ended.promise;
    this.#begin();
  }

  get enough(): Promise<readonly StoreId[]> {
    return this.#enough.promise;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** So many are enough from now on; more than before are not asked for. */
  lower(needed: number): void {
    assert(needed >= 1, "an answer without a copy");
    if (needed >= this.#needed) return;
    this.#needed = needed;
    if (this.pendingCount > 0) this.#settle();
  }

  #begin(): void {
    const { placement } = this.#put;
    const { health } = this.#ports;
    const suspects = health === undefined ? [] : placement.filter((id) => health.isSuspect(id));
    const canSpareThem = placement.length - suspects.length >= this.#needed;
    for (const id of placement) {
      const isSpared = canSpareThem && suspects.includes(id);
      const trial = isSpared ? health?.tryTrial(id, "write") : undefined;
      if (isSpared && trial === undefined) this.#inReserve.push(id);
      else this.#start(id, trial);
    }
  }

  #start(id: StoreId, trial?: Disposable): void {
    this.pendingCount++;
    void this.#upload(id).finally(() => {
      trial?.[Symbol.dispose]();
      this.pendingCount--;
      this.#settle();
    });
  }

  async #upload(id: StoreId): Promise<void> {
    const { key, chunks } = this.#put;
    const { signal } = this.#controller;
    const { stores, lateCopies, logger } = this.#ports;
    try {
      await retry(() => stores.store(id).putIfAbsent(key, chunks, signal), RETRY, this.#ports, signal);
      this.#copies.push(id);
      if (this.#hasEnough) lateCopies?.arrived(key, id);
    } catch (error) {
      this.#failures.set(id, error);
      logger.warn("upload failed", { store: id, key, error: describeError(error) });
    }
  }

  #settle(): void {
    const needed = this.#needed;
    if (!this.#hasEnough && this.#copies.length >= needed) {
      this.#hasEnough = true;
      this.#enough.resolve([...this.#copies].sort((a, b) => a - b));
    } else if (!this.#hasEnough && this.#copies.length + this.pendingCount < needed) {
      if (this.#controller.signal.aborted || this.#inReserve.length === 0) this.#enough.reject(this.#unavailable());
      else for (const id of this.#inReserve.splice(0)) this.#start(id);
    }
    if (this.pendingCount === 0) this.#end();
  }

  #end(): void {
    const { key, chunks, placement, onUnused } = this.#put;
    const { lateCopies } = this.#ports;
    onUnused?.();
    if (this.#hasEnough && lateCopies !== undefined && this.#copies.length < placement.length) {
      const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
      for (const id of placement) if (!this.#copies.includes(id)) lateCopies.missed(key, id, byteLength);
    }
    this.#ended.resolve();
  }

  #unavailable(): StoreUnavailableError {
    const errors = [...this.#failures.values()];
    const reasons = errors.map((error) => (error instanceof StoreUnavailableError ? error.reason : "io"));
    // What an operator can mend is named first.
    const reason = reasons.find((each) => each === "full") ?? reasons.find((each) => each === "root") ?? "io";
    const texts = [...this.#failures].map(([id, error]) => `store ${id}: ${describeError(error)}`);
    const message = `${this.#put.key} needs ${this.#needed} copies: ${texts.join("; ")}`;
    return new StoreUnavailableError(message, { reason, cause: errors[0] });
  }
}
