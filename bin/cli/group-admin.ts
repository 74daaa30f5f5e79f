import { NoCommonVersionError } from "#lib/client/errors.ts";
import { assertGroup, withCoordinator } from "#lib/client/group-coordinator.ts";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { assertNoError, KafkaError } from "#lib/client/kafka-error.ts";
import { brokerIds } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { CONSUMER_PROTOCOL_TYPE, decodeAssignment } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { ConsumerGroupDescribeResponse } from "#lib/protocol/messages/consumer-group-describe.ts";
import type { DescribeGroupsResponse } from "#lib/protocol/messages/describe-groups.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import type { BrokerId } from "#lib/util/branded.ts";
import { CLIENT_COORDINATOR_MS_MAX } from "#lib/util/limits.ts";

/** What `groups list` shows. Empty where the broker is too old to tell. */
export interface ListedGroup {
  readonly group: string;
  readonly type: string;
  readonly state: string;
  /** What its members take part for: `consumer`, `connect`, or nothing where offsets alone make the group. */
  readonly protocol: string;
}

export interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  /** Null where the members' assignments are of a form of their own, such as that of Kafka Connect. */
  readonly assignments: readonly Assignment[] | null;
}

export interface Assignment {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** What `groups describe` shows of a group as a whole. */
export interface GroupDescription extends ListedGroup {
  /** By what partitions are given out; empty while nothing is. */
  readonly assignor: string;
  readonly members: readonly GroupMember[];
}

/** Every group that any broker coordinates, by name. Fails with `KafkaError`. */
export async function listGroups(client: KafkaClient, signal: AbortSignal): Promise<readonly ListedGroup[]> {
  const nodeIds = await brokerIds(client, signal);
  const limits = { timeoutMs: CLIENT_COORDINATOR_MS_MAX, signal };
  const lists = await Promise.all(
    nodeIds.map((nodeId) => client.retrying(() => listOf(client, nodeId, signal), limits)),
  );
  // Where every broker may coordinate every group, each tells of all.
  const groups = new Map(lists.flat().map((each) => [each.group, each]));
  return [...groups.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
}

async function listOf(client: KafkaClient, nodeId: BrokerId, signal: AbortSignal): Promise<readonly ListedGroup[]> {
  const answer = await client.send(Apis.LIST_GROUPS, {}, { nodeId, signal });
  assertNoError(answer.errorCode, `groups of broker ${nodeId}`);
  return answer.groups.map(({ groupId, groupType, groupState, protocolType }) => ({
    group: groupId,
    type: groupType.toLowerCase(),
    state: groupState,
    protocol: protocolType,
  }));
}

/** A group of either protocol. Fails with `KafkaError` GROUP_ID_NOT_FOUND if there is none. */
export async function describeGroup(
  client: KafkaClient,
  groupId: string,
  signal: AbortSignal,
): Promise<GroupDescription> {
  const describe = async (nodeId: BrokerId) =>
    (await describeConsumers(client, groupId, { nodeId, signal })) ??
    (await describeClassic(client, groupId, { nodeId, signal }));
  return withCoordinator(client, groupId, describe, signal);
}

interface To {
  readonly nodeId: BrokerId;
  readonly signal: AbortSignal;
}

/** Undefined for what is no group of the consumer protocol. */
async function describeConsumers(client: KafkaClient, groupId: string, to: To): Promise<GroupDescription | undefined> {
  const request = { groupIds: [groupId], includeAuthorizedOperations: false };
  let answer: ConsumerGroupDescribeResponse;
  try {
    answer = await client.send(Apis.CONSUMER_GROUP_DESCRIBE, request, to);
  } catch (error) {
    // A broker from before KIP-848, where all groups are classic.
    if (error instanceof NoCommonVersionError) return undefined;
    throw error;
  }
  const found = answer.groups[0];
  const code = found?.errorCode;
  if (code === ErrorCode.GROUP_ID_NOT_FOUND || code === ErrorCode.UNSUPPORTED_VERSION) return undefined;
  assertGroup(code, groupId, found?.errorMessage);
  const members = found?.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
    memberId,
    instanceId,
    clientId,
    host: hostOf(clientHost),
    assignments: assignment.topicPartitions.map(({ topicName, partitions }) => ({ topic: topicName, partitions })),
  }));
  const { groupState = "", assignorName = "" } = found ?? {};
  return {
    group: groupId,
    type: "consumer",
    state: groupState,
    protocol: CONSUMER_PROTOCOL_TYPE,
    assignor: assignorName,
    members: members ?? [],
  };
}

