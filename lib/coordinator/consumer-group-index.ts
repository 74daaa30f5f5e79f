import type { TopicId } from "#lib/util/branded.ts";
import { difference, union } from "./assignment-sets.ts";
import type { ConsumerGroup, ConsumerMember, Holder } from "./consumer-group.ts";

// What a consumer group keeps beside its members: who has which instance id, and who holds which partition since which epoch.

type Held = Pick<ConsumerMember, "assigned" | "pendingRevocation">;

/** A member is new in the group: it holds what it has since its present epoch, or since those that are known. */
export function addToIndexes(group: ConsumerGroup, member: ConsumerMember, epochs: readonly number[] = []): void {
  if (member.instanceId !== undefined) group.staticMembers.set(member.instanceId, member.memberId);
  let at = 0;
  eachHeld(member, (topicId, partition) => {
    setHolder(group, [topicId, partition], {
      memberId: member.memberId,
      sinceEpoch: epochs[at++] ?? member.memberEpoch,
    });
  });
}

export function removeFromIndexes(group: ConsumerGroup, member: ConsumerMember): void {
  removeInstance(group, member);
  eachHeld(member, (topicId, partition) => forgetHolder(group, [topicId, partition]));
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
  for (const [topicId, list] of released) for (const partition of list) forgetHolder(group, [topicId, partition]);
  const holder = { memberId: member.memberId, sinceEpoch: member.memberEpoch };
  for (const [topicId, list] of given) for (const partition of list) setHolder(group, [topicId, partition], holder);
}

/** Since which epoch each partition is held that the member holds: those assigned, then those that it is to give up. */
export function heldEpochs(group: ConsumerGroup, member: ConsumerMember): readonly number[] {
  const epochs: number[] = [];
  eachHeld(member, (topicId, partition) => epochs.push(group.holders.get(topicId)?.get(partition)?.sinceEpoch ?? 0));
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

function setHolder(group: ConsumerGroup, [topicId, partition]: readonly [TopicId, number], holder: Holder): void {
  const holders = group.holders.get(topicId) ?? new Map<number, Holder>();
  holders.set(partition, holder);
  group.holders.set(topicId, holders);
}

function forgetHolder(group: ConsumerGroup, [topicId, partition]: readonly [TopicId, number]): void {
  const holders = group.holders.get(topicId);
  holders?.delete(partition);
  if (holders?.size === 0) group.holders.delete(topicId);
}

function removeInstance(
  group: ConsumerGroup,
  { instanceId, memberId }: Pick<ConsumerMember, "memberId" | "instanceId">,
): void {
  if (instanceId !== undefined && group.staticMembers.get(instanceId) === memberId) {
    group.staticMembers.delete(instanceId);
  }
}
