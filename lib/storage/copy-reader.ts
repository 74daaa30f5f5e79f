import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { READ_OBJECTS_REMEMBERED_MAX, STORE_READ_MS_MAX, STORE_SUSPECT_MS } from "#lib/util/limits.ts";
import { type ByteRange, CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "./object-store.ts";
import type { ReadMemory } from "./read-memory.ts";
import type { StoreHealth } from "./store-health.ts";
import { type StoreSet, UnknownStoreError } from "./store-set.ts";
import { transferMs } from "./transfer-time.ts";

/** An object as a record of a journal names it. */
export interface ObjectRef {
  readonly key: ObjectKey;
  readonly byteLength: number;
  /** The stores that had it then. */
  readonly copies: readonly StoreId[];
}

/** A store that should have an object has it not, or not whole: work for the replicator. */
export interface LostCopy {
  readonly object: ObjectRef;
  readonly storeId: StoreId;
  /** `damaged`: something lies under its key, and not what was written. */
  readonly kind: "missing" | "damaged";
  readonly problem: string;
}

export interface CopyReaderOptions {
  readonly stores: StoreSet;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is read goes into memory from here. */
  readonly memory: ReadMemory;
  /** Stores that fail are asked last. */
  readonly health?: StoreHealth | undefined;
  /** Called for each copy found missing, short or damaged. */
  readonly onCopyLost?: ((lost: LostCopy) => void) | undefined;
}

/** Reads ranges of objects from whichever store gives them: nearest copy first, then the others (`StoreSet.readOrder`). */
export class CopyReader {
  readonly #options: CopyReaderOptions;
  readonly #distrusted = new Map<ObjectKey, Set<StoreId>>();

  constructor(options: CopyReaderOptions) {
    this.#options = options;
  }

  /**
   * Fails with `StoreUnavailableError` if a store that may have the range gives no answer, else with
   * `CorruptObjectError` if one has the object but not whole, else with `ObjectNotFoundError`.
   */
  async read(
    object: ObjectRef,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly storeId: StoreId }> {
    const errors: unknown[] = [];
    const order = this.#order(object);
    for (const [at, storeId] of order.entries()) {
      // While another copy is left, a silent store is not waited for as long as its answer might take.
      const isLeft = order.slice(at + 1).some((id) => object.copies.includes(id));
      const msMax = isLeft ? Math.min(STORE_READ_MS_MAX, patienceMs(range)) : STORE_READ_MS_MAX;
      using limit = timeLimit(this.#options.clock, msMax, signal);
      try {
        return { bytes: await this.#readOne(storeId, object, range, limit.signal), storeId };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        errors.push(error);
        this.#report(object, storeId, error);
      }
    }
    const { stores } = this.#options;
    for (const id of object.copies) {
      if (!stores.has(id)) errors.push(new UnknownStoreError(`store ${id} is not configured`));
    }
    throw worstOf(object.key, errors);
  }

  /**
   * The bytes that a store gave (undefined: the one that comes first now) are not what was written, by their CRC: from
   * now on the other stores come before it. False if there is no store left that is still trusted, and if it was
   * distrusted before: then those that came before it had nothing to give.
   */
  distrust(object: ObjectRef, givenBy: StoreId | undefined): boolean {
    const storeId = givenBy ?? this.#order(object)[0];
    if (storeId === undefined) return false;
    const distrusted = this.#distrusted.get(object.key) ?? new Set();
    const isNew = !distrusted.has(storeId);
    if (isNew) {
      this.#lost({ object, storeId, kind: "damaged", problem: "its bytes are damaged" });
    }
    distrusted.add(storeId);
    this.#distrusted.set(object.key, distrusted);
    for (const oldest of this.#distrusted.keys()) {
      if (this.#distrusted.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#distrusted.delete(oldest);
    }
    return isNew && this.#options.stores.readOrder(object.copies).some((id) => !distrusted.has(id));
  }

  #order(object: ObjectRef): readonly StoreId[] {
    const { stores, health } = this.#options;
    const nearestFirst = stores.readOrder(object.copies);
    const order = health?.trustedFirst(nearestFirst) ?? nearestFirst;
    const distrusted = this.#distrusted.get(object.key);
    if (distrusted === undefined) return order;
    return [...order.filter((id) => !distrusted.has(id)), ...order.filter((id) => distrusted.has(id))];
  }

  async #readOne(storeId: StoreId, object: ObjectRef, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    // Other memory for each try: a read that was given up may still go on. Not given back then either.
    const target = this.#options.memory.take(range.byteLength);
    const bytes = await this.#options.stores.store(storeId).getRange(object.key, range, signal, target);
    if (bytes.byteLength === range.byteLength) return bytes;
    throw new CorruptObjectError(object.key, `gave ${bytes.byteLength} bytes for ${range.byteLength}`);
  }

  #report(object: ObjectRef, storeId: StoreId, error: unknown): void {
    const problem = describeError(error);
    const isAnswer = error instanceof ObjectNotFoundError || error instanceof CorruptObjectError;
    if (!isAnswer)
      this.#options.logger.warn("store does not answer a read", { store: storeId, key: object.key, error: problem });
    // A store that the record does not name need not have it.
    else if (object.copies.includes(storeId)) {
      const kind = error instanceof ObjectNotFoundError ? "missing" : "damaged";
      this.#lost({ object, storeId, kind, problem });
    }
  }

  #lost(lost: LostCopy): void {
    this.#options.logger.warn("copy lost", { store: lost.storeId, key: lost.object.key, problem: lost.problem });
    this.#options.onCopyLost?.(lost);
  }
}

/** After so long a read counts as a store's silence (`watchStores`). */
function patienceMs({ byteLength }: ByteRange): number {
  return STORE_SUSPECT_MS + transferMs(byteLength);
}

function worstOf(key: ObjectKey, errors: readonly unknown[]): unknown {
  const silent = errors.find((error) => !(error instanceof ObjectNotFoundError || error instanceof CorruptObjectError));
  if (silent instanceof StoreUnavailableError) return silent;
  if (silent !== undefined) {
    return new StoreUnavailableError(`${key}: ${describeError(silent)}`, { reason: "io", cause: silent });
  }
  return errors.find((error) => error instanceof CorruptObjectError) ?? new ObjectNotFoundError(key);
}