async function describeClassic(client: KafkaClient, groupId: string, to: To): Promise<GroupDescription> {
  const answer = await client.send(Apis.DESCRIBE_GROUPS, { groups: [groupId] }, to);
  const found = answer.groups[0];
  // Until version 6 a group that does not exist is described as a dead one.
  const isMissing = found?.errorCode === ErrorCode.NONE && found.groupState === "Dead";
  assertGroup(isMissing ? ErrorCode.GROUP_ID_NOT_FOUND : found?.errorCode, groupId);
  const { groupState = "", protocolType = "", protocolData = "", members = [] } = found ?? {};
  return {
    group: groupId,
    type: "classic",
    state: groupState,
    protocol: protocolType,
    assignor: protocolData,
    members: members.map((member) => classicMember(member, protocolType)),
  };
}

type ClassicMember = DescribeGroupsResponse["groups"][number]["members"][number];

function classicMember(member: ClassicMember, protocolType: string): GroupMember {
  const { memberId, groupInstanceId, clientId, clientHost, memberAssignment } = member;
  const assignments = protocolType === CONSUMER_PROTOCOL_TYPE ? assignmentsOf(memberAssignment) : null;
  return { memberId, instanceId: groupInstanceId, clientId, host: hostOf(clientHost), assignments };
}

function assignmentsOf(bytes: Uint8Array): readonly Assignment[] | null {
  // In the middle of a rebalance nothing is assigned.
  if (bytes.byteLength === 0) return [];
  try {
    return decodeAssignment(bytes).assignedPartitions;
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Kafka writes an address with a slash before it, as Java does. */
function hostOf(clientHost: string): string {
  return clientHost.replace(/^\//, "");
}

/** Deletes a group with its offsets. Fails with `KafkaError`, NON_EMPTY_GROUP with the members in its text. */
export async function deleteGroup(client: KafkaClient, groupId: string, signal: AbortSignal): Promise<void> {
  const code = await withCoordinator(
    client,
    groupId,
    (nodeId) => deleteAt(client, groupId, { nodeId, signal }),
    signal,
  );
  if (code === ErrorCode.NON_EMPTY_GROUP) throw nonEmpty(await describeGroup(client, groupId, signal));
  assertGroup(code, groupId);
}

async function deleteAt(client: KafkaClient, groupId: string, to: To): Promise<number | undefined> {
  const { results } = await client.send(Apis.DELETE_GROUPS, { groupsNames: [groupId] }, to);
  const code = results[0]?.errorCode;
  if (code !== ErrorCode.NON_EMPTY_GROUP) assertGroup(code, groupId);
  return code;
}

const MEMBERS_NAMED_MAX = 5;

/** Says which members are in the way of a change. */
export function nonEmpty({ group, state, members }: GroupDescription): KafkaError {
  const named = members.slice(0, MEMBERS_NAMED_MAX).map(({ clientId, host, memberId }) => {
    return `${clientId === "" ? memberId : clientId} at ${host} (${memberId})`;
  });
  const rest = members.length > named.length ? ` and ${members.length - named.length} more` : "";
  const count = `${members.length} ${members.length === 1 ? "member" : "members"}`;
  const who = named.length === 0 ? "" : `: ${named.join(", ")}${rest}`;
  const detail = `The group is ${state} with ${count}${who}. Stop them first; the group is empty when they have left or their sessions have ended.`;
  return new KafkaError(ErrorCode.NON_EMPTY_GROUP, `group ${group}`, detail);
}
