import { buildBatch } from "#lib/record/batch-builder.ts";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import { buildEndTxnMarkerBatch } from "#lib/record/control-record.ts";
import type { NewRecord } from "#lib/record/record.ts";
import {
  BATCH_HEADER_BYTES,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  patchBaseOffset,
  patchLeaderEpoch,
  RECORD_COUNT_AT,
  sumBatch,
} from "#lib/record/record-batch.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";

// Batches as they stand in a log segment, of all kinds that may stand there.

export interface CraftedBatch {
  readonly bytes: Uint8Array;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  /** Of its records; none: what cleaning or a loss left. */
  readonly timestamps: readonly TimestampMs[];
}

export interface DataBatch {
  readonly timestamps: readonly TimestampMs[];
  /** Of each value; default 10. */
  readonly valueBytes?: number;
  readonly codec?: CompressionCodec;
  /** Of each value, in place of one of ours. */
  readonly text?: string;
  /** Offsets at its end whose records are cleaned away. */
  readonly missing?: number;
  readonly logAppendTimeMs?: TimestampMs;
  /** Makes it a part of that producer's transaction. */
  readonly producerId?: number;
}

const encoder = new TextEncoder();

export function dataBatch(baseOffset: Offset, options: DataBatch): CraftedBatch {
  const { timestamps, valueBytes = 10, codec = "none", missing = 0, logAppendTimeMs, producerId, text } = options;
  const records = timestamps.map((timestampMs, index): NewRecord => {
    const key = encoder.encode(`key-${(baseOffset + index) % 7}`);
    const value = encoder.encode(text ?? `${baseOffset + index} `.padEnd(valueBytes, "abc").slice(0, valueBytes));
    return { timestampMs, key, value, headers: [{ key: "n", value: encoder.encode(String(index)) }] };
  });
  const bytes = buildBatch(records, {
    codec,
    baseOffset,
    partitionLeaderEpoch: 0,
    ...(logAppendTimeMs === undefined ? {} : { logAppendTimeMs }),
    ...(producerId === undefined
      ? {}
      : { isTransactional: true, producer: { producerId, producerEpoch: 3, baseSequence: baseOffset % 1_000 } }),
  });
  const delta = records.length - 1 + missing;
  const known = logAppendTimeMs === undefined ? timestamps : timestamps.map(() => logAppendTimeMs);
  return crafted(baseOffset, patched(bytes, delta, records.length), known);
}

/** A batch that takes `count` offsets and has no records. */
export function emptyBatch(baseOffset: Offset, count: number, timestampMs: TimestampMs): CraftedBatch {
  const { bytes } = dataBatch(baseOffset, { timestamps: [timestampMs] });
  const header = Buffer.from(bytes.subarray(0, BATCH_HEADER_BYTES));
  header.writeInt32BE(BATCH_HEADER_BYTES - 12, 8);
  return crafted(baseOffset, patched(header, count - 1, 0), []);
}

export function markerBatch(
  baseOffset: Offset,
  marker: { readonly kind: "commit" | "abort"; readonly producerId: number; readonly timestampMs: TimestampMs },
): CraftedBatch {
  const bytes = buildEndTxnMarkerBatch({ ...marker, producerEpoch: 3, coordinatorEpoch: 1 });
  patchBaseOffset(bytes, 0, baseOffset);
  patchLeaderEpoch(bytes, 0, 0);
  return crafted(baseOffset, bytes, [marker.timestampMs]);
}

function patched(bytes: Uint8Array, lastOffsetDelta: number, recordCount: number): Uint8Array {
  const batch = Buffer.from(bytes);
  batch.writeInt32BE(lastOffsetDelta, LAST_OFFSET_DELTA_AT);
  batch.writeInt32BE(recordCount, RECORD_COUNT_AT);
  batch.writeUInt32BE(sumBatch(batch), CRC_AT);
  return batch;
}

function crafted(baseOffset: Offset, bytes: Uint8Array, timestamps: readonly TimestampMs[]): CraftedBatch {
  const lastOffset = baseOffset + Buffer.from(bytes).readInt32BE(LAST_OFFSET_DELTA_AT);
  return { bytes, baseOffset, lastOffset, timestamps };
}
