import type { JournalSeq, Offset, TopicId } from "#lib/util/branded.ts";
import type { InstanceConfig, InstanceSubscription } from "./consumer-instance.ts";

// Commands on consumer instances (consumer-instance.ts), of feature level 2. Without the instance they are refused with
// UNKNOWN_MEMBER_ID.

export type InstanceCommand =
  | CreateInstanceCommand
  | SubscribeInstanceCommand
  | SeekInstanceCommand
  | AdvanceInstanceCommand
  | TouchInstanceCommand
  | DeleteInstanceCommand
  | ExpireInstanceCommand;

/** Refused with DUPLICATE_RESOURCE if the group has an instance of that name. */
export interface CreateInstanceCommand {
  readonly kind: "create-instance";
  readonly groupId: string;
  readonly instanceId: string;
  readonly config: InstanceConfig;
}

/**
 * Subscribes, assigns or, with `none`, lets go of what it had: then what it has delivered is committed if it commits by
 * itself, and its member leaves. `moved` if it has a subscription of another kind.
 */
export interface SubscribeInstanceCommand {
  readonly kind: "subscribe-instance";
  readonly groupId: string;
  readonly instanceId: string;
  /** The cluster journal's number at which the proposer saw the partitions: older than a dropped topic is `stale-view`. */
  readonly clusterSeq: JournalSeq;
  readonly subscription: InstanceSubscription;
}

export interface InstancePosition {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  readonly offset: Offset;
}

/** Sets positions, whatever they were. `moved`, and nothing is done, if it does not hold all of the partitions. */
export interface SeekInstanceCommand {
  readonly kind: "seek-instance";
  readonly groupId: string;
  readonly instanceId: string;
  readonly clusterSeq: JournalSeq;
  readonly positions: readonly InstancePosition[];
}

/**
 * Commits the positions as they stand, if asked to, and then sets those that are given. `moved`, and nothing is done, if
 * the instance is another one or at another version, or does not hold all of the partitions. NON_EMPTY_GROUP if it is to
 * commit for partitions assigned by hand in a group that has members.
 */
export interface AdvanceInstanceCommand {
  readonly kind: "advance-instance";
  readonly groupId: string;
  readonly instanceId: string;
  readonly createdSeq: JournalSeq;
  readonly version: number;
  readonly clusterSeq: JournalSeq;
  readonly commits: boolean;
  /** Whether records up to the new positions go to the client with this; else they only say where it begins. */
  readonly delivers: boolean;
  readonly positions: readonly InstancePosition[];
}

/** A sign of life. */
export interface TouchInstanceCommand {
  readonly kind: "touch-instance";
  readonly groupId: string;
  readonly instanceId: string;
}

/** Its member leaves; what it has delivered is committed if it commits by itself. */
export interface DeleteInstanceCommand {
  readonly kind: "delete-instance";
  readonly groupId: string;
  readonly instanceId: string;
}

/**
 * Removes an instance whose time-out has passed on the proposer's own clock since it first saw `seenSeq` there. Commits
 * nothing: nobody has said that the last records were handled. `moved` if it has been called since, or is gone.
 */
export interface ExpireInstanceCommand {
  readonly kind: "expire-instance";
  readonly groupId: string;
  readonly instanceId: string;
  readonly seenSeq: JournalSeq;
}
