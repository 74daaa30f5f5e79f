import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import type { Assignment, MemberProtocol } from "./member-types.ts";

// A group of the consumer protocol (KIP-848). Three numbers move in turn:
//
//   members, subscriptions or metadata change     assignor has run (set-target-assignment)     member reconciled
//   groupEpoch + 1               ------------->   assignmentEpoch = groupEpoch   ---------->   memberEpoch = assignmentEpoch
//
//   group:   Empty          no members
//            Assigning      groupEpoch > assignmentEpoch
//            Reconciling    some member is not Stable at assignmentEpoch
//            Stable
//
//   member:  Stable --------- target takes partitions away ----------> UnrevokedPartitions
//              ^   \                                                      |  member owns no more of them
//              |    `-- target gives partitions that others own --.       v
//              |                                                   `-> UnreleasedPartitions
//              +------------- others have released them ------------------'
//
// A partition has one owner: it is in one member's `assigned` or `pendingRevocation`, and in no other's.

export const CONSUMER_MEMBER_STATES = ["Stable", "UnrevokedPartitions", "UnreleasedPartitions"] as const;
export type ConsumerMemberStateName = (typeof CONSUMER_MEMBER_STATES)[number];
export type ConsumerGroupStateName = "Empty" | "Assigning" | "Reconciling" | "Stable";

export interface ConsumerGroup {
  readonly type: "consumer";
  /** Rises with every change of members, subscriptions or metadata. */
  groupEpoch: number;
  /** The group epoch for which `targetAssignment` was computed. */
  assignmentEpoch: number;
  /** Hash of the metadata of all subscribed topics as the assignor last saw it; empty before. Compared, never read. */
  metadataHash: string;
  /** The cluster journal's number of the view that `metadataHash` and `resolvedRegexes` come from; older views are refused. */
  metadataSeq: JournalSeq;
  /**
   * With how many members at most it becomes a classic group again when all of them speak the classic protocol; 0: never
   * (`group.consumer.migration.policy`). As the door of the last journaled heartbeat knew it.
   */
  classicSizeMax: number;
  /** Key: member id. Insertion order is part of the state. */
  readonly members: Map<string, ConsumerMember>;
  /** What each member is to own. Key: member id. */
  readonly targetAssignment: Map<string, Assignment>;
  /** The topics that each subscribed regular expression stands for. Key: the expression. */
  readonly resolvedRegexes: Map<string, readonly string[]>;
  /** Member ids by group instance id. Derived from `members`; no part of a snapshot. */
  readonly staticMembers: Map<string, string>;
  /** Who holds each partition, be it to give up. Derived from `members`, but for the epochs. */
  readonly holders: Map<TopicId, Map<number, Holder>>;
}

export interface Holder {
  readonly memberId: string;
  /** The member epoch at which it was given the partition: from then on its commits count (KIP-1251). */
  readonly sinceEpoch: number;
}

export interface ConsumerMember {
  readonly memberId: string;
  instanceId: string | undefined;
  rackId: string | undefined;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: number;
  /** Ascending, each once. */
  subscribedTopicNames: readonly string[];
  /** undefined: none. */
  subscribedTopicRegex: string | undefined;
  /** undefined: the group's or the broker's choice. */
  serverAssignor: string | undefined;
  /** -2: a static member that has left for a while. */
  memberEpoch: number;
  /** The one before, which a member may still show that has missed the answer with the present one. */
  previousMemberEpoch: number;
  /** The group epoch that its subscription began with: targets of earlier epochs do not know of it. */
  subscriptionEpoch: number;
  state: ConsumerMemberStateName;
  assigned: Assignment;
  pendingRevocation: Assignment;
  /** What a member that speaks the classic protocol has told; undefined for all others. */
  classic: ClassicMemberFacts | undefined;
  /** The record with its last sign of life. */
  seenSeq: JournalSeq;
}

export interface ClassicMemberFacts {
  readonly sessionTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
}

export function newConsumerGroup(): ConsumerGroup {
  return {
    type: "consumer",
    // Members that join before there is a target are at epoch 1 with nothing, for 0 is that of whoever is no member.
    groupEpoch: 1,
    assignmentEpoch: 1,
    metadataHash: "",
    metadataSeq: 0,
    classicSizeMax: 0,
    members: new Map(),
    targetAssignment: new Map(),
    resolvedRegexes: new Map(),
    staticMembers: new Map(),
    holders: new Map(),
  };
}
