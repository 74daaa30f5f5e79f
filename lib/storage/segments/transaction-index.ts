import { decodeControlRecord } from "#lib/record/control-record.ts";
import { type BatchHeader, lastOffsetOf } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import type { Offset } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { CorruptSegmentError } from "./errors.ts";

// `<base offset>.txnindex` (Kafka's AbortedTxn): entries of 34 bytes, big-endian, in the order of the abort markers in
// the segment's log. There is no such file if there is no such marker.
//
//   0  version           int16   0
//   2  producerId        int64
//  10  firstOffset       int64   of the transaction; it may lie in an earlier segment
//  18  lastOffset        int64   that of the marker
//  26  lastStableOffset  int64   as it was after the marker: where the oldest transaction still open began, or lastOffset + 1

export const ABORTED_TRANSACTION_BYTES = 34;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly lastStableOffset: Offset;
}

/** First offsets of the transactions that are open at one place of a partition, by producer id. */
export type OpenTransactions = ReadonlyMap<number, Offset>;

/** Follows the transactions of a partition from batch to batch. A transaction without a batch before its marker is none. */
export class TransactionTracker {
  readonly #open: Map<number, Offset>;

  constructor(open: OpenTransactions = new Map()) {
    this.#open = new Map(open);
  }

  get open(): OpenTransactions {
    return this.#open;
  }

  /** The transaction that the batch aborts, if it does. `readBatch` brings its bytes; asked for control batches only. */
  add(header: BatchHeader, readBatch: () => Uint8Array): AbortedTransaction | undefined {
    const { producerId, isControl, isTransactional, recordCount } = header;
    if (isControl) return recordCount === 0 ? undefined : this.#end(header, readBatch());
    if (isTransactional && !this.#open.has(producerId)) this.#open.set(producerId, header.baseOffset);
    return undefined;
  }

  #end(header: BatchHeader, batch: Uint8Array): AbortedTransaction | undefined {
    const { producerId } = header;
    const [record] = readRecords(batch);
    const kind = record === undefined ? "other" : decodeControlRecord(record).kind;
    const firstOffset = this.#open.get(producerId);
    if (kind === "other" || firstOffset === undefined) return undefined;
    this.#open.delete(producerId);
    if (kind === "commit") return undefined;
    const lastOffset = lastOffsetOf(header);
    let lastStableOffset = lastOffset + 1;
    for (const offset of this.#open.values()) lastStableOffset = Math.min(lastStableOffset, offset);
    return { producerId, firstOffset, lastOffset, lastStableOffset };
  }
}

export function encodeTransactionIndex(aborted: readonly AbortedTransaction[]): Uint8Array {
  const writer = new ByteWriter(aborted.length * ABORTED_TRANSACTION_BYTES);
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of aborted) {
    writer.int16(0).int64(producerId).int64(firstOffset).int64(lastOffset).int64(lastStableOffset);
  }
  return writer.toBytes();
}

/** Fails with `CorruptSegmentError` on bytes that are no whole entries, on another version, and beyond 2^53. */
export function decodeTransactionIndex(bytes: Uint8Array, baseOffset: Offset): readonly AbortedTransaction[] {
  if (bytes.byteLength % ABORTED_TRANSACTION_BYTES !== 0) {
    throw new CorruptSegmentError(baseOffset, `a transaction index of ${bytes.byteLength} bytes has no whole entries`);
  }
  const reader = new ByteReader(bytes);
  const aborted: AbortedTransaction[] = [];
  try {
    while (reader.remaining > 0) {
      const version = reader.int16();
      if (version !== 0) throw new CorruptSegmentError(baseOffset, `an aborted transaction has version ${version}`);
      aborted.push({
        producerId: reader.int64(),
        firstOffset: reader.int64(),
        lastOffset: reader.int64(),
        lastStableOffset: reader.int64(),
      });
    }
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new CorruptSegmentError(baseOffset, `transaction index: ${cause.message}`, { cause });
  }
  return aborted;
}
