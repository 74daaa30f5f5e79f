import type { LogSegment } from "#lib/log/log-state.ts";
import { segmentKey } from "#lib/log/segments.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { SegmentSuffix } from "#lib/storage/object-keys.ts";
import { CorruptObjectError, ObjectNotFoundError } from "#lib/storage/object-store.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { unreachable } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { problemOf } from "./copy-checks.ts";

export type IndexSuffix = Exclude<SegmentSuffix, "log">;

export interface RebuildParts {
  readonly segment: LogSegment;
  readonly suffix: IndexSuffix;
  /** The stores that may have the log, in the order in which they are asked. */
  readonly stores: readonly StoreId[];
  /** Reads a whole object at a store. */
  readonly read: (id: StoreId, key: ObjectKey) => Promise<Uint8Array>;
  readonly clock: Clock;
}

/**
 * An index made again from its segment's log, byte for byte what it was: whoever writes segments makes the indexes of the
 * log alone. `lost`: no store has the log as it was written, or transactions from before it would have to be known.
 * `unavailable`: a store that may have it does not answer.
 */
export async function rebuildIndex(
  { segment, suffix, stores, read, clock }: RebuildParts,
  signal: AbortSignal,
): Promise<Uint8Array | "lost" | "unavailable"> {
  const key = segmentKey(segment, "log");
  let failure: "lost" | "unavailable" = "lost";
  for (const id of stores) {
    try {
      const log = await read(id, key);
      const problem = await problemOf(log, { key, byteLength: segment.byteLength }, clock);
      const index = problem === undefined ? indexOf(segment, suffix, log) : undefined;
      if (index !== undefined) return index;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ObjectNotFoundError || error instanceof CorruptObjectError) continue;
      if (!(error instanceof LogError)) throw error;
      if (error.kind !== "corrupt") failure = "unavailable";
    }
  }
  return failure;
}

/** Undefined unless log and index are what the state says of them. */
function indexOf(segment: LogSegment, suffix: IndexSuffix, log: Uint8Array): Uint8Array | undefined {
  const builder = new SegmentBuilder({ baseOffset: segment.baseOffset });
  builder.add([log]);
  const { nextOffset, index, timeIndex, txnIndex } = builder.finish();
  if (nextOffset !== segment.nextOffset) return undefined;
  switch (suffix) {
    case "index":
      return index.byteLength === segment.indexByteLength ? index : undefined;
    case "timeindex":
      return timeIndex.byteLength === segment.timeIndexByteLength ? timeIndex : undefined;
    case "txnindex":
      return txnIndex.byteLength === segment.txnIndexByteLength ? txnIndex : undefined;
    default:
      return unreachable(suffix);
  }
}
