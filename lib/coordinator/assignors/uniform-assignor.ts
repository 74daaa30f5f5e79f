import type { Assignment } from "../member-types.ts";
import type { AssignorMember, PartitionCounts } from "./assignor.ts";
import { assignMixedSubscriptions } from "./uniform-mixed.ts";
import { assignSameSubscription } from "./uniform-same.ts";

/**
 * Kafka's `uniform`: all partitions together are spread as evenly as subscriptions permit, and members keep as much of
 * what they own as that allows.
 */
export function assignUniform(
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
): ReadonlyMap<string, Assignment> {
  return haveSameSubscription(members)
    ? assignSameSubscription(members, partitionCounts)
    : assignMixedSubscriptions(members, partitionCounts);
}

function haveSameSubscription(members: readonly AssignorMember[]): boolean {
  const first = members[0]?.subscribedTopicIds;
  return members.every(({ subscribedTopicIds }) => {
    if (first === undefined || subscribedTopicIds.size !== first.size) return false;
    for (const topicId of subscribedTopicIds) if (!first.has(topicId)) return false;
    return true;
  });
}
