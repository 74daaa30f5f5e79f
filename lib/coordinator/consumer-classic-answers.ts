import { decodeAssignment, decodeSubscription, encodeAssignment } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { normalized } from "./assignment-sets.ts";
import type { Refusal, SyncAnswer } from "./classic-answers.ts";
import type { SyncCommand } from "./classic-command.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { checkSyncInConsumerGroup, chosenProtocol, classicCaller } from "./consumer-classic-checks.ts";
import type { ConsumerSubscription, GroupUpgrade, UpgradedMember } from "./consumer-command.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { GroupState } from "./group-state.ts";
import type { Assignment, MemberProtocol } from "./member-types.ts";

// The bytes of classic consumers, where they meet a consumer group. Topics have names there and ids here; the caller
// knows which is which from its view of the cluster.

export type TopicIdOf = (name: string) => TopicId | undefined;
export type TopicNameOf = (topicId: TopicId) => string | undefined;

type NamedPartitions = readonly { readonly topic: string; readonly partitions: readonly number[] }[];

/** What a SyncGroup of a classic member is answered, in the version of the protocol in which it subscribed. */
export function syncAnswerInConsumerGroup(
  group: ConsumerGroup,
  request: Omit<SyncCommand, "kind" | "assignments">,
  topicNameOf: TopicNameOf,
): Refusal | SyncAnswer {
  const error = checkSyncInConsumerGroup(group, request);
  if (error !== ErrorCode.NONE) return { kind: "refused", error };
  const member = classicCaller(group, request);
  if (typeof member === "number") return { kind: "refused", error: member };
  const assignedPartitions: { topic: string; partitions: number[] }[] = [];
  for (const [topicId, partitions] of member.assigned) {
    const topic = topicNameOf(topicId);
    if (topic !== undefined) assignedPartitions.push({ topic, partitions: [...partitions] });
  }
  const version = versionOf(member.classic.protocols);
  const assignment = encodeAssignment({ assignedPartitions }, version);
  return { kind: "synced", protocolType: "consumer", protocolName: chosenProtocol(member), assignment };
}

function versionOf(protocols: readonly MemberProtocol[]): number {
  const [first] = protocols;
  return first === undefined ? 0 : decodeSubscription(first.metadata).version;
}

/** What a JoinGroup's protocols say (`JoinCommand.subscription`); undefined if their bytes are not a consumer's. */
export function subscriptionOf(
  protocols: readonly MemberProtocol[],
  topicIdOf: TopicIdOf,
): ConsumerSubscription | undefined {
  const [first] = protocols;
  if (first === undefined) return undefined;
  return unlessMalformed(() => {
    const { topics, ownedPartitions, rackId, version } = decodeSubscription(first.metadata);
    const owned = version < 1 ? undefined : assignmentFrom(ownedPartitions, topicIdOf);
    return { topicNames: [...new Set(topics)].sort(), owned, rackId: rackId ?? undefined };
  });
}

/**
 * What lets the group become a consumer group (`ConsumerHeartbeatCommand.upgrade`); undefined if it cannot, and its
 * members of the consumer protocol are to be told GROUP_ID_NOT_FOUND: its bytes are not a consumer's, or its members use
 * an assignor of their own that keeps data with the assignments.
 */
export function upgradeOf(group: GroupState, topicIdOf: TopicIdOf): GroupUpgrade | undefined {
  const { membership, changedSeq } = group;
  if (membership.type !== "classic") return undefined;
  const members: UpgradedMember[] = [];
  for (const { memberId, protocols, assignment } of membership.members.values()) {
    const subscription = subscriptionOf(inUse(membership, protocols), topicIdOf);
    const assigned = assignedIn(assignment, topicIdOf);
    if (subscription === undefined || assigned === undefined) return undefined;
    members.push({ memberId, subscription, assigned });
  }
  return { changedSeq, members };
}

/** The protocol that the group has agreed on, else the member's own first choice. */
function inUse({ protocolName }: ClassicGroup, protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
  const agreed = protocols.filter(({ name }) => name === protocolName);
  return agreed.length > 0 ? agreed : protocols;
}

function assignedIn(assignment: Uint8Array, topicIdOf: TopicIdOf): Assignment | undefined {
  if (assignment.byteLength === 0) return new Map();
  return unlessMalformed(() => {
    const { assignedPartitions, userData } = decodeAssignment(assignment);
    const isPlain = userData === null || userData.byteLength === 0;
    return isPlain ? assignmentFrom(assignedPartitions, topicIdOf) : undefined;
  });
}

/** By topic id; topics that are gone count for nothing. */
function assignmentFrom(named: NamedPartitions, topicIdOf: TopicIdOf): Assignment {
  const partitionsById = new Map<TopicId, readonly number[]>();
  for (const { topic, partitions } of named) {
    const topicId = topicIdOf(topic);
    if (topicId === undefined) continue;
    const valid = partitions.filter((partition) => partition >= 0);
    partitionsById.set(topicId, [...(partitionsById.get(topicId) ?? []), ...valid]);
  }
  return normalized(partitionsById);
}

function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
