import { filtered, NO_PARTITIONS, union } from "./assignment-sets.ts";
import { type ClassicGroup, type ClassicMember, newClassicGroup } from "./classic-group.ts";
import { addMember, selectProtocol } from "./classic-members.ts";
import { rebalanceAfterRemoval } from "./classic-round.ts";
import type { UpgradedMember } from "./consumer-command.ts";
import { type ConsumerGroup, type ConsumerMember, newConsumerGroup } from "./consumer-group.ts";
import { newConsumerMember, setMember } from "./consumer-members.ts";
import { type GroupScope, replaceMembership } from "./group-scope.ts";
import type { Assignment } from "./member-types.ts";

// A group changes its protocol while it has members (KIP-848, online upgrade and downgrade): up when the first member of
// the consumer protocol comes, down when the last one is gone.

const CONSUMER_PROTOCOL_TYPE = "consumer";

/**
 * The consumer group that a classic one becomes: at the epoch that its generation was, each member owning and to own what
 * its assignment says, and what it may own besides. undefined if `upgraded` does not name all members.
 */
export function upgradedGroup(classic: ClassicGroup, upgraded: readonly UpgradedMember[]): ConsumerGroup | undefined {
  const byId = new Map(upgraded.map((member) => [member.memberId, member]));
  const group = newConsumerGroup();
  // A group whose first round has not ended has no generation yet, but epochs begin at 1.
  group.groupEpoch = Math.max(classic.generationId, group.groupEpoch);
  group.assignmentEpoch = group.groupEpoch;
  for (const member of classic.members.values()) {
    const facts = byId.get(member.memberId);
    if (facts === undefined) return undefined;
    setMember(group, newConsumerMember(member.memberId), {
      ...upgradedFields(member, facts),
      memberEpoch: group.groupEpoch,
      previousMemberEpoch: group.groupEpoch,
      subscriptionEpoch: group.groupEpoch,
      assigned: withoutHeld(group, facts.assigned),
    });
  }
  for (const { memberId, carried } of classic.members.values()) {
    addOwned(group, memberId, carried ?? byId.get(memberId)?.subscription.owned ?? NO_PARTITIONS);
  }
  return group;
}

/**
 * Whatever its assignment says, a cooperative member keeps what it owned when it joined until it has given it up: what
 * nobody else was assigned counts as its own, or somebody new would get it at once.
 */
function addOwned(group: ConsumerGroup, memberId: string, owned: Assignment): void {
  const member = group.members.get(memberId);
  if (member === undefined) return;
  const assigned = union(member.assigned, withoutHeld(group, owned));
  setMember(group, member, { assigned });
  if (assigned.size > 0) group.targetAssignment.set(memberId, assigned);
}

function upgradedFields(member: ClassicMember, { subscription }: UpgradedMember): Partial<ConsumerMember> {
  return {
    instanceId: member.groupInstanceId,
    rackId: subscription.rackId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    subscribedTopicNames: subscription.topicNames,
    classic: { sessionTimeoutMs: member.sessionTimeoutMs, protocols: member.protocols },
    seenSeq: member.seenSeq,
  };
}

/** What no member before it has: a leader's assignor may have given a partition to two. */
function withoutHeld(group: ConsumerGroup, assigned: Assignment): Assignment {
  return filtered(assigned, (topicId, partition) => !group.holders.get(topicId)?.has(partition));
}

/** Makes the group classic again, of members that all speak the classic protocol, and begins a round of rebalancing. */
export function downgradeGroup(consumer: ConsumerGroup, scope: GroupScope): ClassicGroup {
  const group = newClassicGroup();
  group.protocolType = CONSUMER_PROTOCOL_TYPE;
  group.generationId = consumer.groupEpoch;
  for (const member of consumer.members.values()) {
    const classicMember = downgradedMember(member, scope.context.seq);
    if (classicMember !== undefined) addMember(group, classicMember);
  }
  group.protocolName = selectProtocol(group);
  group.state = "Stable";
  replaceMembership(scope, group);
  rebalanceAfterRemoval(group, scope);
  return group;
}

function downgradedMember(member: ConsumerMember, seq: number): ClassicMember | undefined {
  if (member.classic === undefined) return undefined;
  return {
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    sessionTimeoutMs: member.classic.sessionTimeoutMs,
    protocols: member.classic.protocols,
    // Names of topics are not known here; the round that begins now brings a new one.
    assignment: new Uint8Array(0),
    carried: union(member.assigned, member.pendingRevocation),
    joinedRound: 0,
    isNew: false,
    hasSynced: true,
    seenSeq: seq,
  };
}
