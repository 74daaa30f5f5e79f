import type { MemoryObjectService } from "#lib/adapters/memory/memory-object-store.ts";
import { answerWithin } from "#lib/storage/answer-within.ts";
import type { ByteRange, ObjectListing, ObjectStore, PutResult } from "#lib/storage/object-store.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { type ComposedLog, composeLog, type LogRecipe, type StoredRun } from "#lib/storage/segments/compose-log.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import type { Host } from "./host.ts";
import { callService, type Faults, type Trouble, type Troubles, troubled } from "./network.ts";

/** Calls after which an object is there. */
const CHANGES: ReadonlySet<string> = new Set(["put", "composeLog"]);

/** A bucket and its own misfortunes, shared by all processes. */
export interface StoreWorld {
  readonly id: StoreId;
  readonly service: MemoryObjectService;
  isFull: boolean;
  /** Of its reads, so many find nothing or an object cut short: what a store says of the past is a claim. */
  lossRate: number;
  /** Whether it makes logs by itself, as a directory does and a bucket does not. */
  readonly composes: boolean;
  /** Of the runs that it reads for that, so many are missing, cut short or damaged, and sound when they are read again. */
  misreadRate: number;
  readonly troubles: Troubles;
  /** What any store ever held, by key. */
  readonly archive: Map<ObjectKey, Uint8Array>;
  /** Called in the instant in which objects are deleted, before they are. */
  readonly onDelete?: (keys: readonly ObjectKey[]) => void;
  /** What this store held and lost, and when. */
  readonly lost: Map<ObjectKey, number>;
}

/** One process' way to a store. */
export class SimObjectStore implements ObjectStore {
  readonly composeLog: ObjectStore["composeLog"];
  readonly #store: StoreWorld;
  readonly #host: Host;
  readonly #faults: Faults;
  readonly #answerMsMax: number | undefined;

  /** `answerMsMax`: a call that takes longer is given up, as by every adapter at home. */
  constructor(store: StoreWorld, host: Host, faults: Faults, answerMsMax?: number) {
    this.#store = store;
    this.#host = host;
    this.#faults = faults;
    this.#answerMsMax = answerMsMax;
    if (store.composes) this.composeLog = (key, recipe, signal) => this.#composeLog(key, recipe, signal);
  }

  async putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    const bytes = new Uint8Array(Buffer.concat(chunks));
    return this.#call("put", key, signal, () => this.#put(key, bytes));
  }

  get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    return this.#call("get", key, signal, () => this.#bytesOf(key).slice());
  }

  getRange(
    key: ObjectKey,
    range: ByteRange,
    signal: AbortSignal,
    target = new Uint8Array(range.byteLength),
  ): Promise<Uint8Array> {
    assert(range.position >= 0 && range.byteLength >= 1, "empty range");
    return this.#call("getRange", key, signal, () => {
      const bytes = this.#bytesOf(key);
      const end = range.position + range.byteLength;
      if (end > bytes.byteLength) throw new CorruptObjectError(key, `ends at byte ${bytes.byteLength}`);
      target.set(bytes.subarray(range.position, end));
      return target;
    });
  }

  list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing> {
    return this.#call("list", options.prefix, signal, () => {
      const { service } = this.#store;
      const keys = service.sortedKeys().filter((key) => key.startsWith(options.prefix) && key > options.startAfter);
      const objects = keys.slice(0, options.limit).flatMap((key) => {
        const object = service.objects.get(key);
        return object === undefined
          ? []
          : [{ key, byteLength: object.bytes.byteLength, lastModifiedMs: object.lastModifiedMs }];
      });
      return { objects, isTruncated: keys.length > options.limit };
    });
  }

  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    return this.#call("deleteAll", keys[0] ?? "", signal, () => {
      this.#store.onDelete?.(keys);
      for (const key of keys) this.#store.service.delete(key);
      return new Set(keys);
    });
  }

  /** All is read, and the log appears: anything may happen between. */
  async #composeLog(key: ObjectKey, recipe: LogRecipe, signal: AbortSignal): Promise<ComposedLog> {
    const pieces: Uint8Array[] = [];
    const composed = await this.#call("readRuns", key, signal, () =>
      composeLog(recipe, { read: (run) => this.#runOf(run), append: (bytes) => pieces.push(bytes) }),
    );
    const bytes = new Uint8Array(Buffer.concat(pieces));
    return this.#call("composeLog", key, signal, () => {
      const { kind } = this.#put(key, bytes);
      if (kind !== "written") throw new StoreUnavailableError("the key is taken", { reason: "io" });
      return composed;
    });
  }

  #put(key: ObjectKey, bytes: Uint8Array): PutResult {
    if (this.#store.isFull) throw new StoreUnavailableError("no room is left", { reason: "full" });
    this.#store.archive.set(key, bytes);
    return this.#store.service.put(key, bytes);
  }

  #call<T>(operation: string, key: string, signal: AbortSignal, apply: () => T): Promise<T> {
    const ms = this.#answerMsMax;
    if (ms === undefined) return this.#callOnce(operation, key, signal, apply);
    const { clock } = this.#host;
    return answerWithin({ clock, ms, signal }, (own) => this.#callOnce(operation, key, own, apply));
  }

  #callOnce<T>(operation: string, key: string, signal: AbortSignal, apply: () => T): Promise<T> {
    const { id, service } = this.#store;
    return callService<T>(
      this.#host,
      troubled(this.#faults, this.#trouble),
      {
        isChange: CHANGES.has(operation),
        name: `store ${id} ${operation} ${key}`,
        apply: () => {
          if (service.isDown) throw new StoreUnavailableError("the root is missing", { reason: "root" });
          return apply();
        },
        unavailable: (message) => new StoreUnavailableError(message, { reason: "io" }),
      },
      signal,
    );
  }

  get #trouble(): Trouble | undefined {
    const { troubles } = this.#store;
    return troubles.ofHosts.get(this.#host.name) ?? troubles.ofAll;
  }

  #runOf({ key, position, byteLength }: StoredRun): Buffer {
    const { random } = this.#host;
    const bytes = Buffer.from(this.#bytesOf(key).subarray(position, position + byteLength));
    if (!random.chance(this.#store.misreadRate)) return bytes;
    const trouble = random.below(3);
    if (trouble === 0) throw new ObjectNotFoundError(key);
    if (trouble === 1) return bytes.subarray(0, random.below(byteLength));
    const at = random.below(byteLength);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    return bytes;
  }

  #bytesOf(key: ObjectKey): Uint8Array {
    const { random } = this.#host;
    const isLost = random.chance(this.#store.lossRate);
    const object = isLost && random.chance(0.5) ? undefined : this.#store.service.objects.get(key);
    if (object === undefined) throw new ObjectNotFoundError(key);
    return isLost ? object.bytes.subarray(0, random.below(object.bytes.byteLength)) : object.bytes;
  }
}
