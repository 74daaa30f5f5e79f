import type { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Offset, TopicId } from "#lib/util/branded.ts";

/** Between these two instants of the world's time, as a client saw it. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** One try of one batch. */
export interface AppendAttempt extends Span {
  readonly client: string;
  readonly batchName: string;
  readonly batchNumber: number;
  readonly recordCount: number;
  readonly isIdempotent: boolean;
  /** How many batches its client lets be under way. */
  readonly inFlightMax: number;
  /** Batches of one order stand in the order of their numbers: those of one producer id, or of one connection. */
  readonly order: string;
  readonly topicName: string;
  readonly partitionIndex: number;
  readonly result: AppendResult;
}

export type AppendResult =
  | {
      readonly kind: "acknowledged";
      readonly topicId: TopicId;
      readonly baseOffset: Offset;
      readonly isDuplicate: boolean;
    }
  | {
      readonly kind: "refused";
      readonly error: ErrorCode;
    }
  /** No answer: it may have taken effect, or may yet. */
  | { readonly kind: "unknown" };

export interface FetchSeen extends Span {
  readonly client: string;
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly fetchOffset: Offset;
  readonly error: ErrorCode;
  readonly highWatermark: Offset;
  readonly batches: readonly SeenBatch[];
}

export interface SeenBatch {
  readonly name: string;
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  /** Of its records. */
  readonly offsets: readonly Offset[];
}

export interface OffsetSeen extends Span {
  readonly client: string;
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly spec: "earliest" | "latest";
  readonly error: ErrorCode;
  readonly offset: Offset;
}

/** A topic was named that a process says does not exist. */
export interface UnknownTopicSeen extends Span {
  readonly client: string;
  readonly topicName: string;
  readonly topicId: TopicId | undefined;
  readonly partitionIndex: number;
}

/** All that clients did and saw. */
export class History {
  readonly appends: AppendAttempt[] = [];
  readonly fetches: FetchSeen[] = [];
  readonly offsets: OffsetSeen[] = [];
  readonly unknownTopics: UnknownTopicSeen[] = [];
  /** What was found wrong on the way. */
  readonly problems: string[] = [];
}
