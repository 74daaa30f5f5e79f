import type { TopicId } from "#lib/util/branded.ts";
import { difference, union } from "./assignment-sets.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";

// What a consumer group keeps beside its members: who has which instance id, and since which epoch partitions are held.

type Held = Pick<ConsumerMember, "assigned" | "pendingRevocation">;

/** A member is new in the group: it holds what it has since its present epoch, or since those that a snapshot says. */
export function addToIndexes(group: ConsumerGroup, member: ConsumerMember, epochs: readonly number[] = []): void {
  if (member.instanceId !== undefined) group.staticMembers.set(member.instanceId, member.memberId);
  let at = 0;
  eachHeld(member, (topicId, partition) => setEpoch(group, [topicId, partition], epochs[at++] ?? member.memberEpoch));
}

export function removeFromIndexes(group: ConsumerGroup, member: ConsumerMember): void {
  removeInstance(group, member);
  eachHeld(member, (topicId, partition) => forgetEpoch(group, [topicId, partition]));
}

/** A member's fields have changed: what it held before and is not to give up it holds since the same epoch. */
export function changeIndexes(
  group: ConsumerGroup,
  member: ConsumerMember,
  before: Held & Pick<ConsumerMember, "memberId" | "instanceId">,
): void {
  if (before.instanceId !== member.instanceId) {
    removeInstance(group, before);
    if (member.instanceId !== undefined) group.staticMembers.set(member.instanceId, member.memberId);
  }
  if (before.assigned === member.assigned && before.pendingRevocation === member.pendingRevocation) return;
  const released = difference(allHeld(before), allHeld(member));
  const given = difference(member.assigned, before.assigned);
  for (const [topicId, list] of released) for (const partition of list) forgetEpoch(group, [topicId, partition]);
  for (const [topicId, list] of given) {
    for (const partition of list) setEpoch(group, [topicId, partition], member.memberEpoch);
  }
}

/** Since which epoch each partition is held that the member holds: those assigned, then those that it is to give up. */
export function heldEpochs(group: ConsumerGroup, member: ConsumerMember): readonly number[] {
  const epochs: number[] = [];
  eachHeld(member, (topicId, partition) => epochs.push(group.partitionEpochs.get(topicId)?.get(partition) ?? 0));
  return epochs;
}

function allHeld({ assigned, pendingRevocation }: Held) {
  return pendingRevocation.size === 0 ? assigned : union(assigned, pendingRevocation);
}

function eachHeld(member: Held, visit: (topicId: TopicId, partition: number) => void): void {
  for (const held of [member.assigned, member.pendingRevocation]) {
    for (const [topicId, partitions] of held) for (const partition of partitions) visit(topicId, partition);
  }
}

function setEpoch(group: ConsumerGroup, [topicId, partition]: readonly [TopicId, number], epoch: number): void {
  const epochs = group.partitionEpochs.get(topicId) ?? new Map<number, number>();
  epochs.set(partition, epoch);
  group.partitionEpochs.set(topicId, epochs);
}

function forgetEpoch(group: ConsumerGroup, [topicId, partition]: readonly [TopicId, number]): void {
  const epochs = group.partitionEpochs.get(topicId);
  epochs?.delete(partition);
  if (epochs?.size === 0) group.partitionEpochs.delete(topicId);
}

function removeInstance(
  group: ConsumerGroup,
  { instanceId, memberId }: Pick<ConsumerMember, "memberId" | "instanceId">,
): void {
  if (instanceId !== undefined && group.staticMembers.get(instanceId) === memberId) {
    group.staticMembers.delete(instanceId);
  }
}
