import type { Clock } from "#lib/runtime/clock.ts";
import { parseObjectKey } from "#lib/storage/object-keys.ts";
import type { ByteRange, ObjectListing, ObjectStore, ObjectSummary, PutResult } from "#lib/storage/object-store.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { type ComposedLog, composeLog, type LogRecipe, storedRuns } from "#lib/storage/segments/compose-log.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, TimestampMs } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly lastModifiedMs: TimestampMs;
}

/** The memory that several handles share: what a bucket is to its clients. */
export class MemoryObjectService {
  readonly objects = new Map<ObjectKey, StoredObject>();
  /** While true every call of every handle fails as if the root were missing. */
  isDown = false;
  readonly #clock: Clock;
  #sortedKeys: readonly ObjectKey[] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(key: ObjectKey, bytes: Uint8Array): PutResult {
    if (this.objects.has(key)) return { kind: "already-exists" };
    this.objects.set(key, { bytes, lastModifiedMs: this.#clock.nowMs() });
    this.#sortedKeys = undefined;
    return { kind: "written" };
  }

  delete(key: ObjectKey): void {
    if (this.objects.delete(key)) this.#sortedKeys = undefined;
  }

  /** The store comes back empty, as a replaced disk does. */
  clear(): void {
    this.objects.clear();
    this.#sortedKeys = undefined;
  }

  /** Flips the lowest bit of one byte, as a bad disk does. */
  damage(key: ObjectKey, position: number): void {
    const object = this.objects.get(key);
    assert(object !== undefined && position < object.bytes.byteLength, `no byte ${position} in ${key}`);
    object.bytes[position] = (object.bytes[position] ?? 0) ^ 1;
  }

  /** Cuts the object, as a bad disk does. */
  truncate(key: ObjectKey, byteLength: number): void {
    const object = this.objects.get(key);
    assert(object !== undefined, `no object ${key}`);
    this.objects.set(key, { ...object, bytes: object.bytes.slice(0, byteLength) });
  }

  /** Keys are ASCII, so the order of strings is the order of bytes. */
  sortedKeys(): readonly ObjectKey[] {
    this.#sortedKeys ??= [...this.objects.keys()].sort();
    return this.#sortedKeys;
  }
}

export interface StoreCall {
  readonly operation: "putIfAbsent" | "composeLog" | "get" | "getRange" | "list" | "deleteAll";
  /** The first key, or the prefix of a listing. */
  readonly key: string;
  readonly range?: ByteRange;
  /** How many calls this handle has had before. */
  readonly index: number;
}

export type StoreFault =
  /** The effect happens, the answer is an error. */
  | { readonly kind: "lost-answer" }
  /** The answer is an error at once; the effect happens `delayMs` later. Reads only fail. */
  | { readonly kind: "late-effect"; readonly delayMs: number }
  /** A 503: nothing happens. */
  | { readonly kind: "unavailable" }
  | { readonly kind: "root" }
  | { readonly kind: "full" }
  /** The call begins `delayMs` later. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** No answer until the caller gives up; nothing happens. */
  | { readonly kind: "hang" }
  /** Reads only: as if the object did not exist. */
  | { readonly kind: "missing" }
  /** Reads only: as if the object ended after `byteLength` bytes. */
  | { readonly kind: "short"; readonly byteLength: number }
  /** Listings only: nothing is there. */
  | { readonly kind: "empty" };

/** Asked once per call; undefined lets it pass. Deterministic if it draws from a seeded `Random`. */
export type StoreFaultPlan = (call: StoreCall) => StoreFault | undefined;

export interface MemoryObjectStoreOptions {
  readonly clock: Clock;
  readonly faults?: StoreFaultPlan;
  /** Whether it makes logs by itself, as a directory does and a bucket does not. Default: no. */
  readonly composes?: boolean;
}

/** A handle on a `MemoryObjectService`, with its own faults. Copies what it stores and what it answers. */
export class MemoryObjectStore implements ObjectStore {
  readonly composeLog: ObjectStore["composeLog"];
  readonly #service: MemoryObjectService;
  readonly #clock: Clock;
  readonly #faults: StoreFaultPlan | undefined;
  #callCount = 0;

  constructor(service: MemoryObjectService, options: MemoryObjectStoreOptions) {
    this.#service = service;
    this.#clock = options.clock;
    this.#faults = options.faults;
    if (options.composes) this.composeLog = (key, recipe, signal) => this.#composeLog(key, recipe, signal);
  }

  async putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    parseObjectKey(key);
    // Copied now: a late effect must not see what the caller does with its chunks after the answer.
    const bytes = joinChunks(chunks);
    return this.#change({ operation: "putIfAbsent", key }, signal, () => this.#service.put(key, bytes));
  }

