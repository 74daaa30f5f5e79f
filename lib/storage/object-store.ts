import type { ObjectKey, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { ComposedLog, LogRecipe } from "./segments/compose-log.ts";

export type PutResult = { readonly kind: "written" } | { readonly kind: "already-exists" };

export interface ByteRange {
  readonly position: number;
  /** At least 1. */
  readonly byteLength: number;
}

export interface ObjectSummary {
  readonly key: ObjectKey;
  readonly byteLength: number;
  readonly lastModifiedMs: TimestampMs;
}

export interface ObjectListing {
  /** In ascending order of the keys' bytes. */
  readonly objects: readonly ObjectSummary[];
  /** Whether more keys follow the last one listed. */
  readonly isTruncated: boolean;
}

/**
 * Immutable objects under unique keys: one bucket, or one directory.
 *
 * Every method may fail with `StoreUnavailableError`. Every implementation passes `test/contract/object-store.ts`.
 */
export interface ObjectStore {
  /**
   * How often something else has been found in the store's place since it was opened, be it as good: what lay there before
   * need not lie there any more. Left out where nobody looks.
   */
  readonly replacedCount?: number;
  /**
   * Writes the concatenation of `chunks` unless the key exists. Durable once answered, and no partial object is ever
   * visible. Safe to retry: a lost answer shows up as `already-exists`. The chunks must not change until the answer.
   */
  putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult>;
  /**
   * Writes under a new key the log that `recipe` makes of objects of this store, durable and whole once answered, without
   * their bytes coming by here. Fails with `ObjectNotFoundError` or `CorruptObjectError` for one of those, and then has
   * written nothing. Left out where nothing is gained by it.
   */
  readonly composeLog?: ((key: ObjectKey, recipe: LogRecipe, signal: AbortSignal) => Promise<ComposedLog>) | undefined;
  /** Reads the whole object. Fails with `ObjectNotFoundError`. */
  get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Reads exactly `range`. Fails with `ObjectNotFoundError`, or `CorruptObjectError` if the object ends early. May read
   * into `target`, which is as long as the range; then it answers it, and if it fails it may still be writing to it. Where
   * `target` is page memory, what lies behind it in its last page may be overwritten too.
   */
  getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array>;
  /** Lists keys that begin with `prefix` and come after `startAfter` ("" for the beginning), `limit` at most. */
  list(
    options: { readonly prefix: string; readonly startAfter: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<ObjectListing>;
  /** Deletes every key; a missing key counts as deleted. Returns the keys confirmed gone. */
  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>>;
}

export class ObjectNotFoundError extends LogError {
  override readonly name = "ObjectNotFoundError";
  override readonly kind = "conflict";
  readonly key: ObjectKey;

  constructor(key: ObjectKey) {
    super(`object ${key} does not exist`);
    this.key = key;
  }
}

export class CorruptObjectError extends LogError {
  override readonly name = "CorruptObjectError";
  override readonly kind = "corrupt";
  readonly key: ObjectKey;

  constructor(key: ObjectKey, reason: string) {
    super(`object ${key}: ${reason}`);
    this.key = key;
  }
}

/** The store gives no answer or refuses for now: missing or foreign root, disk full, time-out, 5xx. */
export class StoreUnavailableError extends LogError {
  override readonly name = "StoreUnavailableError";
  override readonly kind = "unavailable";
  /** `full`: there is no room; `root`: the store itself is missing or another one; `io`: anything else. */
  readonly reason: "full" | "root" | "io";

  constructor(message: string, options: { readonly reason: "full" | "root" | "io"; readonly cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = options.reason;
  }
}
