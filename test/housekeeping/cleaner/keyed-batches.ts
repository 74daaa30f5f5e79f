import { buildBatch } from "#lib/record/batch-builder.ts";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import type { NewRecord } from "#lib/record/record.ts";

export const NOON = Date.UTC(2026, 0, 1, 12);

export interface KeyedBatch {
  readonly codec?: CompressionCodec;
  readonly timestampMs?: number;
  readonly logAppendTimeMs?: number;
  /** Makes it a part of that producer's transaction. */
  readonly producerId?: number;
}

/** One batch at `baseOffset` of a record for each of `records`: `a=1`, or `a=` for a tombstone, or `=1` for no key. */
export function keyed(baseOffset: number, records: string, options: KeyedBatch = {}): Uint8Array {
  const { codec = "none", timestampMs = NOON, logAppendTimeMs, producerId } = options;
  const made = records.split(" ").map((text, index): NewRecord => {
    const [key = "", value = ""] = text.split("=");
    return {
      timestampMs: timestampMs + index,
      key: key === "" ? null : Buffer.from(key),
      value: value === "" ? null : Buffer.from(value),
    };
  });
  return buildBatch(made, {
    codec,
    baseOffset,
    partitionLeaderEpoch: 0,
    ...(logAppendTimeMs === undefined ? {} : { logAppendTimeMs }),
    ...(producerId === undefined
      ? {}
      : { isTransactional: true, producer: { producerId, producerEpoch: 0, baseSequence: 0 } }),
  });
}
