import type { Offset, TimestampMs } from "#lib/util/branded.ts";

// One record within a batch of magic 2 (Kafka's DefaultRecord). All numbers but the attributes are zigzag varints.
//
//   length            bytes after this field
//   attributes        int8, unused
//   timestampDelta    to the batch's baseTimestamp; may be negative
//   offsetDelta       to the batch's baseOffset
//   keyLength  key    length -1: null
//   valueLength value length -1: null
//   headerCount
//   headers           keyLength key, valueLength value; a key is UTF-8 and never null, a value may be

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record on its way into a batch. */
export interface NewRecord {
  /** CreateTime; -1 for none. */
  readonly timestampMs: TimestampMs;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

/** A record read from a batch. Its byte arrays are views into the batch, or into its decompressed section. */
export interface StoredRecord {
  readonly offset: Offset;
  /** The batch's max timestamp if its type is LogAppendTime. */
  readonly timestampMs: TimestampMs;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}
