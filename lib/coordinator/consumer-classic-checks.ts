import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { HeartbeatCommand, SyncCommand } from "./classic-command.ts";
import type { ClassicMemberFacts, ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import { memberFor } from "./consumer-members.ts";
import { awaitsRelease, isTargetCurrent } from "./consumer-reconciliation.ts";

// What members of a consumer group that speak the classic protocol may ask. Their generation is their member epoch; what
// others are told by their heartbeats they come to know by joining again.

export type ClassicConsumerMember = ConsumerMember & { readonly classic: ClassicMemberFacts };

/** The caller, if it is a member that speaks the classic protocol and knows its generation; else why not. */
export function classicCaller(
  group: ConsumerGroup,
  caller: { readonly memberId: string; readonly groupInstanceId: string | undefined; readonly generationId: number },
): ClassicConsumerMember | ErrorCode {
  const { memberId, groupInstanceId: instanceId, generationId } = caller;
  const member = memberFor(group, { memberId, instanceId });
  if (typeof member === "number") return member;
  if (!isClassic(member)) return ErrorCode.UNKNOWN_MEMBER_ID;
  return member.memberEpoch === generationId ? member : ErrorCode.ILLEGAL_GENERATION;
}

function isClassic(member: ConsumerMember): member is ClassicConsumerMember {
  return member.classic !== undefined;
}

/**
 * Whether a classic member is to join again: to follow the group's epoch, which takes a member with partitions to give up
 * two rounds, or to have what others have released meanwhile.
 */
export function mustRejoin(group: ConsumerGroup, member: ConsumerMember): boolean {
  if (!isTargetCurrent(group, member)) return false;
  if (member.memberEpoch < group.assignmentEpoch) return true;
  return member.state === "UnreleasedPartitions" && !awaitsRelease(group, member);
}

/** What a Heartbeat is answered. REBALANCE_IN_PROGRESS counts as a sign of life all the same. */
export function checkHeartbeatInConsumerGroup(
  group: ConsumerGroup,
  request: Omit<HeartbeatCommand, "kind">,
): ErrorCode {
  const member = classicCaller(group, request);
  if (typeof member === "number") return member;
  return mustRejoin(group, member) ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

/** What a SyncGroup may be refused for; NONE if it is to be answered with the member's partitions. */
export function checkSyncInConsumerGroup(
  group: ConsumerGroup,
  request: Omit<SyncCommand, "kind" | "assignments">,
): ErrorCode {
  const member = classicCaller(group, request);
  if (typeof member === "number") return member;
  const { protocolType, protocolName } = request;
  const isConsistent =
    (protocolType === undefined || protocolType === "consumer") &&
    (protocolName === undefined || protocolName === chosenProtocol(member));
  if (!isConsistent) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  // Whoever is to give up partitions has to hear of it first: its assignment without them.
  const isBehind = member.memberEpoch < group.assignmentEpoch && isTargetCurrent(group, member);
  return isBehind && member.state !== "UnrevokedPartitions" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

/** Nobody has to agree on a protocol here, so each member is told the one that it likes best. */
export function chosenProtocol({ classic }: ClassicConsumerMember): string {
  return classic.protocols[0]?.name ?? "";
}
