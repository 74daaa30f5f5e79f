import { unreachable } from "#lib/util/assert.ts";
import type {
  BrokerId,
  FlushId,
  JournalSeq,
  ObjectKey,
  Offset,
  StoreId,
  TimestampMs,
  TopicId,
} from "#lib/util/branded.ts";

// The folded state of one log journal: every open partition that lives there. Mutable on purpose and by the fold alone.

export interface LogState {
  /** Stores that hold this journal's objects, preferred one first. Empty until the first `PlaceReplicas`. */
  replicas: readonly StoreId[];
  /** The stores of `replicas` that hold everything committed. */
  isr: readonly StoreId[];
  /** Rises by one with each change of the ISR. */
  isrEpoch: number;
  /** Replaced as a whole by each election. */
  leader: LeaderState;
  /** The highest cluster sequence number of any `Drop`; an older `Open` is refused, so no stale view revives a topic. */
  lastDropSeq: JournalSeq;
  /** The latest `proposedAtMs` of any append: the state's only notion of now. */
  latestProposedAtMs: TimestampMs;
  /** Objects of this upload epoch and of earlier ones are not taken any more; -1 before the first `Retire`. */
  retireFloor: number;
  /** Key: `partitionKey`. Insertion order is part of the state. */
  readonly partitions: Map<string, PartitionState>;
}

/** The broker that appends and replicates for the journal while all goes well: a hint, which no append depends on. */
export interface LeaderState {
  /** -1: none. */
  readonly brokerId: BrokerId;
  /** Number of the cluster record that registered that process of the broker; 0 if there is none. */
  readonly brokerEpoch: JournalSeq;
  /** The leader epoch of all partitions here: 0 before the first election, one more with each. */
  readonly epoch: number;
  /** The cluster journal's number at which the elector saw the brokers so. */
  readonly clusterSeq: JournalSeq;
}

export interface PartitionState {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  replicationFactor: number;
  minInsyncReplicas: number;
  /** Cluster sequence number of the view that opened it or changed its settings last. */
  openedSeq: JournalSeq;
  logStartOffset: Offset;
  /** The high watermark too: nothing is committed below its copies. */
  logEndOffset: Offset;
  /** Highest timestamp among all records, and -1 before the first. */
  maxTimestampMs: TimestampMs;
  /** In ascending offsets, without holes between them and up to the first entry. The log start may lie in the first. */
  readonly segments: LogSegment[];
  /** Write-ahead entries in ascending offsets, without holes between them, behind the segments. */
  readonly entries: WriteAheadEntry[];
  readonly producers: Map<number, ProducerState>;
  /** While the cleaner is in the middle of the log. */
  cleaning?: CleaningPass | undefined;
}

/**
 * How far a pass of the cleaner has come: no record of the segments below `cleanedUntil` has a later one of its key below
 * `endOffset`. That stays true whatever happens, so another process may go on from there.
 */
export interface CleaningPass {
  readonly cleanedUntil: Offset;
  /** Behind `cleanedUntil`: where the pass ends. */
  readonly endOffset: Offset;
}

/** A log segment: `<base offset>.log` and its indexes, which lie in one directory (docs/FORMATS.md). */
export interface LogSegment {
  readonly baseOffset: Offset;
  /** One past the last offset; the last batch of the log ends here. */
  readonly nextOffset: Offset;
  /** `segments/<upload epoch>/<attempt id>/<topic>-<partition>`; empty for what is lost. */
  readonly directory: string;
  readonly byteLength: number;
  readonly indexByteLength: number;
  readonly timeIndexByteLength: number;
  /** 0: there is no such file. */
  readonly txnIndexByteLength: number;
  /** -1: no record has one. */
  readonly maxTimestampMs: TimestampMs;
  /** When the newest of its records were appended, by the journal service's clock. */
  readonly appendedAtMs: TimestampMs;
  /** Made by the cleaner: of each key one record is left up to its end. */
  readonly isCleaned: boolean;
  /** The stores that had all its files when it was taken. None: every copy is lost, and somebody has said so. */
  readonly copies: readonly StoreId[];
}

/** A run of consecutive batches that one flush brought to one partition: one byte range of one place. */
export interface WriteAheadEntry {
  readonly baseOffset: Offset;
  /** One past the last record. */
  readonly nextOffset: Offset;
  readonly place: EntryPlace;
  /** Where the run begins in the object, or in the inlined bytes of the command. */
  readonly position: number;
  readonly byteLength: number;
  readonly maxTimestampMs: TimestampMs;
  /** When the flush was proposed, by the journal service's clock. */
  readonly appendedAtMs: TimestampMs;
  /**
   * For each batch of the run, two uvarints: its bytes and its offsets (last offset delta + 1). About five bytes a
   * batch, so that a million small batches do not become a million objects in memory. Empty (`ONE_BATCH`) where the run is
   * one batch, whose sizes are the entry's.
   */
  readonly batches: Uint8Array;
}

export type EntryPlace =
  | WriteAheadObject
  /** The bytes travel in the journal record itself. */
  | { readonly kind: "inline"; readonly seq: JournalSeq; readonly indexInRecord: number }
  /** Every copy is lost, and somebody has said so: readers get empty batches (lost-batches.ts). */
  | { readonly kind: "lost" };

export interface WriteAheadObject {
  readonly kind: "object";
  readonly key: ObjectKey;
  readonly flushId: FlushId;
  readonly byteLength: number;
  /** The stores that had it when the flush was committed. */
  readonly copies: readonly StoreId[];
}

export interface ProducerState {
  readonly producerId: number;
  producerEpoch: number;
  /** The newest last, `PRODUCER_BATCHES_KEPT` at most; only the newest one counts once the producer is idle. */
  batches: ProducedBatch[];
  lastSeenMs: TimestampMs;
}

/** What a partition remembers of a producer's batch, to know it again. */
export interface ProducedBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: Offset;
  readonly timestampMs: TimestampMs;
}

export function partitionKey(topicId: TopicId, partitionIndex: number): string {
  return `${topicId}:${partitionIndex}`;
}

/** For messages; two entries of one partition with the same name lie in the same place. */
export function placeName(place: EntryPlace): string {
  switch (place.kind) {
    case "object":
      return place.key;
    case "inline":
      return `record ${place.seq} command ${place.indexInRecord}`;
    case "lost":
      return "no place";
    default:
      return unreachable(place);
  }
}
