import type { JournalSeq } from "#lib/util/branded.ts";
import type { Assignment } from "./member-types.ts";

// Commands of the consumer protocol (KIP-848). Assignors and regular expressions need the topics' metadata, which this
// fold does not have: a shell computes and proposes, and the fold accepts only for the group as it was seen.

/** ConsumerGroupHeartbeat. Fields that are undefined have not changed since the last one. */
export interface ConsumerHeartbeatCommand {
  readonly kind: "consumer-heartbeat";
  readonly groupId: string;
  readonly memberId: string;
  /** 0 join, -1 leave, -2 leave for a while (static members), else the epoch that the member is at. */
  readonly memberEpoch: number;
  readonly instanceId: string | undefined;
  readonly rackId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  /** -1: not changed. */
  readonly rebalanceTimeoutMs: number;
  readonly subscribedTopicNames: readonly string[] | undefined;
  /** Checked to compile by the door. Empty: no longer any. */
  readonly subscribedTopicRegex: string | undefined;
  /** Checked to be offered by the door. */
  readonly serverAssignor: string | undefined;
  /** The partitions that the member says it owns. */
  readonly owned: Assignment | undefined;
  /** `group.consumer.max.size` as the door knows it. */
  readonly groupSizeMax: number;
  /** With how many members the group may become a classic one again as the door knows it; 0: it may not. */
  readonly classicSizeMax: number;
  /** Lets a classic group with members become a consumer group; undefined if that is not needed or not permitted. */
  readonly upgrade: GroupUpgrade | undefined;
}

/** What the members' bytes say in a classic group that is to become a consumer group, parsed by the door. */
export interface GroupUpgrade {
  /** The group as it was seen: `upgrade-needed` again if it has changed since. */
  readonly changedSeq: JournalSeq;
  readonly members: readonly UpgradedMember[];
}

export interface UpgradedMember {
  readonly memberId: string;
  readonly subscription: ConsumerSubscription;
  /** What its assignment of the present generation says. */
  readonly assigned: Assignment;
}

/** A `consumer`'s protocol metadata as far as groups understand it. */
export interface ConsumerSubscription {
  /** Ascending, each once. */
  readonly topicNames: readonly string[];
  /** undefined before version 1 of the metadata. */
  readonly owned: Assignment | undefined;
  readonly rackId: string | undefined;
}

/** What the assignor says. `moved` unless the group is the same one and at exactly this group epoch. */
export interface SetTargetAssignmentCommand {
  readonly kind: "set-target-assignment";
  readonly groupId: string;
  readonly createdSeq: JournalSeq;
  readonly groupEpoch: number;
  /** Members that are not named are to own nothing. */
  readonly target: readonly MemberTarget[];
}

export interface MemberTarget {
  readonly memberId: string;
  readonly partitions: Assignment;
}

/**
 * The subscribed topics' metadata, or what regular expressions stand for, are not as the group knows them: raises the
 * group epoch if they differ. `moved` if the group is another one or at another epoch, or has seen a newer view.
 */
export interface MetadataChangedCommand {
  readonly kind: "metadata-changed";
  readonly groupId: string;
  readonly createdSeq: JournalSeq;
  readonly groupEpoch: number;
  /** The cluster journal's number of the view. */
  readonly clusterSeq: JournalSeq;
  readonly metadataHash: string;
  /** All expressions that members subscribe to, with the topics that they match. */
  readonly resolvedRegexes: readonly ResolvedRegex[];
}

export interface ResolvedRegex {
  readonly regex: string;
  /** Ascending, each once. */
  readonly topicNames: readonly string[];
}

/**
 * Removes a member that has not given up its partitions, or (a classic member) not joined or synced again, within its
 * rebalance time-out since the proposer first saw it at `memberEpoch` and so. `moved` if it has gone on meanwhile.
 */
export interface ExpireRebalanceCommand {
  readonly kind: "expire-rebalance";
  readonly groupId: string;
  readonly memberId: string;
  readonly memberEpoch: number;
}
