import type { Assignment } from "#lib/coordinator/member-types.ts";
import type { GroupDescription } from "#lib/coordinator/shell/group-descriptions.ts";
import { NOT_A_MEMBER } from "#lib/coordinator/shell/offset-calls.ts";
import { CONSUMER_PROTOCOL_TYPE, decodeAssignment } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { type HttpPrincipal, topicResource } from "./access.ts";
import { httpErrorOf } from "./error-table.ts";
import type { Caller } from "./find-topic.ts";
import { notFound, shown } from "./v3-resource.ts";

// Consumer groups of both protocols in one form, and how far they are behind.

export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface GroupConsumer {
  readonly consumerId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  /** By topic and partition. */
  readonly assigned: readonly GroupPartition[];
}

export interface ConsumerGroupView {
  readonly groupId: string;
  /** It holds offsets and never had members. */
  readonly isSimple: boolean;
  readonly assignor: string;
  /** As the REST Proxy writes it: `PREPARING_REBALANCE` for Kafka's PreparingRebalance. */
  readonly state: string;
  readonly consumers: readonly GroupConsumer[];
}

export interface PartitionLag extends GroupPartition {
  readonly consumer: GroupConsumer | undefined;
  readonly currentOffset: number;
  readonly logEndOffset: number;
  readonly lag: number;
}

/** The group as of a strong read, with partitions of those topics that the caller may see; 404 if there is none. */
export async function findGroup(groupId: string, caller: Caller): Promise<ConsumerGroupView> {
  const { runtime, signal } = caller;
  const { admin } = runtime.broker.groups;
  const found = await admin.describe(groupId, signal);
  if (typeof found === "number") throw groupError(found, groupId);
  if (found.type === "classic") return viewOf(found, classicConsumers(found, caller));
  const described = await admin.describeConsumers(groupId, signal);
  if (typeof described === "number") throw groupError(described, groupId);
  // Between the two reads it may have become a classic group.
  if (described === "classic") return viewOf(found, []);
  const { cluster } = runtime.broker;
  const isUnknown = (topicId: TopicId) => cluster.topic(topicId) === undefined;
  // What is left out must be gone: members may have topics that were made elsewhere just now.
  if (described.members.some(({ assigned }) => [...assigned.keys()].some(isUnknown))) await cluster.refresh(signal);
  const consumers = described.members.map(({ member, assigned }) => ({
    consumerId: member.memberId,
    instanceId: member.instanceId ?? null,
    clientId: member.clientId,
    assigned: namedPartitions(assigned, caller),
  }));
  return { ...viewOf({ ...found, state: described.state }, consumers), assignor: described.assignor };
}

export function consumerOf({ groupId, consumers }: ConsumerGroupView, consumerId: string): GroupConsumer {
  const found = consumers.find((consumer) => consumer.consumerId === consumerId);
  if (found === undefined) throw notFound(`Group ${groupId} has no consumer ${shown(consumerId)}.`);
  return found;
}

/**
 * How far the group is behind in each partition that it has committed an offset of, of topics that the caller may see: by
 * read_committed, as the REST Proxy counts. By topic and partition.
 */
export async function groupLags(group: ConsumerGroupView, caller: Caller): Promise<readonly PartitionLag[]> {
  const { principal, runtime, signal } = caller;
  const { cluster, offsets, groups } = runtime.broker;
  const found = await groups.offsets.fetch(group.groupId, NOT_A_MEMBER, signal);
  if (typeof found === "number") throw groupError(found, group.groupId);
  // Copied in the turn of the read: the folded state goes on. Kafka's clients may commit -1 for "nothing".
  const committed = [...found].flatMap(([topicId, partitions]) =>
    [...partitions].flatMap(([partition, { offset }]) => (offset < 0 ? [] : [{ topicId, partition, offset }])),
  );
  if (committed.some(({ topicId }) => cluster.topic(topicId) === undefined)) await cluster.refresh(signal);
  const known = committed.flatMap(({ topicId, ...rest }) => {
    const topic = cluster.topic(topicId);
    return topic === undefined || !maySee(principal, topic.name) ? [] : [{ topic, ...rest }];
  });
  const spec = { kind: "latest", readCommitted: true } as const;
  const queries = known.map(({ topic, partition }) => ({ topic: topic.placement, partitionIndex: partition, spec }));
  const ends = await offsets.listOffsets(queries, signal);
  const owners = ownersOf(group);
  const lags = known.flatMap(({ topic, partition, offset }, at): readonly PartitionLag[] => {
    const end = ends[at];
    const error = end?.error ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    // It was deleted just now.
    if (error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return [];
    if (error !== ErrorCode.NONE || end === undefined) throw httpErrorOf(error);
    const consumer = owners.get(keyOf({ topic: topic.name, partition }));
    const place = { topic: topic.name, partition, consumer };
    return [{ ...place, currentOffset: offset, logEndOffset: end.offset, lag: Math.max(0, end.offset - offset) }];
  });
  return lags.sort(byPlace);
}

export function groupError(code: ErrorCode, groupId: string) {
  if (code === ErrorCode.GROUP_ID_NOT_FOUND) return notFound(`There is no consumer group ${shown(groupId)}.`);
  return httpErrorOf(code);
}

function viewOf(found: GroupDescription, consumers: readonly GroupConsumer[]): ConsumerGroupView {
  return {
    groupId: found.groupId,
    isSimple: found.protocolType === "",
    assignor: found.protocolName,
    state: found.state.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(),
    consumers,
  };
}

function classicConsumers(
  { protocolType, members }: GroupDescription,
  { principal }: Caller,
): readonly GroupConsumer[] {
  const partitionsOf = (assignment: Uint8Array) =>
    partitionsIn(assignment).filter(({ topic }) => maySee(principal, topic));
  return members.map(({ memberId, groupInstanceId, clientId, assignment }) => ({
    consumerId: memberId,
    instanceId: groupInstanceId ?? null,
    clientId,
    assigned: protocolType === CONSUMER_PROTOCOL_TYPE ? partitionsOf(assignment) : [],
  }));
}

/** What a leader has given to a member; members may write there what they like. */
function partitionsIn(assignment: Uint8Array): readonly GroupPartition[] {
  if (assignment.byteLength === 0) return [];
  try {
    const { assignedPartitions } = decodeAssignment(assignment);
    return assignedPartitions
      .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
      .sort(byPlace);
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}

/** Topics that are gone by now are left out. */
function namedPartitions(assigned: Assignment, { principal, runtime }: Caller): readonly GroupPartition[] {
  const { cluster } = runtime.broker;
  return [...assigned]
    .flatMap(([topicId, partitions]) => {
      const topic = cluster.topic(topicId)?.name;
      if (topic === undefined || !maySee(principal, topic)) return [];
      return partitions.map((partition) => ({ topic, partition }));
    })
    .sort(byPlace);
}

function maySee(principal: HttpPrincipal, topicName: string): boolean {
  return principal.may("describe", topicResource(topicName));
}

function ownersOf({ consumers }: ConsumerGroupView): ReadonlyMap<string, GroupConsumer> {
  return new Map(consumers.flatMap((consumer) => consumer.assigned.map((place) => [keyOf(place), consumer] as const)));
}

function keyOf({ topic, partition }: GroupPartition): string {
  return `${topic}-${partition}`;
}

function byPlace(a: GroupPartition, b: GroupPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}
