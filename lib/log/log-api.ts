import type { ErrorCode } from "#lib/protocol/error-code.ts";
import type { BatchHeader } from "#lib/record/record-batch.ts";
import type { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import type { TopicPlacement } from "./partition-directory.ts";

// What doors (lib/broker, lib/http) see of the log.

/** One validated batch for one partition. */
export interface PartitionAppend {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  readonly header: BatchHeader;
  /** The whole batch, base offset and leader epoch 0. Must not change any more: readers will see these very bytes. */
  readonly bytes: Uint8Array;
}

export type AppendAnswer =
  | {
      readonly kind: "appended" | "duplicate";
      readonly baseOffset: Offset;
      readonly logStartOffset: Offset;
    }
  | { readonly kind: "refused"; readonly error: ErrorCode; readonly message?: string };

export interface AppendOptions {
  /** Aborts when the connection closes or the request's time is over. */
  readonly signal: AbortSignal;
  /** acks=1 and acks=0 skip the refusal by `min.insync.replicas`, nothing else. */
  readonly requireMinInsync: boolean;
}

export interface Appender {
  /** Resolves when every batch is committed or refused; the answers stand in the order of `appends`. Never rejects. */
  append(appends: readonly PartitionAppend[], options: AppendOptions): Promise<readonly AppendAnswer[]>;
  /** Bytes accepted and not yet answered. */
  readonly pendingBytes: number;
  /** Resolves when `pendingBytes` is below its limit: wait for it before reading more from a client. */
  whenBelowLimit(): Promise<void>;
  /** Resolves when all that was accepted is answered. */
  drain(): Promise<void>;
}

export interface PartitionFetch {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  readonly fetchOffset: Offset;
  readonly bytesMax: number;
}

export interface FetchOptions {
  readonly bytesMax: number;
  readonly bytesMin: number;
  readonly waitMsMax: number;
  /** Bounded by the last stable offset. */
  readonly readCommitted: boolean;
  readonly signal: AbortSignal;
  /** The answer's records stay until it is released, or for good without it. */
  readonly borrowed?: Borrowed;
}

export interface FetchedPartition {
  readonly error: ErrorCode;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStartOffset: Offset;
  /** Whole batches with their true base offsets, as chunks in order; the first batch may begin before `fetchOffset`. */
  readonly records: readonly Uint8Array[];
  readonly recordsByteLength: number;
}

export interface Fetcher {
  /** One answer a partition, in the order asked; later partitions get less when `bytesMax` is used up. */
  fetch(partitions: readonly PartitionFetch[], options: FetchOptions): Promise<readonly FetchedPartition[]>;
}

export type OffsetSpec =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest"; readonly readCommitted: boolean }
  | { readonly kind: "max-timestamp" }
  | { readonly kind: "at-time"; readonly timestampMs: TimestampMs };

export interface PartitionOffsetQuery {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  readonly spec: OffsetSpec;
}

export interface FoundOffset {
  readonly error: ErrorCode;
  /** -1 if there is none, as in Kafka. */
  readonly offset: Offset;
  /** Of the record found by time; -1 otherwise. */
  readonly timestampMs: TimestampMs;
}

export interface OffsetLister {
  listOffsets(queries: readonly PartitionOffsetQuery[], signal: AbortSignal): Promise<readonly FoundOffset[]>;
}

/** A request to forget the records at the beginning of a partition. */
export interface RecordDeletion {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
  /** The first offset to keep. */
  readonly beforeOffset: Offset | "high-watermark";
}

export interface DeletedRecords {
  /** OFFSET_OUT_OF_RANGE below 0 and beyond the high watermark; REQUEST_TIMED_OUT if nobody knows what became of it. */
  readonly error: ErrorCode;
  /** The first offset that is left; -1 with an error. */
  readonly logStartOffset: Offset;
}

export interface RecordDeleter {
  /** In the order of `deletions`, each for itself. An offset below the first one that is left changes nothing. */
  deleteRecords(deletions: readonly RecordDeletion[], signal: AbortSignal): Promise<readonly DeletedRecords[]>;
}

export interface DescribedPartition {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
}

/** What a partition remembers of an idempotent producer. */
export interface DescribedProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  /** The highest timestamp of its last batch. */
  readonly lastTimestampMs: TimestampMs;
}

export interface PartitionProducers {
  readonly error: ErrorCode;
  readonly producers: readonly DescribedProducer[];
}

export interface PartitionSize {
  readonly error: ErrorCode;
  /** Of all batches that can still be read, the whole of the first one included. */
  readonly byteLength: number;
}

/** Answers stand in the order of `partitions`. All reject only if aborted. */
export interface PartitionDescriber {
  producers(partitions: readonly DescribedPartition[], signal: AbortSignal): Promise<readonly PartitionProducers[]>;
  sizes(partitions: readonly DescribedPartition[], signal: AbortSignal): Promise<readonly PartitionSize[]>;
}
