import {
  hasHash,
  hashOf,
  JournalObjectLostError,
  type JournalObjectRef,
  type JournalObjects,
} from "#lib/journal/journal-objects.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { STORE_PUT_MS_MAX, STORE_READ_MS_MAX } from "#lib/util/limits.ts";
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

  async get(ref: JournalObjectRef, signal: AbortSignal): Promise<Uint8Array> {
    const { stores, health, logger } = this.#options;
    const key = parseObjectKey(ref.key);
    const problems: string[] = [];
    let unavailable: unknown;
    const order = stores.readOrder(ref.copies);
    for (const id of health?.trustedFirst(order) ?? order) {
      try {
        const limitMs = STORE_READ_MS_MAX + transferMs(ref.byteLength);
        const bytes = await this.#limited(limitMs, signal, (own) => stores.store(id).get(key, own));
        if (hasHash(bytes, ref)) return bytes;
        problems.push(`store ${id}: ${bytes.byteLength} bytes with another hash`);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof StoreUnavailableError) unavailable = error;
        else if (!(error instanceof ObjectNotFoundError || error instanceof CorruptObjectError)) throw error;
        problems.push(`store ${id}: ${describeError(error)}`);
      }
      logger.warn("a copy of a journal's object cannot be read", { key, store: id, problem: problems.at(-1) });
    }
    const unconfigured = ref.copies.filter((id) => !stores.has(id));
    const summary = [...problems, ...unconfigured.map((id) => `store ${id} is not configured`)].join("; ");
    if (unavailable === undefined && unconfigured.length === 0) throw new JournalObjectLostError(key, summary);
    throw new StoreUnavailableError(`object ${key}: ${summary}`, { reason: "io", cause: unavailable });
  }

  /** A store that gives no answer is one that fails: whoever waits here may be all that a journal waits for. */
  async #limited<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using limit = timeLimit(this.#options.clock, ms, signal);
    try {
      return await abortable(work(limit.signal), limit.signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!limit.signal.aborted) throw error;
      throw new StoreUnavailableError(`no answer within ${ms} ms`, { reason: "io", cause: error });
    }
  }
}
