import type { TopicId } from "#lib/util/branded.ts";
import { assignmentOf } from "../assignment-sets.ts";
import type { Assignment } from "../member-types.ts";
import { type AssignorMember, type PartitionCounts, subscribersByTopic } from "./assignor.ts";

// Members subscribe to different topics: everybody keeps what it owns, what is left goes to whoever has least, and then
// single partitions move from members with more to members with fewer until no move makes that better. Each move lowers
// the sum of the squares of the members' counts, so it ends.

interface Holder {
  readonly memberId: string;
  readonly owned: Assignment;
  readonly partitions: Map<TopicId, Set<number>>;
  count: number;
}

interface SharedTopic {
  readonly topicId: TopicId;
  readonly partitionCount: number;
  readonly subscribers: readonly Holder[];
  /** By partition. */
  readonly owners: (Holder | undefined)[];
}

export function assignMixedSubscriptions(
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
): ReadonlyMap<string, Assignment> {
  const holders = new Map<string, Holder>();
  for (const { memberId, owned } of members) {
    holders.set(memberId, { memberId, owned, partitions: new Map(), count: 0 });
  }
  const topics: SharedTopic[] = [];
  for (const [topicId, subscribed] of subscribersByTopic(members, partitionCounts)) {
    const subscribers = subscribed.flatMap(({ memberId }) => holders.get(memberId) ?? []);
    topics.push({ topicId, partitionCount: partitionCounts.get(topicId) ?? 0, subscribers, owners: [] });
  }
  topics.sort(byNeed);
  for (const topic of topics) keepOwned(topic);
  for (const topic of topics) assignRest(topic);
  const movable = topics.filter(({ subscribers }) => subscribers.length > 1);
  let hasMoved = true;
  while (hasMoved) hasMoved = movable.map(balance).some((moved) => moved);
  return new Map([...holders].map(([memberId, { partitions }]) => [memberId, assignmentOf(partitions)]));
}

/** Topics with most partitions a subscriber first, then those with the fewest who could take them. */
function byNeed(one: SharedTopic, other: SharedTopic): number {
  const need = other.partitionCount / other.subscribers.length - one.partitionCount / one.subscribers.length;
  if (need !== 0) return need;
  return one.subscribers.length - other.subscribers.length || (one.topicId < other.topicId ? -1 : 1);
}

function keepOwned(topic: SharedTopic): void {
  for (const holder of topic.subscribers) {
    for (const partition of holder.owned.get(topic.topicId) ?? []) {
      if (partition < topic.partitionCount && topic.owners[partition] === undefined) give(topic, partition, holder);
    }
  }
}

function assignRest(topic: SharedTopic): void {
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    if (topic.owners[partition] !== undefined) continue;
    const holder = leastLoaded(topic.subscribers);
    if (holder !== undefined) give(topic, partition, holder);
  }
}

function balance(topic: SharedTopic): boolean {
  let hasMoved = false;
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    const owner = topic.owners[partition];
    const taker = leastLoaded(topic.subscribers);
    if (owner === undefined || taker === undefined || owner.count <= taker.count + 1) continue;
    move(topic, movedInstead(topic, partition, taker), taker);
    hasMoved = true;
  }
  return hasMoved;
}

/** If the owner has got a partition of the topic that was the taker's, that one goes back rather than another away. */
function movedInstead(topic: SharedTopic, partition: number, taker: Holder): number {
  const owner = topic.owners[partition];
  if (taker.owned.get(topic.topicId)?.includes(partition)) return partition;
  return taker.owned.get(topic.topicId)?.find((former) => topic.owners[former] === owner) ?? partition;
}

function leastLoaded(holders: readonly Holder[]): Holder | undefined {
  let least: Holder | undefined;
  for (const holder of holders) {
    if (least === undefined || holder.count < least.count) least = holder;
  }
  return least;
}

function give(topic: SharedTopic, partition: number, holder: Holder): void {
  topic.owners[partition] = holder;
  holder.count++;
  const partitions = holder.partitions.get(topic.topicId);
  if (partitions === undefined) holder.partitions.set(topic.topicId, new Set([partition]));
  else partitions.add(partition);
}

function move(topic: SharedTopic, partition: number, taker: Holder): void {
  const owner = topic.owners[partition];
  if (owner === undefined) return;
  owner.count--;
  owner.partitions.get(topic.topicId)?.delete(partition);
  give(topic, partition, taker);
}
