import type { ErrorCode } from "#lib/protocol/error-code.ts";
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
import type { CleaningPass, LogSegment } from "./log-state.ts";

export type LogCommand =
  | PlaceReplicasCommand
  | OpenCommand
  | DropCommand
  | AppendCommand
  | AdvanceLogStartCommand
  | ElectCommand
  | AlterIsrCommand
  | DeclareLostCommand
  | AddReplicasCommand
  | ReplaceCommand
  | GatherCommand
  | RetireCommand
  | ExpireProducersCommand
  | NoteCleaningCommand;

/**
 * Names the journal's stores. Accepted once; again it is `done` if it names the same, else refused with
 * INVALID_REPLICA_ASSIGNMENT: replicas do not move.
 */
export interface PlaceReplicasCommand {
  readonly kind: "place-replicas";
  readonly replicas: readonly StoreId[];
}

/**
 * Makes partitions of a topic known here, or brings their settings up to a newer view of the cluster journal. Refused
 * with UNKNOWN_TOPIC_ID if the view is older than a `Drop`: look at the cluster journal again.
 */
export interface OpenCommand {
  readonly kind: "open";
  readonly topicId: TopicId;
  readonly partitionIndexes: readonly number[];
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** The cluster journal's number at which the proposer saw the topic so. */
  readonly clusterSeq: JournalSeq;
}

/** Forgets every partition of a topic that lives here. */
export interface DropCommand {
  readonly kind: "drop";
  readonly topicId: TopicId;
  /** The cluster journal's number that marked the topic for deletion. */
  readonly clusterSeq: JournalSeq;
}

/** Makes one flush visible. */
export interface AppendCommand {
  readonly kind: "append";
  readonly flushId: FlushId;
  readonly source: AppendSource;
  readonly parts: readonly AppendPart[];
}

export type AppendSource =
  | {
      readonly kind: "object";
      readonly key: ObjectKey;
      readonly byteLength: number;
      readonly copies: readonly StoreId[];
    }
  /** The batches themselves, one after another. */
  | { readonly kind: "inline"; readonly bytes: Uint8Array };

/** What a flush brings to one partition: consecutive batches in one byte range of the source. */
export interface AppendPart {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly position: number;
  readonly batches: readonly AppendBatch[];
}

/** What the fold must know of a batch: the facts of its header. */
export interface AppendBatch {
  readonly byteLength: number;
  /** Offsets that it takes: last offset delta + 1. */
  readonly offsetCount: number;
  readonly maxTimestampMs: TimestampMs;
  /** -1 without idempotence; then epoch and sequence are -1 too. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  /** acks=all: refused if `min.insync.replicas` cannot be met. */
  readonly requireMinInsync: boolean;
}

/** Removes records below an offset (DeleteRecords, retention). */
export interface AdvanceLogStartCommand {
  readonly kind: "advance-log-start";
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly logStartOffset: Offset;
}

/**
 * Names the journal's leader and raises the leader epoch. Refused with FENCED_LEADER_EPOCH if another election came
 * first, with STALE_BROKER_EPOCH if the last one was made with a newer view of the cluster. Feature level 2.
 */
export interface ElectCommand {
  readonly kind: "elect";
  readonly expectedEpoch: number;
  /** -1: nobody. */
  readonly brokerId: BrokerId;
  /** 0 if nobody. */
  readonly brokerEpoch: JournalSeq;
  readonly clusterSeq: JournalSeq;
}

/**
 * Sets the stores that count for commits, in the order of the replicas. Refused with INVALID_UPDATE_VERSION if the ISR
 * has changed since, with INVALID_REQUEST if it is empty or names another store than the replicas. Feature level 2.
 */
export interface AlterIsrCommand {
  readonly kind: "alter-isr";
  readonly expectedIsrEpoch: number;
  readonly isr: readonly StoreId[];
}

/**
 * Gives up the records of a partition that lie in an object: an empty batch takes their offsets, so that
 * what comes after them can be read on. `done` also if no entry lies there any more; refused with
 * UNKNOWN_TOPIC_OR_PARTITION if the partition is not open. Feature level 2.
 */
export interface DeclareLostCommand {
  readonly kind: "declare-lost";
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly key: ObjectKey;
}

