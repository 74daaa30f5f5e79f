import {
  hasHash,
  hashOf,
  JournalObjectLostError,
  type JournalObjectRef,
  type JournalObjects,
} from "#lib/journal/journal-objects.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { STORE_PUT_MS_MAX, STORE_READ_MS_MAX, STORE_SILENCE_MS } from "#lib/util/limits.ts";
import { answerWithin } from "./answer-within.ts";
import { journalObjectKey, parseObjectKey } from "./object-keys.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "./object-store.ts";
import type { ReplicatedWriter } from "./replicated-put.ts";
import type { StoreHealth } from "./store-health.ts";
import type { StoreSet } from "./store-set.ts";
import { transferMs } from "./transfer-time.ts";

const RANDOM_BYTES = 8;

export interface StoredJournalObjectsOptions {
  readonly stores: StoreSet;
  readonly writer: ReplicatedWriter;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Stores that fail are asked last. */
  readonly health?: StoreHealth | undefined;
  /** Where to write now, and how many copies a commit needs. */
  readonly placement: () => { readonly stores: readonly StoreId[]; readonly needed: number };
  /** See object-keys.ts. */
  readonly uploadEpoch: () => number;
}

/** Why stores did not have an object. */
interface ReadFailures {
  readonly problems: string[];
  /** A store gave no answer. */
  unavailable: unknown;
  /** A mistake of ours. */
  unexpected: unknown;
}

/** Keeps a journal's snapshots and large commands in the stores of its placement. */
export class StoredJournalObjects implements JournalObjects {
  readonly #options: StoredJournalObjectsOptions;

  constructor(options: StoredJournalObjectsOptions) {
    this.#options = options;
  }

  async put(name: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<JournalObjectRef> {
    const { writer, random, placement, uploadEpoch } = this.#options;
    const key = journalObjectKey({ uploadEpoch: uploadEpoch(), name, random: random.bytes(RANDOM_BYTES) });
    const { stores, needed } = placement();
    const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const put = { key, chunks, placement: stores, needed };
    const copies = await this.#limited(STORE_PUT_MS_MAX + transferMs(byteLength), signal, (own) =>
      writer.put(put, own),
    );
    return { key, byteLength, hash: hashOf(chunks), copies };
  }

  /** A process that starts waits for this: a store that is silent for a moment is not waited for alone. */
  async get(ref: JournalObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    const { stores, health, clock } = this.#options;
    parseObjectKey(ref.key);
    signal.throwIfAborted();
    const order = stores.readOrder(ref.copies);
    const failures: ReadFailures = { problems: [], unavailable: undefined, unexpected: undefined };
    const own = sharedAbortController();
    const giveUp = () => own.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      const asked: Promise<Uint8Array | undefined>[] = [];
      for (const id of health?.trustedFirst(order) ?? order) {
        asked.push(this.#ask(id, ref, { failures, signal: own.signal }));
        const found = await within(clock, STORE_SILENCE_MS, firstOf(asked));
        if (found !== undefined) return found;
      }
      const found = await firstOf(asked);
      signal.throwIfAborted();
      if (found !== undefined) return found;
      throw failures.unexpected ?? this.#notFound(ref, failures);
    } finally {
      signal.removeEventListener("abort", giveUp);
      own.abort(new Error("the object is there, or nowhere"));
    }
  }

  /** The object as one store has it; undefined, with the reason noted, if it has not. Never rejects. */
  async #ask(
    id: StoreId,
    ref: JournalObjectRef,
    { failures, signal }: { readonly failures: ReadFailures; readonly signal: AbortSignal },
  ): Promise<Uint8Array | undefined> {
    const { stores, logger } = this.#options;
    const key = parseObjectKey(ref.key);
    try {
      const limitMs = STORE_READ_MS_MAX + transferMs(ref.byteLength);
      const bytes = await this.#limited(limitMs, signal, (own) => stores.store(id).get(key, own));
      if (hasHash(bytes, ref)) return bytes;
      failures.problems.push(`store ${id}: ${bytes.byteLength} bytes with another hash`);
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof StoreUnavailableError) failures.unavailable = error;
      else if (!(error instanceof ObjectNotFoundError || error instanceof CorruptObjectError))
        failures.unexpected = error;
      failures.problems.push(`store ${id}: ${describeError(error)}`);
    }
    logger.warn("a copy of a journal's object cannot be read", { key, store: id, problem: failures.problems.at(-1) });
    return undefined;
  }

  #notFound(ref: JournalObjectRef, { problems, unavailable }: ReadFailures): Error {
    const unconfigured = ref.copies.filter((id) => !this.#options.stores.has(id));
    const summary = [...problems, ...unconfigured.map((id) => `store ${id} is not configured`)].join("; ");
    if (unavailable === undefined && unconfigured.length === 0) return new JournalObjectLostError(ref.key, summary);
    return new StoreUnavailableError(`object ${ref.key}: ${summary}`, { reason: "io", cause: unavailable });
  }

  /** Whoever waits here may be all that a journal waits for. */
  #limited<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return answerWithin({ clock: this.#options.clock, ms, signal }, work);
  }
}

/** The first that is found, or undefined when all have ended without. */
function firstOf<T>(asked: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  const found = asked.map(async (each) => {
    const value = await each;
    if (value === undefined) throw new Error("not there");
    return value;
  });
  return Promise.any(found).catch(() => undefined);
}

/** What `work` comes to, or undefined if that takes longer than `ms`; it goes on then. */
async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = deferred<undefined>();
  const call = clock.schedule(ms, () => resolve(undefined));
  return await Promise.race([work, promise]).finally(() => call.cancel());
}
