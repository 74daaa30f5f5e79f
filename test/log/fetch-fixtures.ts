import { keptBatchSizes } from "#lib/log/batch-sizes.ts";
import type { EntryPlace, WriteAheadEntry } from "#lib/log/log-state.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { patchBaseOffset, patchLeaderEpoch, readBatchHeader } from "#lib/record/record-batch.ts";
import { objectKey } from "#lib/util/branded.ts";
import { flushIdOf } from "./log-fixtures.ts";

/** A batch as the door hands it on: base offset and leader epoch 0. */
export function storedBatch(options: { readonly recordCount?: number; readonly valueBytes?: number } = {}): Uint8Array {
  const { recordCount = 1, valueBytes = 10 } = options;
  const records = Array.from({ length: recordCount }, (_, index) => ({
    timestampMs: 1_000 + index,
    key: null,
    value: Buffer.alloc(valueBytes, index),
  }));
  return buildBatch(records, { partitionLeaderEpoch: 0 });
}

/** The batch as a reader must see it at `baseOffset`. */
export function servedBatch(batch: Uint8Array, baseOffset: number): Uint8Array {
  const served = Uint8Array.prototype.slice.call(batch);
  patchBaseOffset(served, 0, baseOffset);
  patchLeaderEpoch(served, 0, 0);
  return served;
}

export function objectPlace(n: number): EntryPlace {
  return { kind: "object", key: objectKey(`wal/${n}`), flushId: flushIdOf(n), byteLength: 1_000_000, copies: [0] };
}

export function entryOf(
  batches: readonly Uint8Array[],
  fields: { readonly baseOffset: number; readonly position?: number; readonly place?: EntryPlace },
): WriteAheadEntry {
  const headers = batches.map((batch) => readBatchHeader(batch));
  const sizes = headers.map((header) => ({
    byteLength: header.sizeBytes,
    offsetCount: header.lastOffsetDelta + 1,
  }));
  return {
    baseOffset: fields.baseOffset,
    nextOffset: fields.baseOffset + sizes.reduce((sum, size) => sum + size.offsetCount, 0),
    place: fields.place ?? objectPlace(0),
    position: fields.position ?? 0,
    byteLength: sizes.reduce((sum, size) => sum + size.byteLength, 0),
    maxTimestampMs: Math.max(...headers.map((header) => header.maxTimestamp)),
    appendedAtMs: 0,
    batches: keptBatchSizes(sizes),
  };
}

export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(chunks);
}
