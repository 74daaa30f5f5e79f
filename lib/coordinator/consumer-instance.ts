import type { JournalSeq, Offset, TimestampMs, TopicId } from "#lib/util/branded.ts";
import { filtered, NO_PARTITIONS, union } from "./assignment-sets.ts";
import type { ConsumerMember } from "./consumer-group.ts";
import type { GroupJournalState } from "./group-state.ts";
import type { Assignment } from "./member-types.ts";

// A consumer instance: a consumer whose client speaks HTTP and keeps nothing open, as the REST Proxy's v2 has them. All
// that it is stands here, so that any process may answer any of its calls.
//
//                 subscribe                                     heartbeat (KIP-848), member id = instance id
//   instance ------------------> topics or a pattern  -------------------------> member of the group, which says
//       |                                                                        what the instance holds
//       `------- assign -------> partitions, which it holds by itself
//
//   poll:  read positions at version v --> fetch --> advance-instance(v, new positions) --> answer
//                                                     moved: another poll was first, fetch again
//
// A subscribed instance's member has no session time-out of its own: it goes when the instance does.

export interface InstanceConfig {
  /** What keys and values of records are shown as. */
  readonly format: "binary" | "json";
  /** Where to begin without a committed offset, and where the one that it is at is gone. */
  readonly autoOffsetReset: "earliest" | "latest" | "none";
  /** Each poll commits what the one before it has delivered. */
  readonly autoCommit: boolean;
  readonly readCommitted: boolean;
  /** What a poll waits for. */
  readonly fetchBytesMin: number;
  /** How long a poll waits that does not say so. */
  readonly requestTimeoutMs: number;
  /** How long it stays without a call. */
  readonly timeoutMs: number;
}

export type InstanceSubscription =
  | { readonly kind: "none" }
  /** Ascending, each once. */
  | { readonly kind: "topics"; readonly topicNames: readonly string[] }
  /** RE2's syntax; whole names match. */
  | { readonly kind: "pattern"; readonly regex: string }
  /** Assigned by hand: no member of the group. */
  | { readonly kind: "partitions"; readonly partitions: Assignment };

export interface ConsumerInstance {
  readonly groupId: string;
  /** Also its member id while it is subscribed. */
  readonly instanceId: string;
  readonly config: InstanceConfig;
  readonly createdAtMs: TimestampMs;
  /** The record that made it: another instance of the same name may follow. */
  readonly createdSeq: JournalSeq;
  subscription: InstanceSubscription;
  /**
   * The next offset to deliver, of partitions that it holds. Without one, the committed offset counts, then
   * `autoOffsetReset`. No empty maps inside; insertion order is part of the state.
   */
  readonly positions: Map<TopicId, Map<number, Offset>>;
  /** Answers with records that it has given. Who commits them names the number that it knows of. */
  deliveries: number;
  /** Whether records were delivered since it last committed. */
  hasUncommitted: boolean;
  /** Rises with every change of its positions or of what it holds. */
  version: number;
  /** The record with its last sign of life. */
  seenSeq: JournalSeq;
}

/** By group id, then by instance id. No empty maps inside; insertion order is part of the state. */
export type ConsumerInstances = Map<string, Map<string, ConsumerInstance>>;

export function findInstance(
  state: GroupJournalState,
  who: { readonly groupId: string; readonly instanceId: string },
): ConsumerInstance | undefined {
  return state.instances.get(who.groupId)?.get(who.instanceId);
}

export function isSubscribed({ subscription }: Pick<ConsumerInstance, "subscription">): boolean {
  return subscription.kind === "topics" || subscription.kind === "pattern";
}

/** The instance as a member of its group; undefined if it is none (yet). */
export function instanceMember(
  state: GroupJournalState,
  { groupId, instanceId }: Pick<ConsumerInstance, "groupId" | "instanceId">,
): ConsumerMember | undefined {
  const membership = state.groups.get(groupId)?.membership;
  return membership?.type === "consumer" ? membership.members.get(instanceId) : undefined;
}

/** What it may fetch from. */
export function assignedPartitions(state: GroupJournalState, instance: ConsumerInstance): Assignment {
  const { subscription } = instance;
  if (subscription.kind === "partitions") return subscription.partitions;
  if (!isSubscribed(instance)) return NO_PARTITIONS;
  return instanceMember(state, instance)?.assigned ?? NO_PARTITIONS;
}

/** The same with what it has yet to give up: nobody else has it, so its positions and commits count. */
export function heldPartitions(state: GroupJournalState, instance: ConsumerInstance): Assignment {
  const assigned = assignedPartitions(state, instance);
  const pending = isSubscribed(instance) ? instanceMember(state, instance)?.pendingRevocation : undefined;
  return pending === undefined || pending.size === 0 ? assigned : union(assigned, pending);
}

/** Whether a partition is among those that are held; for who asks about many. */
export function holderOf(held: Assignment): (topicId: TopicId, partition: number) => boolean {
  const byTopic = new Map<TopicId, ReadonlySet<number>>();
  return (topicId, partition) => {
    const partitions = byTopic.get(topicId) ?? new Set(held.get(topicId));
    byTopic.set(topicId, partitions);
    return partitions.has(partition);
  };
}

export function setPosition(instance: ConsumerInstance, topicId: TopicId, [partition, offset]: [number, Offset]): void {
  const positions = instance.positions.get(topicId);
  if (positions === undefined) instance.positions.set(topicId, new Map([[partition, offset]]));
  else positions.set(partition, offset);
}

/** Forgets the positions of all other partitions. */
export function keepPositionsOf(instance: ConsumerInstance, held: Assignment): void {
  for (const [topicId, positions] of instance.positions) {
    const partitions = new Set(held.get(topicId));
    for (const partition of positions.keys()) if (!partitions.has(partition)) positions.delete(partition);
    if (positions.size === 0) instance.positions.delete(topicId);
  }
}

/** A topic is gone. */
export function dropTopicFromInstances(state: GroupJournalState, dropped: TopicId): void {
  for (const instances of state.instances.values()) {
    for (const instance of instances.values()) {
      const { subscription } = instance;
      const isAssigned = subscription.kind === "partitions" && subscription.partitions.has(dropped);
      if (isAssigned) {
        const partitions = filtered(subscription.partitions, (topicId) => topicId !== dropped);
        instance.subscription = { kind: "partitions", partitions };
      }
      if (instance.positions.delete(dropped) || isAssigned) instance.version++;
    }
  }
}
