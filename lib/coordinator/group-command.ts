import type { JournalSeq, Offset, TimestampMs, TopicId } from "#lib/util/branded.ts";
import type {
  CompleteJoinCommand,
  ExpireSyncCommand,
  HeartbeatCommand,
  JoinCommand,
  LeaveCommand,
  SyncCommand,
} from "./classic-command.ts";
import type {
  ConsumerHeartbeatCommand,
  ExpireRebalanceCommand,
  MetadataChangedCommand,
  SetTargetAssignmentCommand,
} from "./consumer-command.ts";
import type { InstanceCommand } from "./instance-command.ts";

/** What can be asked of a group journal. Each names one group, but for `drop-topic`. */
export type GroupCommand =
  | JoinCommand
  | CompleteJoinCommand
  | SyncCommand
  | ExpireSyncCommand
  | HeartbeatCommand
  | LeaveCommand
  | ExpireMemberCommand
  | ConsumerHeartbeatCommand
  | SetTargetAssignmentCommand
  | MetadataChangedCommand
  | ExpireRebalanceCommand
  | CommitOffsetsCommand
  | DeleteOffsetsCommand
  | ExpireOffsetsCommand
  | DeleteGroupCommand
  | DropTopicCommand
  | InstanceCommand;

/**
 * Removes a member, or a reserved member id, whose session time-out has passed on the proposer's own clock since it first
 * saw `seenSeq` there. Both protocols. `moved` if the member has been seen since, waits for a round, or is gone.
 */
export interface ExpireMemberCommand {
  readonly kind: "expire-member";
  readonly groupId: string;
  readonly memberId: string;
  readonly seenSeq: JournalSeq;
}

/** OffsetCommit. All partitions are taken or none: each partition's own limits are checked at the door. */
export interface CommitOffsetsCommand {
  readonly kind: "commit-offsets";
  readonly groupId: string;
  /** Empty: not a member ("simple"). */
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  /** -1: not a member. */
  readonly generationIdOrMemberEpoch: number;
  /** Whether the request can speak of member epochs (OffsetCommit v9 and above). */
  readonly knowsMemberEpochs: boolean;
  /** The cluster journal's number at which the proposer saw the topics: older than a dropped one is `stale-view`. */
  readonly clusterSeq: JournalSeq;
  readonly topics: readonly CommitTopic[];
}

export interface CommitTopic {
  readonly topicId: TopicId;
  readonly partitions: readonly CommitPartition[];
}

export interface CommitPartition {
  readonly partitionIndex: number;
  readonly offset: Offset;
  /** -1: not said. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** OffsetCommit v2-4 may ask for a retention of its own; -1 for all others. */
  readonly expiresAtMs: TimestampMs;
}

/**
 * OffsetDelete. Whoever proposes it has left out the topics that the group subscribes to, so it names the group as it
 * was seen: `moved` if its members have changed since. What is not committed is passed over.
 */
export interface DeleteOffsetsCommand {
  readonly kind: "delete-offsets";
  readonly groupId: string;
  readonly changedSeq: JournalSeq;
  readonly partitions: readonly { readonly topicId: TopicId; readonly partitionIndex: number }[];
}

/**
 * Forgets offsets whose retention has passed, each only if it is still the commit that was seen, and then the group if it
 * is Empty and holds none any more. `moved`, and nothing is done, if its members have changed since.
 */
export interface ExpireOffsetsCommand {
  readonly kind: "expire-offsets";
  readonly groupId: string;
  readonly changedSeq: JournalSeq;
  readonly partitions: readonly SeenOffset[];
}

export interface SeenOffset {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly commitSeq: JournalSeq;
}

/** DeleteGroups, of one group. Refused with NON_EMPTY_GROUP or GROUP_ID_NOT_FOUND. */
export interface DeleteGroupCommand {
  readonly kind: "delete-group";
  readonly groupId: string;
}

/** Forgets every offset committed for a topic, in all groups of the journal. */
export interface DropTopicCommand {
  readonly kind: "drop-topic";
  readonly topicId: TopicId;
  /** The cluster journal's number that marked the topic for deletion. */
  readonly clusterSeq: JournalSeq;
}