  async get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    parseObjectKey(key);
    const fault = await this.#enter({ operation: "get", key }, signal);
    const bytes = this.#bytesOf(key, fault);
    return bytes.slice();
  }

  async getRange(
    key: ObjectKey,
    range: ByteRange,
    signal: AbortSignal,
    target = new Uint8Array(range.byteLength),
  ): Promise<Uint8Array> {
    parseObjectKey(key);
    assert(range.position >= 0 && range.byteLength >= 1, "empty range");
    const fault = await this.#enter({ operation: "getRange", key, range }, signal);
    target.set(this.#rangeOf(key, range, fault));
    return target;
  }

  async list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    const fault = await this.#enter({ operation: "list", key: options.prefix }, signal);
    if (fault?.kind === "empty") return { objects: [], isTruncated: false };
    const objects: ObjectSummary[] = [];
    for (const key of this.#service.sortedKeys()) {
      if (!key.startsWith(options.prefix) || key <= options.startAfter) continue;
      if (objects.length === options.limit) return { objects, isTruncated: true };
      const object = this.#service.objects.get(key);
      if (object === undefined) continue;
      objects.push({ key, byteLength: object.bytes.byteLength, lastModifiedMs: object.lastModifiedMs });
    }
    return { objects, isTruncated: false };
  }

  async deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    for (const key of keys) parseObjectKey(key);
    return this.#change({ operation: "deleteAll", key: keys[0] ?? "" }, signal, () => {
      for (const key of keys) this.#service.delete(key);
      return new Set(keys);
    });
  }

  async #composeLog(key: ObjectKey, recipe: LogRecipe, signal: AbortSignal): Promise<ComposedLog> {
    for (const each of [key, ...storedRuns(recipe).map((run) => run.key)]) parseObjectKey(each);
    return this.#change({ operation: "composeLog", key }, signal, () => {
      const pieces: Uint8Array[] = [];
      const composed = composeLog(recipe, {
        read: (run) => Buffer.from(this.#rangeOf(run.key, run, undefined)),
        append: (bytes) => pieces.push(bytes),
      });
      const { kind } = this.#service.put(key, joinChunks(pieces));
      if (kind !== "written") throw new StoreUnavailableError(`memory store: ${key} is taken`, { reason: "io" });
      return composed;
    });
  }

  /** Runs a call with an effect under its fault. */
  async #change<T>(call: Omit<StoreCall, "index">, signal: AbortSignal, effect: () => T): Promise<T> {
    const fault = await this.#enter(call, signal);
    if (fault?.kind === "lost-answer") {
      effect();
      throw new StoreUnavailableError("memory store: the answer got lost", { reason: "io" });
    }
    if (fault?.kind === "late-effect") {
      this.#clock.schedule(fault.delayMs, effect);
      throw new StoreUnavailableError("memory store: no answer in time", { reason: "io" });
    }
    return effect();
  }

  /** Ends calls whose fault needs no effect; hands on the fault of the others. */
  async #enter(call: Omit<StoreCall, "index">, signal: AbortSignal): Promise<StoreFault | undefined> {
    signal.throwIfAborted();
    const fault = this.#faults?.({ ...call, index: this.#callCount++ });
    if (fault?.kind === "slow") await this.#clock.sleep(fault.delayMs, signal);
    else if (fault?.kind === "hang") await hang(signal);
    else await Promise.resolve();
    if (this.#service.isDown || fault?.kind === "root") {
      throw new StoreUnavailableError("memory store: the root is missing", { reason: "root" });
    }
    if (fault?.kind === "unavailable") throw new StoreUnavailableError("memory store: 503", { reason: "io" });
    if (fault?.kind === "full") throw new StoreUnavailableError("memory store: no room is left", { reason: "full" });
    return fault;
  }

  #rangeOf(key: ObjectKey, range: ByteRange, fault: StoreFault | undefined): Uint8Array {
    const bytes = this.#bytesOf(key, fault);
    const end = range.position + range.byteLength;
    if (end > bytes.byteLength) {
      throw new CorruptObjectError(key, `ends at byte ${bytes.byteLength}, read up to ${end}`);
    }
    return bytes.subarray(range.position, end);
  }

  #bytesOf(key: ObjectKey, fault: StoreFault | undefined): Uint8Array {
    if (fault?.kind === "lost-answer" || fault?.kind === "late-effect") {
      throw new StoreUnavailableError("memory store: the answer got lost", { reason: "io" });
    }
    const object = fault?.kind === "missing" ? undefined : this.#service.objects.get(key);
    if (object === undefined) throw new ObjectNotFoundError(key);
    return fault?.kind === "short" ? object.bytes.subarray(0, fault.byteLength) : object.bytes;
  }
}

/** Never resolves. */
function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
