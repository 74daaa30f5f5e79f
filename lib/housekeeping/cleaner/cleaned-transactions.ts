import { decodeControlRecord } from "#lib/record/control-record.ts";
import type { BatchHeader } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import type { AbortedTransaction } from "#lib/storage/segments/transaction-index.ts";
import { defined } from "#lib/util/assert.ts";
import type { Offset } from "#lib/util/branded.ts";

/**
 * Follows the transactions of a partition from batch to batch as the cleaner reads on (Kafka's CleanedTransactionMetadata):
 * which batches nobody will ever read, and which markers end nothing that is left.
 */
export class CleanedTransactions {
  /** Ascending by their first offsets. */
  readonly #aborted: readonly AbortedTransaction[];
  #nextAborted = 0;
  /** By producer: whether a batch of its transaction that will be aborted has been seen. */
  readonly #aborting = new Map<number, boolean>();
  /** Producers of whose transactions that will be committed a batch has been seen. */
  readonly #committing = new Set<number>();

  /** `aborted`: what the transaction indexes name, of all transactions that begin in what will be read. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** True: the batch, which is no control batch, belongs to a transaction that was aborted. */
  addData(header: BatchHeader): boolean {
    this.#begin(header.baseOffset + header.lastOffsetDelta);
    const { producerId, isTransactional } = header;
    if (!isTransactional) return false;
    const isAborted = this.#aborting.has(producerId);
    if (isAborted) this.#aborting.set(producerId, true);
    else this.#committing.add(producerId);
    return isAborted;
  }

  /** True: the control batch ends a transaction of which no batch is left, or is an empty one. Fails as `readRecords` does. */
  addMarker(header: BatchHeader, batch: Uint8Array): boolean {
    this.#begin(header.baseOffset + header.lastOffsetDelta);
    if (header.recordCount === 0) return true;
    const [record] = readRecords(batch);
    const { kind } = decodeControlRecord(defined(record, "control record"));
    const { producerId } = header;
    if (kind === "commit") return !this.#committing.delete(producerId);
    if (kind !== "abort") return false;
    const hasData = this.#aborting.get(producerId) === true;
    this.#aborting.delete(producerId);
    return !hasData;
  }

  #begin(offset: Offset): void {
    for (;;) {
      const next = this.#aborted[this.#nextAborted];
      if (next === undefined || next.firstOffset > offset) return;
      if (!this.#aborting.has(next.producerId)) this.#aborting.set(next.producerId, false);
      this.#nextAborted++;
    }
  }
}
