import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";

// What a consumer group derives from its members: who has which instance id, and at which epoch partitions are held.

/** Makes both indexes anew, as after a snapshot was read. */
export function indexConsumerMembers(group: ConsumerGroup): void {
  group.staticMembers.clear();
  group.partitionEpochs.clear();
  for (const member of group.members.values()) addToIndexes(group, member);
}

/** To be called when a member was put into the group, or after its partitions or epoch were set. */
export function addToIndexes(group: ConsumerGroup, member: ConsumerMember): void {
  if (member.instanceId !== undefined) group.staticMembers.set(member.instanceId, member.memberId);
  for (const held of [member.assigned, member.pendingRevocation]) {
    for (const [topicId, partitions] of held) {
      const epochs = group.partitionEpochs.get(topicId) ?? new Map<number, number>();
      for (const partition of partitions) epochs.set(partition, member.memberEpoch);
      group.partitionEpochs.set(topicId, epochs);
    }
  }
}

/** To be called before a member leaves the group, or before its partitions or epoch are set. */
export function removeFromIndexes(group: ConsumerGroup, member: ConsumerMember): void {
  const { instanceId, memberId } = member;
  if (instanceId !== undefined && group.staticMembers.get(instanceId) === memberId) {
    group.staticMembers.delete(instanceId);
  }
  for (const held of [member.assigned, member.pendingRevocation]) {
    for (const [topicId, partitions] of held) {
      const epochs = group.partitionEpochs.get(topicId);
      for (const partition of partitions) epochs?.delete(partition);
      if (epochs?.size === 0) group.partitionEpochs.delete(topicId);
    }
  }
}
