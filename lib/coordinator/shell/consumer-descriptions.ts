import type { ConsumerGroup, ConsumerMember } from "../consumer-group.ts";
import { standingEpoch } from "../consumer-reconciliation.ts";
import { assignorOf } from "../consumer-target.ts";
import type { GroupState } from "../group-state.ts";
import type { Assignment } from "../member-types.ts";
import { consumerGroupState } from "./group-descriptions.ts";

// Consumer groups (KIP-848) as ConsumerGroupDescribe shows them.

export interface ConsumerGroupDescription {
  readonly groupId: string;
  readonly state: string;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly assignor: string;
  readonly members: readonly ConsumerMemberDescription[];
}

export interface ConsumerMemberDescription {
  readonly member: Readonly<ConsumerMember>;
  readonly assigned: Assignment;
  readonly target: Assignment;
}

const NOTHING: Assignment = new Map();

/** undefined for a classic group. */
export function describeConsumerGroup(
  { groupId, membership }: GroupState,
  assignors: readonly string[],
): ConsumerGroupDescription | undefined {
  if (membership.type !== "consumer") return undefined;
  const { groupEpoch, assignmentEpoch } = membership;
  const state = consumerGroupState(membership);
  const assignor = assignorOf(membership, assignors);
  return { groupId, state, groupEpoch, assignmentEpoch, assignor, members: describeMembers(membership) };
}

function describeMembers(group: ConsumerGroup): readonly ConsumerMemberDescription[] {
  return [...group.members.values()].map((member) => ({
    // The folded state goes on; what is described stays.
    member: { ...member, memberEpoch: standingEpoch(group, member) },
    assigned: member.assigned,
    target: group.targetAssignment.get(member.memberId) ?? NOTHING,
  }));
}
