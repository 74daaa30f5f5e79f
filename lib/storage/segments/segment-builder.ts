import { lastOffsetOf, MAGIC_V2 } from "#lib/record/record-batch.ts";
import { assert } from "#lib/util/assert.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { INDEX_INTERVAL_BYTES } from "#lib/util/limits.ts";
import { BatchWalk } from "./batch-walk.ts";
import { OffsetIndexWriter } from "./offset-index.ts";
import { TimeIndexWriter } from "./time-index.ts";
import {
  type AbortedTransaction,
  encodeTransactionIndex,
  type OpenTransactions,
  TransactionTracker,
} from "./transaction-index.ts";

// A log segment in the making: Kafka's LogSegment as its recovery builds the indexes anew from the log. The .log is the
// batches one after another, as they are stored in Kafka: magic 2, true offsets, leader epoch 0. They may leave offsets out.

export interface SegmentFiles {
  readonly baseOffset: Offset;
  /** Where the last batch ends. */
  readonly nextOffset: Offset;
  /** The very views that were added. */
  readonly log: readonly Uint8Array[];
  readonly logByteLength: number;
  readonly index: Uint8Array;
  readonly timeIndex: Uint8Array;
  /** Empty: there is no such file. */
  readonly txnIndex: Uint8Array;
  /** -1: no record has one. */
  readonly maxTimestampMs: TimestampMs;
  readonly batchCount: number;
}

export interface SegmentBuilderOptions {
  readonly baseOffset: Offset;
  /** Kafka's `index.interval.bytes`: an index entry follows more than so many bytes. Default 4,096. */
  readonly indexIntervalBytes?: number;
  /** Transactions that began in earlier segments and go on in this one. Default: none. */
  readonly openTransactions?: OpenTransactions;
}

export class SegmentBuilder {
  readonly #baseOffset: Offset;
  readonly #indexIntervalBytes: number;
  readonly #log: Uint8Array[] = [];
  readonly #index: OffsetIndexWriter;
  readonly #times: TimeIndexWriter;
  readonly #transactions: TransactionTracker;
  readonly #aborted: AbortedTransaction[] = [];
  #byteLength = 0;
  #bytesSinceEntry = 0;
  #nextOffset: Offset;
  #batchCount = 0;

  constructor({ baseOffset, indexIntervalBytes = INDEX_INTERVAL_BYTES, openTransactions }: SegmentBuilderOptions) {
    this.#baseOffset = baseOffset;
    this.#nextOffset = baseOffset;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#index = new OffsetIndexWriter(baseOffset);
    this.#times = new TimeIndexWriter(baseOffset);
    this.#transactions = new TransactionTracker(openTransactions);
  }

  /** Of the .log so far. */
  get byteLength(): number {
    return this.#byteLength;
  }

  get nextOffset(): Offset {
    return this.#nextOffset;
  }

  /** Those that the next segment begins with. */
  get openTransactions(): OpenTransactions {
    return this.#transactions.open;
  }

  /**
   * Appends whole batches with their true offsets and leader epoch 0, ascending; their CRCs are the caller's business.
   * The chunks, cut anywhere, are kept as they are. Fails with `CorruptRecordError` on a broken control record.
   */
  add(chunks: readonly Uint8Array[]): void {
    const walk = new BatchWalk(chunks);
    while (walk.next()) this.#addBatch(walk);
    assert(walk.remaining === 0, "only whole batches are added to a segment");
    for (const chunk of chunks) this.#log.push(chunk);
  }

  /** At least one batch was added. */
  finish(): SegmentFiles {
    assert(this.#batchCount > 0, "a segment has at least one batch");
    this.#times.append();
    return {
      baseOffset: this.#baseOffset,
      nextOffset: this.#nextOffset,
      log: this.#log,
      logByteLength: this.#byteLength,
      index: this.#index.toBytes(),
      timeIndex: this.#times.toBytes(),
      txnIndex: encodeTransactionIndex(this.#aborted),
      maxTimestampMs: this.#times.maxTimestampMs,
      batchCount: this.#batchCount,
    };
  }

  #addBatch(walk: BatchWalk): void {
    const { header } = walk;
    const lastOffset = lastOffsetOf(header);
    assert(header.magic === MAGIC_V2 && header.partitionLeaderEpoch === 0, "batches have magic 2 and leader epoch 0");
    assert(
      header.baseOffset >= this.#nextOffset && lastOffset >= header.baseOffset,
      `a batch from ${header.baseOffset} to ${lastOffset} follows offset ${this.#nextOffset}`,
    );
    if (header.recordCount > 0) this.#times.note(header.maxTimestamp, lastOffset);
    if (this.#bytesSinceEntry > this.#indexIntervalBytes) {
      this.#index.append(lastOffset, this.#byteLength);
      this.#times.append();
      this.#bytesSinceEntry = 0;
    }
    const aborted = this.#transactions.add(header, () => joinChunks(walk.views(0)));
    if (aborted !== undefined) this.#aborted.push(aborted);
    this.#bytesSinceEntry += walk.byteLength;
    this.#byteLength += walk.byteLength;
    this.#nextOffset = lastOffset + 1;
    this.#batchCount++;
  }
}
