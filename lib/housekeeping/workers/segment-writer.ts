import { copiesToReplace, type ReplicaSettings, storesOf } from "#lib/log/commit-rule.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { LogSegment, LogState } from "#lib/log/log-state.ts";
import { uploadEpoch } from "#lib/log/upload-epoch.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { type SegmentSuffix, segmentDirectory, segmentFileKey } from "#lib/storage/object-keys.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { type ComposedLog, type LogRecipe, recipeBytes } from "#lib/storage/segments/compose-log.ts";
import type { SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { transferMs } from "#lib/storage/transfer-time.ts";
import type { ObjectKey, TimestampMs } from "#lib/util/branded.ts";
import { SEGMENT_BYTES_MAX, STORE_PUT_MS_MAX, WORKER_RETRY_MS_MAX } from "#lib/util/limits.ts";
import { type CopyPorts, type NewObject, putEverywhere } from "./copies.ts";

/** What there is to say of a new segment beside its files. */
export interface SegmentOrigin {
  readonly topic: string;
  readonly partitionIndex: number;
  /** The newest of its inputs'. */
  readonly appendedAtMs: TimestampMs;
  readonly isCleaned: boolean;
}

export interface NewSegment extends SegmentOrigin {
  readonly files: SegmentFiles;
}

/** The stores that a partition's objects belong in, and how many of them a command needs. */
export interface Placement {
  readonly state: LogState;
  readonly settings: ReplicaSettings;
}

export interface SegmentWriterPorts extends CopyPorts {
  readonly journals: LogJournals;
  readonly stores: StoreSet;
}

/** Brings the files of new log segments to their stores. What no command names afterwards is garbage. */
export class SegmentWriter {
  readonly #ports: SegmentWriterPorts;
  /** When stores are asked again to make logs, by the monotonic clock. */
  #composesAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: SegmentWriterPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves to the segment as a command may name it: with the stores that have all of its files, as many as a commit needs
   * or more. Fails with `StoreUnavailableError`, or the signal's reason.
   */
  async write(
    { files, ...origin }: NewSegment,
    { state, settings }: Placement,
    signal: AbortSignal,
  ): Promise<LogSegment> {
    const directory = this.#newDirectory(origin);
    const log = { key: segmentFileKey(directory, files.baseOffset, "log"), chunks: files.log };
    const placement = storesOf(state, settings);
    const needed = copiesToReplace(state, settings);
    const objects = [log, ...indexesOf(directory, files)];
    const copies = await putEverywhere({ objects, placement, needed }, this.#ports, signal);
    return segmentOf(origin, files, { directory, copies });
  }

  /**
   * The same without the bytes of the log, which each store makes of what it has; undefined if there is one of them that
   * cannot. Fails as `write` does, and with `ObjectNotFoundError` or `CorruptObjectError`.
   */
  async compose(
    { recipe, ...origin }: SegmentOrigin & { readonly recipe: LogRecipe },
    { state, settings }: Placement,
    signal: AbortSignal,
  ): Promise<LogSegment | undefined> {
    const { clock } = this.#ports;
    const composers = this.#composers({ state, settings });
    if (composers === undefined) return undefined;
    const directory = this.#newDirectory(origin);
    const key = segmentFileKey(directory, recipe.baseOffset, "log");
    // A small log is answered for together with larger ones that are made beside it.
    const byteLength = Math.max(recipeBytes(recipe), SEGMENT_BYTES_MAX);
    using limit = timeLimit(clock, STORE_PUT_MS_MAX + 2 * transferMs(byteLength), signal);
    // Where one store fails, the others' work is for nobody.
    const one = sharedAbortController();
    const signals = AbortSignal.any([limit.signal, one.signal]);
    const [composed] = await Promise.all(composers.map((compose) => compose(key, recipe, signals))).catch(
      (error: unknown) => {
        one.abort(error);
        if (limit.signal.aborted && !signal.aborted) this.#leaveInPeace(key);
        throw error;
      },
    );
    if (composed === undefined) return undefined;
    const objects = indexesOf(directory, composed);
    const copies = await putEverywhere(
      { objects, placement: storesOf(state, settings), needed: copiesToReplace(state, settings) },
      this.#ports,
      signal,
    );
    return segmentOf(origin, composed, { directory, copies });
  }

  /** Whether all stores make logs by themselves, and are worth being asked just now. */
  canCompose(placement: Placement): boolean {
    return this.#composers(placement) !== undefined;
  }

  /** A thread that waits for its disk keeps all behind it waiting as long. */
  #leaveInPeace(key: ObjectKey): void {
    const { clock, logger } = this.#ports;
    this.#composesAtMs = clock.monotonicMs() + WORKER_RETRY_MS_MAX;
    logger.warn("a store does not come to the end of a log: for a while segments are made of what is read from it", {
      key,
      pauseMs: WORKER_RETRY_MS_MAX,
    });
  }

  /** Of all stores of the placement, or undefined. */
  #composers({ state, settings }: Placement): readonly NonNullable<ObjectStore["composeLog"]>[] | undefined {
    const { stores, health, clock } = this.#ports;
    if (clock.monotonicMs() < this.#composesAtMs) return undefined;
    const placement = storesOf(state, settings);
    const composers = placement.flatMap((id) => {
      const store = stores.has(id) && health?.isSuspect(id) !== true ? stores.store(id) : undefined;
      return store?.composeLog === undefined ? [] : [store.composeLog.bind(store)];
    });
    return composers.length === placement.length ? composers : undefined;
  }

  #newDirectory({ topic, partitionIndex }: SegmentOrigin): string {
    const { clock, random, journals } = this.#ports;
    return segmentDirectory({
      uploadEpoch: uploadEpoch(clock, journals),
      // Each segment is an attempt of its own: no two of them ever share a key.
      attemptId: Buffer.from(random.bytes(16)).toString("hex"),
      topic,
      partitionIndex,
    });
  }
}

function indexesOf(directory: string, files: ComposedLog): readonly NewObject[] {
  const file = (suffix: SegmentSuffix, bytes: Uint8Array): NewObject => ({
    key: segmentFileKey(directory, files.baseOffset, suffix),
    chunks: [bytes],
  });
  return [
    file("index", files.index),
    file("timeindex", files.timeIndex),
    ...(files.txnIndex.byteLength > 0 ? [file("txnindex", files.txnIndex)] : []),
  ];
}

function segmentOf(
  { appendedAtMs, isCleaned }: SegmentOrigin,
  files: ComposedLog,
  { directory, copies }: Pick<LogSegment, "directory" | "copies">,
): LogSegment {
  return {
    baseOffset: files.baseOffset,
    nextOffset: files.nextOffset,
    directory,
    byteLength: files.logByteLength,
    indexByteLength: files.index.byteLength,
    timeIndexByteLength: files.timeIndex.byteLength,
    txnIndexByteLength: files.txnIndex.byteLength,
    maxTimestampMs: files.maxTimestampMs,
    appendedAtMs,
    isCleaned,
    copies,
  };
}