/**
 * Puts stores that the deployment has got since behind the journal's own, for topics that want more replicas; those with
 * fewer stay where they are. Stores that are among the replicas already are passed over. The new ones are in sync, unless
 * an open partition was to have more replicas than there were: then they join the ISR by `alter-isr`. Refused with
 * INVALID_REPLICA_ASSIGNMENT before the replicas are placed, or if it names a store twice. Feature level 2.
 */
export interface AddReplicasCommand {
  readonly kind: "add-replicas";
  readonly replicas: readonly StoreId[];
}

/**
 * Puts log segments in the place of what they were made of. Refused with INVALID_UPDATE_VERSION unless the partition still
 * has every input, next to each other, with NOT_ENOUGH_REPLICAS if too few stores have a segment, with
 * INVALID_REQUEST if the segments do not cover the inputs' offsets. Feature level 3.
 */
export interface ReplaceCommand {
  readonly kind: "replace";
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  /** In the partition's order: segments before entries. */
  readonly inputs: readonly ReplaceInput[];
  readonly segments: readonly LogSegment[];
}

/** Names what the state must still hold, exactly as it was when somebody read it. */
export type ReplaceInput = SegmentInput | EntryInput;

export interface SegmentInput {
  readonly kind: "segment";
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly directory: string;
}

export interface EntryInput {
  readonly kind: "entry";
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly place: EntryPlaceId;
}

export type EntryPlaceId =
  | { readonly kind: "object"; readonly flushId: FlushId }
  | { readonly kind: "inline"; readonly seq: JournalSeq; readonly indexInRecord: number }
  | { readonly kind: "lost" };

/**
 * Puts ranges of one new write-ahead object in the place of entries of many partitions: what lay inlined, or scattered over
 * objects that hold little else. Each part is taken or not by itself. Feature level 3.
 */
export interface GatherCommand {
  readonly kind: "gather";
  readonly flushId: FlushId;
  readonly key: ObjectKey;
  readonly byteLength: number;
  readonly copies: readonly StoreId[];
  readonly parts: readonly GatherPart[];
}

/** The bytes of `inputs`, one after another, are at `position` of the object: they become one entry. */
export interface GatherPart {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly inputs: readonly EntryInput[];
  readonly position: number;
}

/**
 * From now on no object of upload epoch `floor` or earlier is taken, so that what is not referred to can be deleted.
 * Feature level 3.
 */
export interface RetireCommand {
  readonly kind: "retire";
  readonly floor: number;
}

/**
 * Forgets the producers of a partition that were last seen before then; none that was seen within `PRODUCER_EXPIRY_MS_MIN`
 * of the latest append. Feature level 3.
 */
export interface ExpireProducersCommand {
  readonly kind: "expire-producers";
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly idleSinceMs: TimestampMs;
}

/**
 * Says how far a pass of the cleaner has come, so that the next one need not begin anew. Refused with
 * UNKNOWN_TOPIC_OR_PARTITION if the partition is not open, with INVALID_REQUEST if the pass ends behind the log or before
 * where it is. Feature level 4.
 */
export interface NoteCleaningCommand {
  readonly kind: "note-cleaning";
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly pass: CleaningPass;
}

export type LogOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly error: ErrorCode }
  /** One list a part, in the command's order; in it one outcome a batch. */
  | { readonly kind: "appended"; readonly parts: readonly (readonly BatchOutcome[])[] }
  /** Which parts of a gather command were taken. */
  | { readonly kind: "gathered"; readonly parts: readonly boolean[] }
  /** The object's upload epoch is not above the journal's floor: nothing was changed. Upload it again above it. */
  | { readonly kind: "retired"; readonly floor: number };

export type BatchOutcome =
  | { readonly kind: "appended"; readonly baseOffset: Offset; readonly logStartOffset: Offset }
  /** The producer sent it before; nothing was added. */
  | { readonly kind: "duplicate"; readonly baseOffset: Offset; readonly logStartOffset: Offset }
  /** UNKNOWN_TOPIC_OR_PARTITION says that the partition is not open here, and nothing else. */
  | { readonly kind: "refused"; readonly error: ErrorCode };
