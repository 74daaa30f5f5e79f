import type { ClassicGroup, ClassicMember } from "../classic-group.ts";
import type { ConsumerGroup, ConsumerGroupStateName } from "../consumer-group.ts";
import { standingEpoch } from "../consumer-reconciliation.ts";
import type { GroupState } from "../group-state.ts";

// Groups as ListGroups and DescribeGroups show them, read from the folded state.

export interface GroupListing {
  readonly groupId: string;
  /** `consumer`, `connect` and so on; empty for a group that only holds offsets. */
  readonly protocolType: string;
  readonly state: string;
  readonly type: "classic" | "consumer";
}

export interface GroupDescription extends GroupListing {
  /** What the members agreed on; empty unless the group is Stable. */
  readonly protocolName: string;
  /** Of a classic group. */
  readonly members: readonly MemberDescription[];
}

export interface MemberDescription {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly metadata: Uint8Array;
  readonly assignment: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const CONSUMER = "consumer";

export function listingOf({ groupId, membership }: GroupState): GroupListing {
  if (membership.type === "consumer") {
    return { groupId, protocolType: CONSUMER, state: consumerGroupState(membership), type: "consumer" };
  }
  return { groupId, protocolType: membership.protocolType, state: membership.state, type: "classic" };
}

/** Members' bytes are shown of a Stable group alone, as on Kafka: before, they belong to different generations. */
export function describeGroup(group: GroupState): GroupDescription {
  const { membership } = group;
  const listing = listingOf(group);
  if (membership.type === "consumer") return { ...listing, protocolName: "", members: [] };
  const isStable = membership.state === "Stable";
  const members = [...membership.members.values()].map((member) => describeMember(membership, member));
  return { ...listing, protocolName: isStable ? (membership.protocolName ?? "") : "", members };
}

function describeMember(group: ClassicGroup, member: ClassicMember): MemberDescription {
  const { memberId, groupInstanceId, clientId, clientHost } = member;
  const described = { memberId, groupInstanceId, clientId, clientHost };
  if (group.state !== "Stable") return { ...described, metadata: NO_BYTES, assignment: NO_BYTES };
  const metadata = member.protocols.find(({ name }) => name === group.protocolName)?.metadata ?? NO_BYTES;
  return { ...described, metadata, assignment: member.assignment };
}

/** The states that consumer-group.ts draws. */
export function consumerGroupState(group: ConsumerGroup): ConsumerGroupStateName {
  if (group.members.size === 0) return "Empty";
  if (group.groupEpoch > group.assignmentEpoch) return "Assigning";
  for (const member of group.members.values()) {
    const isThere = member.state === "Stable" && standingEpoch(group, member) === group.assignmentEpoch;
    if (!isThere) return "Reconciling";
  }
  return "Stable";
}
