import type { TopicId } from "#lib/util/branded.ts";
import { assignmentOf } from "../assignment-sets.ts";
import type { Assignment } from "../member-types.ts";
import { type AssignorMember, type PartitionCounts, subscribersByTopic } from "./assignor.ts";

/**
 * Kafka's `range`: each topic by itself is cut into ranges, one a subscriber, whose sizes differ by at most one. Members
 * that subscribe to the same topics with the same number of partitions get the same partitions of each, so that they can
 * join them. Whoever owns partitions of a topic keeps the lowest of them, as many as are its share.
 */
export function assignRange(
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
): ReadonlyMap<string, Assignment> {
  const given = new Map(members.map(({ memberId }) => [memberId, new Map<TopicId, ReadonlySet<number>>()]));
  for (const [topicId, subscribers] of subscribersByTopic(members, partitionCounts)) {
    const shares = shareTopic(topicId, partitionCounts.get(topicId) ?? 0, subscribers);
    for (const [memberId, share] of shares) given.get(memberId)?.set(topicId, share);
  }
  return new Map([...given].map(([memberId, shares]) => [memberId, assignmentOf(shares)]));
}

function shareTopic(
  topicId: TopicId,
  partitionCount: number,
  subscribers: readonly AssignorMember[],
): ReadonlyMap<string, ReadonlySet<number>> {
  const quota = Math.floor(partitionCount / subscribers.length);
  let extras = partitionCount % subscribers.length;
  const shares = new Map<string, Set<number>>();
  const taken = new Set<number>();
  const hasExtra = new Set<string>();
  for (const { memberId, owned } of subscribers) {
    const standing = (owned.get(topicId) ?? []).filter(
      (partition) => partition < partitionCount && !taken.has(partition),
    );
    const keepsExtra = standing.length > quota && extras > 0;
    if (keepsExtra) {
      extras--;
      hasExtra.add(memberId);
    }
    const share = new Set(standing.sort((a, b) => a - b).slice(0, keepsExtra ? quota + 1 : quota));
    for (const partition of share) taken.add(partition);
    shares.set(memberId, share);
  }
  let next = 0;
  for (const [memberId, share] of shares) {
    let size = quota;
    if (hasExtra.has(memberId)) continue;
    if (extras > 0) {
      extras--;
      size++;
    }
    while (share.size < size) {
      if (!taken.has(next)) share.add(next);
      next++;
    }
  }
  return shares;
}
