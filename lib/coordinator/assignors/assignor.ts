import type { TopicId } from "#lib/util/branded.ts";
import type { Assignment } from "../member-types.ts";

// Assignors compute who is to own what. They are pure, and deterministic in the order of the members that they are given.
// Like Kafka's own they do not look at racks.

export interface AssignorMember {
  readonly memberId: string;
  readonly subscribedTopicIds: ReadonlySet<TopicId>;
  /** What the last target gave it. */
  readonly owned: Assignment;
}

/** Partitions of each topic there is. Subscriptions to other topics count for nothing. */
export type PartitionCounts = ReadonlyMap<TopicId, number>;

/** What each member is to own: every partition of a subscribed topic has exactly one owner among its subscribers. */
export type Assignor = (
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
) => ReadonlyMap<string, Assignment>;

/** Subscribers by topic, for the topics that there are. */
export function subscribersByTopic(
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
): ReadonlyMap<TopicId, readonly AssignorMember[]> {
  const subscribers = new Map<TopicId, AssignorMember[]>();
  for (const member of members) {
    for (const topicId of member.subscribedTopicIds) {
      if (!partitionCounts.has(topicId)) continue;
      const others = subscribers.get(topicId);
      if (others === undefined) subscribers.set(topicId, [member]);
      else others.push(member);
    }
  }
  return subscribers;
}
