import type { TimestampMs } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { buildBatch } from "./batch-builder.ts";
import { CorruptRecordError } from "./errors.ts";

// The one record of a control batch (Kafka's ControlRecordType, EndTxnMarker.json). Consumers never see them.
//
//   key    int16 version 0 | int16 type: 0 abort, 1 commit; 2 to 6 belong to Kafka's metadata log
//   value  int16 version 0 | int32 coordinatorEpoch      (of abort and commit)
//
// A reader takes a later version for this one and leaves out what follows, as Kafka's does.

const ABORT = 0;
const COMMIT = 1;

export type ControlRecord =
  | { readonly kind: "commit" | "abort"; readonly coordinatorEpoch: number }
  /** A type that ends no transaction. */
  | { readonly kind: "other"; readonly type: number };

export interface EndTxnMarker {
  readonly kind: "commit" | "abort";
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly timestampMs: TimestampMs;
}

/** A whole control batch with one marker, as a Kafka broker appends it to each partition of a transaction. */
export function buildEndTxnMarkerBatch(marker: EndTxnMarker): Uint8Array {
  const type = marker.kind === "commit" ? COMMIT : ABORT;
  const key = new ByteWriter(4).int16(0).int16(type).toBytes();
  const value = new ByteWriter(6).int16(0).int32(marker.coordinatorEpoch).toBytes();
  const producer = { producerId: marker.producerId, producerEpoch: marker.producerEpoch, baseSequence: -1 };
  return buildBatch([{ timestampMs: marker.timestampMs, key, value }], {
    producer,
    isTransactional: true,
    isControl: true,
  });
}

/** Reads key and value of a record from a control batch. Fails with `CorruptRecordError`. */
export function decodeControlRecord(record: KeyAndValue): ControlRecord {
  try {
    return decode(record);
  } catch (cause) {
    if (cause instanceof DecodeError) throw new CorruptRecordError("control record is cut short", { cause });
    throw cause;
  }
}

interface KeyAndValue {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

function decode(record: KeyAndValue): ControlRecord {
  const type = openVersioned(record.key, "key").int16();
  if (type !== COMMIT && type !== ABORT) return { kind: "other", type };
  const coordinatorEpoch = openVersioned(record.value, "value").int32();
  return { kind: type === COMMIT ? "commit" : "abort", coordinatorEpoch };
}

function openVersioned(bytes: Uint8Array | null, what: string): ByteReader {
  if (bytes === null) throw new CorruptRecordError(`control record without a ${what}`);
  const reader = new ByteReader(bytes);
  const version = reader.int16();
  if (version < 0) throw new CorruptRecordError(`control record's ${what} has version ${version}`);
  return reader;
}
