import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { DELETED_BYTES, DELETED_OBJECTS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { answerWithin } from "#lib/storage/answer-within.ts";
import { SEGMENT_PREFIX, uploadEpochOf, WRITE_AHEAD_PREFIX } from "#lib/storage/object-keys.ts";
import type { ObjectListing, ObjectStore, ObjectSummary } from "#lib/storage/object-store.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import {
  GARBAGE_DELETED_KEYS_MAX,
  GARBAGE_LISTED_KEYS_MAX,
  GARBAGE_REST_MS,
  GARBAGE_REST_MS_MAX,
  S3_KEYS_PER_REQUEST_MAX,
  STORE_PUT_MS_MAX,
  STORE_READ_MS_MAX,
} from "#lib/util/limits.ts";

export interface StoreSweepPorts {
  readonly store: ObjectStore;
  readonly storeId: StoreId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry?: Telemetry | undefined;
}

/** What of a store's objects is looked for. */
export interface SweepAim {
  /** Only objects of this upload epoch and of earlier ones: keys stand in their order. */
  readonly lastEpoch: number;
  readonly isGarbage: (object: ObjectSummary, uploadEpoch: number) => boolean;
  /** To the end, however many keys are in the way. */
  readonly isForced: boolean;
}

export interface SweptObject {
  readonly key: ObjectKey;
  readonly byteLength: number;
  readonly uploadEpoch: number;
}

const PREFIXES = [SEGMENT_PREFIX, WRITE_AHEAD_PREFIX] as const;

/**
 * Goes through the objects of one store, in bounded steps: each begins behind the last one, whatever became of what that
 * found, so that objects that cannot be deleted keep nobody from the others. Where it is, it remembers in memory only.
 */
export class StoreSweep {
  readonly storeId: StoreId;
  readonly #ports: StoreSweepPorts;
  #prefixIndex = 0;
  /** "": at the prefix's beginning. */
  #startAfter = "";
  #foundCount = 0;
  #strangerCount = 0;
  #stranger = "";
  #strangersTold = 0;
  #restMs = GARBAGE_REST_MS;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: StoreSweepPorts) {
    this.#ports = ports;
    this.storeId = ports.storeId;
  }

  /** Whether the store is to be listed by a schedule: every look costs a request for each thousand of live objects. */
  get isDue(): boolean {
    return this.#ports.clock.monotonicMs() >= this.#dueAtMs;
  }

  /**
   * The next step. Fails with `StoreUnavailableError` if the store does not answer, unless it has found something
   * before; the next step begins there again.
   */
  async next(aim: SweepAim, signal: AbortSignal): Promise<readonly SweptObject[]> {
    const found: SweptObject[] = [];
    // A step by hand that finds nothing has seen all: one that was broken off before may have left off in the middle.
    let isBehindStart = this.#prefixIndex > 0 || this.#startAfter !== "";
    for (let listedCount = 0; aim.isForced || listedCount < GARBAGE_LISTED_KEYS_MAX; ) {
      const prefix = defined(PREFIXES[this.#prefixIndex]);
      const page = await this.#list(prefix, signal).catch((error: unknown) => {
        if (found.length === 0 || signal.aborted) throw error;
      });
      if (page === undefined) break;
      listedCount += page.objects.length;
      const isPastEpoch = this.#take(page.objects, { aim, endsAt: endOf(prefix, aim.lastEpoch), found });
      if (found.length >= GARBAGE_DELETED_KEYS_MAX) break;
      if (!isPastEpoch && page.isTruncated && page.objects.length > 0) continue;
      this.#startAfter = "";
      this.#prefixIndex++;
      if (this.#prefixIndex < PREFIXES.length) continue;
      this.#endRound(found.length);
      if (!aim.isForced || !isBehindStart || found.length > 0) return found;
      isBehindStart = false;
    }
    this.#foundCount += found.length;
    return found;
  }

  /** Answers how many of them are gone now; a store that does not answer is asked for no more. Rejects only if aborted. */
  async delete(objects: readonly SweptObject[], signal: AbortSignal): Promise<number> {
    const { logger, storeId } = this.#ports;
    let count = 0;
    try {
      for (let from = 0; from < objects.length; from += S3_KEYS_PER_REQUEST_MAX) {
        count += await this.#deletePage(objects.slice(from, from + S3_KEYS_PER_REQUEST_MAX), signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("a store does not delete garbage", { store: storeId, error: describeError(error) });
    }
    return count;
  }

  async #deletePage(objects: readonly SweptObject[], signal: AbortSignal): Promise<number> {
    const { store, clock, telemetry } = this.#ports;
    const keys = objects.map(({ key }) => key);
    const limit = { clock, ms: STORE_PUT_MS_MAX, signal };
    const gone = await answerWithin(limit, (own) => store.deleteAll(keys, own));
    for (const { key, byteLength } of telemetry === undefined ? [] : objects) {
      if (!gone.has(key)) continue;
      const kind = key.slice(0, key.indexOf("/"));
      telemetry?.count(DELETED_OBJECTS, 1, { kind });
      telemetry?.count(DELETED_BYTES, byteLength, { kind });
    }
    return gone.size;
  }

  #list(prefix: string, signal: AbortSignal): Promise<ObjectListing> {
    const { store, clock } = this.#ports;
    const options = { prefix, startAfter: this.#startAfter, limit: S3_KEYS_PER_REQUEST_MAX };
    return answerWithin({ clock, ms: STORE_READ_MS_MAX, signal }, (own) => store.list(options, own));
  }

  /** Answers whether everything that follows is of a later upload epoch. */
  #take(
    objects: readonly ObjectSummary[],
    { aim, endsAt, found }: { readonly aim: SweepAim; readonly endsAt: string; readonly found: SweptObject[] },
  ): boolean {
    for (const object of objects) {
      const { key } = object;
      if (key >= endsAt) return true;
      this.#startAfter = key;
      const uploadEpoch = uploadEpochOf(key);
      if (uploadEpoch === undefined) this.#noteStranger(key);
      else if (aim.isGarbage(object, uploadEpoch)) found.push({ key, byteLength: object.byteLength, uploadEpoch });
      if (found.length >= GARBAGE_DELETED_KEYS_MAX) return false;
    }
    return false;
  }

  #noteStranger(key: ObjectKey): void {
    this.#strangerCount++;
    this.#stranger = key;
  }

  #endRound(foundCount: number): void {
    const { clock, logger, storeId } = this.#ports;
    const hasFound = this.#foundCount + foundCount > 0;
    this.#restMs = hasFound ? GARBAGE_REST_MS : Math.min(2 * this.#restMs, GARBAGE_REST_MS_MAX);
    this.#dueAtMs = clock.monotonicMs() + this.#restMs;
    if (this.#strangerCount > 0 && this.#strangerCount !== this.#strangersTold) {
      const fields = { store: storeId, count: this.#strangerCount, key: this.#stranger };
      logger.info("a store has objects among ours that we did not write; they stay", fields);
      this.#strangersTold = this.#strangerCount;
    }
    this.#prefixIndex = 0;
    this.#foundCount = 0;
    this.#strangerCount = 0;
  }
}

/** The first key of a later upload epoch. */
function endOf(prefix: string, lastEpoch: number): string {
  return `${prefix}${String(lastEpoch + 1).padStart(10, "0")}`;
}
